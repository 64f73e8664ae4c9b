"""The dashboard as a visitor sees it: published by Voila, opened in Chromium."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qrag_lib.progress import quiet
from qrag_lib.settings import Settings
from qrag_lib.workspace import Workspace

pytestmark = pytest.mark.browser
CHROMIUM = Path("/usr/bin/chromium")
DASHBOARDS = Path(__file__).parents[1] / "dashboards"
HOSTILE = "<img src=http://127.0.0.1:9/x onerror=window.__x=1>"


@pytest.fixture(scope="module")
def address(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Voila over a workspace with one document, on a free port."""
    if not CHROMIUM.exists():
        pytest.skip("no Chromium at /usr/bin/chromium: install it to run the browser tests")
    folder = tmp_path_factory.mktemp("dashboard")
    records = [{"id": f"{HOSTILE}.txt", "text": f"The library opens at nine {HOSTILE}. On Sundays it is closed."}]
    with Workspace.open(folder / "ws", settings=Settings(embedding_model=str(tiny_model))) as workspace:
        workspace.ingest(records, on_progress=quiet)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "voila", "qrag.ipynb", f"--port={port}", "--no-browser"]
    environment = {**os.environ, "QRAG_WORKSPACE": str(folder / "ws"), "QRAG_LANG": "en"}
    log = (folder / "voila.log").open("w")
    with subprocess.Popen(command, cwd=DASHBOARDS, env=environment, stdout=log, stderr=subprocess.STDOUT) as server:
        _wait_for(port, server)
        yield f"http://127.0.0.1:{port}/"
        server.terminate()
    log.close()


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    for _attempt in range(600):
        assert server.poll() is None, "voila ended"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("voila does not listen")


@pytest.fixture(scope="module")
def page(address: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=str(CHROMIUM), args=flags)
        page = browser.new_page()
        page.set_default_timeout(180_000)
        page.answered = []
        page.on("response", lambda response: page.answered.append(response.url))
        page.goto(address)
        page.wait_for_selector("input[type=text]")
        yield page
        browser.close()


def test_a_question_is_answered_with_its_quote(page: Any) -> None:
    page.fill("input[type=text]", "When does the library open?")
    page.keyboard.press("Enter")
    page.wait_for_selector("details, .panel")
    assert "The library opens at nine" in page.inner_text("body")


def test_a_document_cannot_run_or_fetch_anything(page: Any, address: str) -> None:
    page.click("text=Documents")
    page.wait_for_selector("table:visible")
    assert page.evaluate("window.__x") is None
    assert page.locator(".jupyter-widgets img").count() == 0
    assert [url for url in page.answered if not url.startswith((address, "data:", "blob:"))] == []
