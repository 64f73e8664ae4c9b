"""Every notebook is source that a person can read, and runs from the first cell to the last."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def notebook(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_it_is_stripped_and_keeps_its_cell_ids(notebook: Any) -> None:
    assert all(not cell.outputs and cell.execution_count is None for cell in code(notebook))
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    assert all(set(cell.metadata) <= {"tags"} for cell in notebook.cells)
    assert notebook.metadata.kernelspec.name == "python3"


def test_it_begins_with_a_title_and_says_what_it_is_for(notebook: Any) -> None:
    first = notebook.cells[0]
    assert first.cell_type == "markdown" and first.source.startswith("# ")
    assert len(first.source.split("\n", 1)[1].split()) >= 8


def test_its_cells_are_short_and_define_no_class(notebook: Any) -> None:
    assert len(code(notebook)) <= 14
    for cell in code(notebook):
        assert len(cell.source.splitlines()) <= 12, cell.source
        lines = [line for line in cell.source.splitlines() if not line.lstrip().startswith(("%", "!"))]
        assert not any(isinstance(node, ast.ClassDef) for node in ast.walk(ast.parse("\n".join(lines)))), cell.source


def test_each_parameter_has_a_type_and_a_comment(notebook: Any) -> None:
    cells = [cell for cell in code(notebook) if "parameters" in cell.metadata.get("tags", [])]
    assert len(cells) == 1
    for line in cells[0].source.splitlines():
        statement = ast.parse(line).body
        assert not statement or isinstance(statement[0], ast.AnnAssign), line
        assert not statement or "#" in line, line


@pytest.mark.filterwarnings("default")
def test_papermill_runs_it(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import papermill

    monkeypatch.setenv("QRAG_WORKSPACE", str(tmp_path / "workspace"))
    options = {"kernel_name": "python3", "cwd": str(ROOT / "notebooks"), "progress_bar": False}
    done = papermill.execute_notebook(str(path), str(tmp_path / "out.ipynb"), execution_timeout=600, **options)
    ran = [cell for cell in done.cells if cell.cell_type == "code" and cell.source.strip()]
    assert all(cell.execution_count for cell in ran), "a cell did not run"
