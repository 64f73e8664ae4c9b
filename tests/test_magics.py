"""The verbs as magics, in a real IPython shell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from qrag_lib.types import Answer, Hits, IngestReport

LIBRARY = "# Opening hours\n\nThe library opens at nine in the morning. On Saturdays it opens at ten.\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("magics")
    papers = folder / "my papers"
    papers.mkdir()
    (papers / "library.md").write_text(LIBRARY, "utf-8")
    return folder


@pytest.fixture(scope="module")
def shell(place: Path) -> Iterator[Any]:
    """A shell with the extension loaded, a workspace open, and the papers read."""
    shell = InteractiveShell()
    shell.run_line_magic("load_ext", "qrag_lib")
    shell.run_line_magic("qrag_workspace", str(place / "ws"))
    report = shell.run_line_magic("ingest", f'"{place / "my papers"}"')
    assert isinstance(report, IngestReport) and report.added == ("library.md",)
    yield shell
    shell.magics_manager.registry["Verbs"].workspace.close()


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QRAG_LANG", "en")


def test_ask_gives_an_answer_that_shows_itself(shell: Any) -> None:
    answer = shell.run_line_magic("ask", "When does the library open on Saturdays?")
    assert isinstance(answer, Answer)
    assert "it opens at ten" in answer._repr_html_()


def test_the_question_may_fill_a_cell(shell: Any) -> None:
    answer = shell.run_cell_magic("ask", "", "When does the library\nopen on Saturdays?\n")
    assert answer.question == "When does the library open on Saturdays?"


def test_search_gives_hits(shell: Any) -> None:
    hits = shell.run_line_magic("search", "opening hours")
    assert isinstance(hits, Hits) and hits[0].chunk.document_name == "library.md"


def test_a_question_is_data_and_never_an_expression(shell: Any) -> None:
    shell.user_ns["secret"] = "42"
    hits = shell.run_cell('%search what is $secret {secret} {__import__("os").getcwd()}').result
    assert hits.question == 'what is $secret {secret} {__import__("os").getcwd()}'


def test_the_workspace_says_what_it_holds(shell: Any) -> None:
    assert shell.run_line_magic("qrag_workspace", "").n_documents == 1


@pytest.mark.parametrize(
    ("magic", "given", "message"),
    [
        ("ask", "", "there is no question\n→ write it behind the magic"),
        ("ingest", "", "%ingest was given nothing to read\n→ name a folder or a file"),
        ("ingest", '"half', "quote without its end\n→ quote a name"),
    ],
)
def test_an_error_is_one_line_and_a_hint(magic: str, given: str, message: str, shell: Any) -> None:
    mistake = shell.run_line_magic(magic, given)
    assert message in str(mistake)
    assert "Traceback" not in mistake._repr_html_()
    assert mistake.error.hint in str(mistake)


def test_an_error_does_not_close_the_workspace(shell: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    mistake = shell.run_line_magic("qrag_workspace", str(tmp_path / "file" / "ws"))
    assert "no workspace can be made" in str(mistake)
    assert shell.run_line_magic("search", "library").question == "library"


def test_markup_in_an_error_is_text(shell: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    mistake = shell.run_line_magic("qrag_workspace", f"{tmp_path / 'file'}/<img src=x>")
    assert "<img" not in mistake._repr_html_()
