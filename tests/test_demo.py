"""The main job: samples and packages in, a notebook run by papermill, answers out."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import nbformat
import pytest

from qrag_lib import Settings, Workspace, demo
from qrag_lib.demo import Demo, commands, execute
from qrag_lib.errors import RunFailed, SettingsError, WorkspaceError

pytestmark = pytest.mark.filterwarnings("default")  # papermill and the kernel's client warn


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(workspace=tmp_path_factory.mktemp("demo") / "workspace")


@pytest.fixture(scope="module")
def done(settings: Settings) -> Demo:
    return demo.run(settings, n_packages=3)


def notebook(path: Path, *cells: str) -> Path:
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells], metadata=kernel), path)
    return path


def told(notebook: Path) -> list[tuple[Any, ...]]:
    calls: list[tuple[Any, ...]] = []
    with contextlib.suppress(RunFailed):
        execute(notebook, notebook.parent, {}, lambda *given, **named: calls.append((*given, *named.values())))
    return calls


def test_it_answers_what_the_samples_hold(done: Demo) -> None:
    fine, report = done.answers[0], done.answers[1]
    assert "R$ 1,50" in fine.text and fine.citations[0].page == "2"
    assert "4 December 2026" in report.text


def test_it_refuses_what_no_document_holds(done: Demo) -> None:
    assert done.answers[-1].refused


def test_every_quote_stands_in_the_workspace(done: Demo, settings: Settings) -> None:
    with Workspace.open(settings.workspace, read_only=True) as workspace:
        for citation in [each for answer in done.answers for each in answer.citations]:
            assert workspace.passage(citation.document_id, citation.start, citation.end) == citation.quote


def test_it_says_what_was_refused_and_what_to_do_next(done: Demo) -> None:
    printed = str(done)
    assert {refusal.reason for refusal in done.refused} == {"no_text", "encrypted", "broken", "binary", "empty"}
    assert all(refusal.name in printed for refusal in done.refused)
    assert str(done.notebook) in printed and done.commands[-1] == "make lab"


def test_the_executed_notebook_stays_with_its_outputs(done: Demo, settings: Settings) -> None:
    assert done.notebook.parent == settings.workspace / "runs"
    cells = [cell for cell in nbformat.read(done.notebook, 4).cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)
    assert any("text/html" in output.get("data", {}) for cell in cells for output in cell.outputs)


def test_a_second_run_embeds_nothing(done: Demo, settings: Settings) -> None:
    with Workspace.open(settings.workspace) as workspace:
        report = workspace.ingest(demo.SAMPLES)
    assert (report.n_embedded, report.unchanged, len(report.refused)) == (0, 21, 5)


def test_documents_of_ones_own_are_not_mixed_with_samples(tmp_path: Path) -> None:
    with Workspace.open(tmp_path / "mine") as workspace:
        workspace.ingest([{"id": "a", "text": "Somebody's own notes."}])
    with pytest.raises(WorkspaceError, match="holds documents of yours"):
        demo.check(Settings(workspace=tmp_path / "mine"))


def test_the_commands_name_a_workspace_that_is_not_the_default() -> None:
    assert any(command.endswith("-w 'my papers'") for command in commands(Settings(workspace=Path("my papers"))))
    assert not any("-w" in command for command in commands(Settings()))


def test_the_notebook_asks_what_the_terminal_asks() -> None:
    source = demo.NOTEBOOK.read_text("utf-8")
    assert demo.QUESTIONS[0] in source and demo.QUESTIONS[-1] in source


def test_a_failing_cell_is_named_and_the_notebook_kept(tmp_path: Path) -> None:
    failing = notebook(tmp_path / "n.ipynb", "1 + 1", "raise ValueError('no such shelf')", "3")
    with pytest.raises(RunFailed, match=r"cell 2 of \S+-n.ipynb failed: ValueError: no such shelf") as failed:
        execute(failing, tmp_path / "runs", {}, lambda *given, **named: None)
    kept = next((tmp_path / "runs").iterdir())
    assert str(kept) in (failed.value.hint or "") and "no such shelf" in kept.read_text("utf-8")


def test_a_dead_kernel_is_a_failure(tmp_path: Path) -> None:
    dying = notebook(tmp_path / "n.ipynb", "import os; os._exit(1)", "2")
    with pytest.raises(RunFailed, match="DeadKernel"):
        execute(dying, tmp_path / "runs", {}, lambda *given, **named: None)


def test_progress_in_the_kernel_is_told_here(tmp_path: Path) -> None:
    code = "from qrag_lib.progress import shown\nwith shown() as tell:\n    tell('embed', 3, 9, seconds=1.5)"
    calls = told(notebook(tmp_path / "n.ipynb", code))
    assert ("embed", 3, 9, 1.5) in calls
    assert calls[0] == ("notebook", 0, 1, 0.0)


def test_a_parameter_that_the_notebook_does_not_declare_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"01_documents_to_answers\.ipynb has no parameter question\n") as told:
        execute(demo.NOTEBOOK, tmp_path / "runs", {"question": ["Why?"]}, lambda *_given, **_named: None)
    assert "n_packages, questions" in str(told.value.hint)
    assert not (tmp_path / "runs").exists()
