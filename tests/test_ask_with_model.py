"""Asking with a model from the library, the command line and a notebook: a real server, a real streamed model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stub_openai import StubOpenAI, stub_openai

from qrag_lib.cli import main
from qrag_lib.cli.exits import Exit
from qrag_lib.errors import NotFound
from qrag_lib.llamaindex.llm import QragLLM
from qrag_lib.types import Answer
from qrag_lib.workspace import Workspace

LID = "The lid is red, or so they said at noon. The box below it is green.\n"
QUESTION = "What is red?"


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QRAG_LANG", "en")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("asking")
    (folder / "lid.md").write_text(LID, "utf-8")
    assert main(["ingest", str(folder / "lid.md"), "-w", str(folder / "ws"), "--json"]) == Exit.DONE
    return folder / "ws"


@pytest.fixture
def server() -> Iterator[StubOpenAI]:
    with stub_openai() as running:
        yield running


def told(place: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, Any]:
    code = main(["ask", QUESTION, "-w", str(place), "--json", *options])
    return code, json.loads(capsys.readouterr().out)


def test_the_command_line_lets_a_model_write(
    place: Path, server: StubOpenAI, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = told(place, capsys, "--model", f"openai:{server.url}#tiny")
    assert (code, said["failure"], said["writing"]["n_prompt_tokens"]) == (Exit.DONE, "", 7)
    cited = said["citations"][0]
    assert LID[cited["start"] : cited["end"]] == cited["quote"] and said["sentences"][0]["citations"] == [1]
    assert "| The lid is red" in json.dumps(server.questions()[0])


def test_a_server_that_breaks_off_is_stated_and_the_quotes_answer(
    place: Path, server: StubOpenAI, capsys: pytest.CaptureFixture[str]
) -> None:
    server.moods = ["cut 3"] * 10
    code, said = told(place, capsys, "--model", f"openai:{server.url}#tiny", "--threshold", "0")
    assert (code, said["generator"]) == (Exit.DONE, "extractive") and said["failure"] in said["note"]
    assert said["sentences"][0]["citations"] and said["draft"] == "Red is the"


def test_an_address_of_no_kind_is_a_mistake_in_the_command(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = told(place, capsys, "--model", "gpt")
    assert (code, said["error"]) == (Exit.USAGE, "SettingsError")


@pytest.mark.parametrize("address", ["offload:/nonexistent", "gguf:/nonexistent.gguf", "offload:no-one/no-model"])
def test_an_address_that_names_nothing_is_an_error_and_no_quotes(
    address: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = told(place, capsys, "--model", address)
    assert (code, said["error"], "sentences" in said) == (Exit.NOT_FOUND, "NotFound", False)
    assert said["hint"]
    with Workspace.open(place, read_only=True) as workspace, pytest.raises(NotFound):
        workspace.ask(QUESTION, llm=address)


@pytest.mark.parametrize("address", ["offload:/nonexistent", "gguf:/nonexistent.gguf"])
def test_in_a_cell_an_address_that_names_nothing_fails_and_gives_no_quotes(
    address: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    shell.run_cell("%load_ext qrag_lib")
    shell.run_cell(f"%qrag_workspace {place}")
    capsys.readouterr()
    done = shell.run_cell(f"%ask --model {address} {QUESTION}")
    shown = capsys.readouterr().out
    shell.magics_manager.registry["Verbs"].workspace.close()
    assert not done.success and done.result is None and isinstance(done.error_in_exec, NotFound)
    assert "/nonexistent" in shown and "→" in shown and "red" not in shown and len(shown.splitlines()) == 2


def test_a_kind_nearly_right_is_guessed(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = told(place, capsys, "--model", "ofload:/models/x")
    assert code == Exit.USAGE and said["hint"].startswith("did you mean offload:? an address begins with one of")


def test_a_server_that_is_down_is_stated_and_the_quotes_answer(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = told(place, capsys, "--model", "openai:http://127.0.0.1:9/v1", "--threshold", "0")
    assert (code, said["generator"]) == (Exit.DONE, "extractive")
    assert said["failure"] and said["failure"] in said["note"]


def test_auto_that_comes_to_no_model_says_why_the_quotes_answer(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = told(place, capsys, "--model", "auto:", "--threshold", "0")
    assert (code, said["generator"], said["failure"]) == (Exit.DONE, "extractive", "")
    assert "No model writes: there is no language model in" in said["note"]


def test_a_magic_takes_the_address_of_a_model(place: Path, server: StubOpenAI) -> None:
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    shell.run_line_magic("load_ext", "qrag_lib")
    shell.run_line_magic("qrag_workspace", str(place))
    said = shell.run_line_magic("ask", f"--model openai:{server.url}#tiny {QUESTION}")
    celled = shell.run_cell_magic("ask", f"--model openai:{server.url}#tiny", f"{QUESTION}\n")
    shell.magics_manager.registry["Verbs"].workspace.close()
    assert isinstance(said, Answer) and said.writing is not None and celled.question == said.question == QUESTION


def test_ctrl_c_on_the_command_line_is_calm(place: Path, server: StubOpenAI) -> None:
    server.moods = ["silent 3"]
    asked = threading.Event()
    command = [
        sys.executable,
        "-m",
        "qrag_lib",
        "ask",
        QUESTION,
        "-w",
        str(place),
        "--model",
        f"openai:{server.url}#tiny",
    ]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ, text=True)
    while not server.questions() and running.poll() is None:
        asked.wait(0.02)
    running.send_signal(signal.SIGINT)
    _out, err = running.communicate(timeout=60)
    assert running.returncode == Exit.INTERRUPTED and "Interrupted" in err and "Traceback" not in err


def test_our_own_llm_counts_its_tokens_and_gives_up_cleanly(place: Path) -> None:
    from scripted_llm import ScriptedEngine

    engine = ScriptedEngine("Red is the lid, or so they said at noon.")
    stops = iter([KeyboardInterrupt])

    def stop(_piece: str) -> None:
        for error in stops:
            raise error

    with Workspace.open(place, read_only=True) as workspace:
        with pytest.raises(KeyboardInterrupt):
            workspace.ask(QUESTION, llm=QragLLM(engine), on_text=stop)
        assert engine.closed == 1
        said = workspace.ask(QUESTION, llm=QragLLM(engine), on_text=stop)
    assert said.writing is not None and said.writing.counted and said.writing.n_new_tokens == 10
    assert said.citations and engine.open


def test_a_streamed_model_writes_and_what_it_invents_is_refused(place: Path, tmp_path: Path) -> None:
    from tiny_llm import make_tiny_llm

    from qrag_lib.settings import load_settings

    folder = make_tiny_llm(tmp_path / "tiny")
    settings = load_settings(place, model_memory_mib=600, models_cache=tmp_path / "models", worker_idle_s=2.0)
    pieces: list[str] = []
    with Workspace.open(place, read_only=True, settings=settings) as workspace:
        said = workspace.ask(QUESTION, llm=f"offload:{folder}", on_text=pieces.append)
    assert said.failure == "" and said.refused and "".join(pieces) == said.draft
    assert said.writing is not None and said.writing.n_new_tokens > 0 and said.writing.counted
