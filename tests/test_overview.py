"""A workspace shows itself: a few figures, at no cost, and never an error."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qrag_lib.settings import Settings
from qrag_lib.types import Document
from qrag_lib.workspace import Workspace

PORTUGUESE = "O rato roeu a roupa do rei de Roma, e o prazo para a devolução dos livros é de trinta dias."
ENGLISH = "The library opens at nine in the morning, and on Saturdays it opens at ten."


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QRAG_LANG", "en")


@pytest.fixture
def workspace(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    monkeypatch.chdir(tmp_path)
    settings = Settings(workspace=Path("<w>"), embedding_model=str(tiny_model))
    with Workspace.open("<w>", settings=settings) as opened:
        texts = [PORTUGUESE, PORTUGUESE + " Roma.", ENGLISH, " "]
        opened.ingest([Document(f"d{n}", f"{n}.txt", text) for n, text in enumerate(texts)])
        yield opened


def rows(workspace: Workspace) -> dict[str, str]:
    lines = [line.split("  ", 1) for line in str(workspace).splitlines() if "  " in line]
    return {name: value.strip() for name, value in lines}


def test_it_says_where_it_is_and_what_it_holds(workspace: Workspace) -> None:
    shown = rows(workspace)
    assert shown["folder"] == "<w>"
    assert (shown["documents"], shown["refused"], shown["chunks"]) == ("3", "1", "3")
    assert shown["languages"] == "Portuguese (2), English (1)"
    assert shown["index"] == "200 / 40 tokens"
    assert "next step" not in shown


def test_it_is_the_same_in_a_notebook_and_at_a_prompt(workspace: Workspace) -> None:
    page = workspace._repr_html_()
    assert repr(workspace) == str(workspace)
    assert all(value in page for value in ("Portuguese (2), English (1)", "200 / 40 tokens"))
    assert "&lt;w&gt;" in page and "<w>" not in page


def test_an_empty_one_says_what_to_do(tmp_path: Path) -> None:
    with Workspace.open(tmp_path / "w", settings=Settings(workspace=tmp_path / "w")) as empty:
        assert "workspace.ingest(" in str(empty) and "workspace.ingest(" in empty._repr_html_()
        assert rows(empty)["embedding model"] == Settings.embedding_model


def test_a_closed_one_says_so(workspace: Workspace) -> None:
    workspace.close()
    assert rows(workspace)["state"] == "closed; Workspace.open opens it again"


def test_a_damaged_one_says_so(tmp_path: Path) -> None:
    with Workspace.open(tmp_path / "w", settings=Settings(workspace=tmp_path / "w")) as workspace:
        with workspace.catalog.write():
            workspace.catalog.database.run("DROP TABLE documents")
        assert "cannot be read as a catalogue" in " ".join(str(workspace).split())


def test_showing_it_loads_no_model(workspace: Workspace) -> None:
    show = (
        "import sys; from qrag_lib import Workspace\n"
        f"with Workspace.open({str(workspace.path)!r}) as w: assert 'Portuguese (2)' in w._repr_html_() + str(w)\n"
        "print(*(sys.modules.keys() & {'torch', 'transformers', 'chromadb', 'llama_index', 'tokenizers'}))"
    )
    done = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("", "")
