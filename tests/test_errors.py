"""How an error shows itself: two lines where it is raised, the whole traceback where it is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest

from qrag_lib.demo import execute
from qrag_lib.errors import QragError, RunFailed

MISSING = "there is no workspace in nowhere"
HINT = "→ qrag ingest FOLDER makes one; -w names another place"
OPEN = "from qrag_lib import Workspace\nWorkspace.open('nowhere', create=False)"


def raised(message: str, hint: str | None = None) -> list[str]:
    try:
        raise QragError(message, hint=hint) from ValueError("the cause")
    except QragError as error:
        return error._render_traceback_()


def test_it_shows_the_message_and_the_hint() -> None:
    assert raised("no room: 3 MiB free", "free space") == ["no room: 3 MiB free", "→ free space"]
    assert raised("no room: 3 MiB free") == ["no room: 3 MiB free"]


def test_nothing_in_it_reaches_the_screen_as_a_command() -> None:
    assert raised("a\x1b[2Jb\nc\u202e", "d\x07") == ["a\\x1b[2Jb\\nc\\u202e", "→ d\\x07"]


def test_asked_for_later_it_shows_everything() -> None:
    try:
        raise QragError("no room", hint="free space") from ValueError("the cause")
    except QragError as error:
        kept = error
    whole = "".join(kept._render_traceback_())
    assert "the cause" in whole and "test_errors.py" in whole and "→ free space" in whole


def notebook(path: Path, *cells: str) -> Path:
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells], metadata=kernel), path)
    return path


def shown(cell: Any) -> str:
    """What a cell shows: its error, its stream and its results as text."""
    pieces = [
        ("\n".join(each.get("traceback", ())), each.get("text", ""), str(each.get("data"))) for each in cell.outputs
    ]
    return "\n".join("\n".join(piece) for piece in pieces)


@pytest.mark.filterwarnings("default")
def test_a_kernel_shows_two_lines_and_tb_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nbclient import NotebookClient

    monkeypatch.setenv("QRAG_LANG", "en")
    made = notebook(tmp_path / "a.ipynb", OPEN, "%tb", "%load_ext qrag_lib", "r = %ask Quem é o vice-diretor?")
    read: Any = nbformat.read(made, 4)
    done = NotebookClient(read, allow_errors=True, resources={"metadata": {"path": str(tmp_path)}}).execute()
    (error,) = done.cells[0].outputs
    assert error.traceback == [MISSING, HINT] and error.ename == "WorkspaceNotFound"
    assert "Traceback" in shown(done.cells[1]) and MISSING in shown(done.cells[1])
    assert done.cells[3].outputs[0].traceback[0] == "the workspace holds no documents"


@pytest.mark.filterwarnings("default")
def test_papermill_keeps_the_two_lines_and_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QRAG_LANG", "en")
    with pytest.raises(RunFailed, match=r"cell 1 of .* failed: WorkspaceNotFound: there is no workspace"):
        execute(notebook(tmp_path / "a.ipynb", OPEN), tmp_path / "runs", {}, lambda *_given, **_named: None)
    (executed,) = (tmp_path / "runs").glob("*.ipynb")
    cells: Any = nbformat.read(executed, 4).cells
    (error,) = [output for cell in cells for output in cell.get("outputs", ()) if output.output_type == "error"]
    assert error.traceback == [MISSING, HINT]
