"""The verbs as magics, run as a person runs them: whole cells in a real IPython shell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from qrag_lib.search.explain import Explanation
from qrag_lib.types import Answer, Hits, IngestReport

LIBRARY = "# Opening hours\n\nThe library opens at nine in the morning. On Saturdays it opens at ten.\n"
RULES = "# Regimento\n\nO vice-diretor é o professor Ramiro Teles. O mandato dura dois anos.\n"
SATURDAYS = "When does the library open on Saturdays?"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("magics")
    papers = folder / "my papers"
    papers.mkdir()
    (papers / "library.md").write_text(LIBRARY, "utf-8")
    (papers / "regimento.md").write_text(RULES, "utf-8")
    return folder


@pytest.fixture(scope="module")
def shell(place: Path) -> Iterator[Any]:
    """A shell with the extension loaded, a workspace open, and the papers read."""
    shell = InteractiveShell()
    run(shell, "%load_ext qrag_lib")
    run(shell, f"%qrag_workspace {place / 'ws'}")
    report = run(shell, f'%ingest "{place / "my papers"}"')
    assert isinstance(report, IngestReport) and report.added == ("library.md", "regimento.md")
    yield shell
    run(shell, "%unload_ext qrag_lib")


@pytest.fixture(scope="module")
def bare() -> Any:
    """A shell without the extension."""
    return InteractiveShell()


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QRAG_LANG", "en")


def run(shell: Any, cell: str) -> Any:
    """The value of a cell's last line; what the cell raises."""
    done = shell.run_cell(cell)
    done.raise_error()
    return done.result


def test_ask_gives_an_answer_that_shows_itself(shell: Any) -> None:
    answer = run(shell, f"%ask {SATURDAYS}")
    assert isinstance(answer, Answer) and answer.question == SATURDAYS
    assert "it opens at ten" in answer._repr_html_()


@pytest.mark.parametrize(
    "question",
    [
        "Quem é o vice-diretor?",
        "Quem é o vice-diretor??",
        "Qual é o prazo do art. 4º?",
        "What's the library's opening time?",
        'O que quer dizer "mandato"?',
        "Quanto custa (em R$?",
        "O que é 10 % de 3ª?",
        "is_this.a_name?",
        "%ask?",
        "Quem é o vice-diretor? O professor",
    ],
)
def test_a_question_keeps_its_question_mark(question: str, shell: Any) -> None:
    assert run(shell, f"%ask {question}").question == question
    assert run(shell, f"kept = %search {question}\nkept").question == question
    assert run(shell, f"if True:\n    kept = %ask {question}\n    %search {question}\nkept").question == question


def test_an_answer_is_kept_and_the_cell_goes_on(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run(shell, "r = %ask Quem é o vice-diretor?\nprint(r.question)\n%search prazo do mandato?\nprint('after')")
    assert capsys.readouterr().out == "Quem é o vice-diretor?\nafter\n"


def test_the_question_may_fill_a_cell(shell: Any) -> None:
    for cell in (
        "%%ask\nWhen does the library\nopen on Saturdays?\n",
        "%%ask When does the library\nopen on Saturdays?",
    ):
        assert run(shell, cell).question == SATURDAYS
    assert isinstance(run(shell, "%%search\nopening hours?"), Hits)


@pytest.mark.parametrize("cell", [f"%%ask {SATURDAYS}", f"\n%%ask {SATURDAYS}\n\n", f"%%search {SATURDAYS}"])
def test_a_cell_of_one_line_is_a_question_too(cell: str, shell: Any) -> None:
    assert run(shell, cell).question == SATURDAYS


def test_a_line_may_be_continued(shell: Any) -> None:
    assert run(shell, "%ask When does the library \\\nopen on Saturdays?").question.split() == SATURDAYS.split()


def test_search_gives_hits(shell: Any) -> None:
    hits = run(shell, "%search opening hours")
    assert isinstance(hits, Hits) and hits[0].chunk.document_name == "library.md"


@pytest.mark.parametrize(
    "cell", ["%search --k 1 opening hours?", "%search -k=1 opening hours?", "%search opening hours? --k 1"]
)
def test_options_stand_in_front_or_behind(cell: str, shell: Any) -> None:
    hits = run(shell, cell)
    assert (len(hits), hits.question) == (1, "opening hours?")


def test_options_of_a_cell_stand_in_its_first_line(shell: Any) -> None:
    hits = run(shell, "%%search --k 1\nopening hours --k 2?")
    assert (len(hits), hits.question) == (1, "opening hours --k 2?")


def test_explain_says_where_a_document_stood(shell: Any) -> None:
    told = run(shell, "%explain --document library.md When does it open?")
    assert isinstance(told, Explanation) and told.question == "When does it open?"
    phrase = run(shell, 'why = %explain When does it open? --phrase "at ten"\nwhy')
    assert phrase.question == "When does it open?"
    assert run(shell, "%%explain --document regimento.md\nQuem é o vice-diretor?").question == "Quem é o vice-diretor?"


def test_a_question_is_data_and_never_an_expression(shell: Any) -> None:
    shell.user_ns["secret"] = "42"
    question = 'what is $secret {secret} {__import__("os").getcwd()}?'
    assert run(shell, f"%search {question}").question == question


# --- help stays help --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cell",
    [
        "%ask?", "%ask??", "%%ask?", "%search?", "?%ask", "print?", "x = 1\nprint?", "%timeit?", "%%timeit??",
        "a = %ask?", "# %ask When?", 'text = """\n%ask When?\n"""', "ask?", "%asked When?", "%timeit foo?",
        "!echo %ask?",
    ],
)  # fmt: skip
def test_everything_else_is_what_ipython_makes_of_it(cell: str, shell: Any, bare: Any) -> None:
    assert shell.transform_cell(cell) == bare.transform_cell(cell)


def test_help_of_a_magic_is_shown(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run(shell, "%ask?")
    assert "An answer in quotes from the documents" in capsys.readouterr().out


def test_unloading_leaves_the_shell_as_it_was(bare: Any, tmp_path: Path) -> None:
    shell = InteractiveShell()
    before = {kind: set(names) for kind, names in shell.magics_manager.magics.items()}
    for _again in range(2):
        run(shell, f"%load_ext qrag_lib\n%qrag_workspace {tmp_path / 'ws'}")
        run(shell, "%reload_ext qrag_lib\n%unload_ext qrag_lib")
    for manager in (shell.input_transformer_manager, bare.input_transformer_manager):
        assert [each.__name__ for each in manager.token_transformers] == [
            "MagicAssign", "SystemAssign", "EscapedCommand", "HelpEnd",
        ]  # fmt: skip
        assert [each.__name__ for each in manager.line_transforms] == ["cell_magic"]
    assert {kind: set(names) for kind, names in shell.magics_manager.magics.items()} == before
    assert "Verbs" not in shell.magics_manager.registry


def test_a_cell_is_complete_when_ipython_says_so(shell: Any) -> None:
    assert shell.check_complete("%ask When does it open?")[0] == "complete"
    assert shell.check_complete("%%ask When does it open?")[0] == "incomplete"  # the question may go on below


# --- mistakes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("%ask", "there is no question\n→ write it behind the magic"),
        ("%ask ?", "there is no question\n→ write it behind the magic"),
        ("%ingest", "%ingest was given nothing to read\n→ name a folder or a file"),
        ('%ingest "half', "quote without its end\n→ quote a name"),
        ("%ask --kk 3 When?", "%ask has no option --kk\n→ it has --k, --model; the question stands behind them"),
        ("%search --model auto: When?", "%search has no option --model\n→ it has --k;"),
        ("%search --k three When?", "--k cannot be 'three'\n→ write its value behind it: --k 3"),
        ("%search --k", "--k cannot be ''\n→ write its value behind it"),
    ],
)
def test_a_mistake_is_two_lines(cell: str, message: str, shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    done = shell.run_cell(cell)
    shown = capsys.readouterr().out
    assert not done.success and message in shown
    assert len(shown.splitlines()) == 2


def test_a_mistake_does_not_close_the_workspace(shell: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert not shell.run_cell(f"%qrag_workspace {tmp_path / 'file' / 'ws'}").success
    assert run(shell, "%search library").question == "library"
    assert run(shell, "%qrag_workspace").n_documents == 2
