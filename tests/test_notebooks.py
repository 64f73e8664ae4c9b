"""Every notebook is source that a person can read, and runs from the first cell to the last."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from qrag_lib.i18n import notebooks

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# the code of a twin in Portuguese is that of its source: one of them is run, to see that it opens as papermill needs it
RUN = [path for path in NOTEBOOKS if path.suffixes[:1] != [".pt-BR"] or path.name.startswith("01_")]
QUICK: dict[str, dict[str, Any]] = {
    "01_documents_to_answers": {"n_packages": 3, "questions": ["When does the library open?"]},
    "02_evaluate": {"n_questions": 20},
}


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


def quick(path: Path, workspace: Path) -> dict[str, Any]:
    """Parameters that make a notebook quick; each must be one that it declares."""
    from papermill import inspect_notebook

    name = path.name.split(".")[0]

    samples = ROOT / "samples" / "documents"
    given = {"workspace_folder": str(workspace), "samples_folder": str(samples), **QUICK.get(name, {})}
    declared = inspect_notebook(str(path))
    assert set(QUICK.get(name, {})) <= set(declared), "papermill only warns of a name that is not declared"
    return {name: value for name, value in given.items() if name in declared}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all notebooks: the first fills it."""
    return tmp_path_factory.mktemp("notebooks") / "workspace"


@pytest.mark.parametrize("path", RUN, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("default")
def test_papermill_runs_it(path: Path, workspace: Path, tmp_path: Path) -> None:
    import papermill

    options = {"kernel_name": "python3", "cwd": str(tmp_path), "progress_bar": False, "execution_timeout": 600}
    parameters = quick(path, workspace)
    done = papermill.execute_notebook(str(path), str(tmp_path / "out.ipynb"), parameters, **options)
    ran = [cell for cell in done.cells if cell.cell_type == "code" and cell.source.strip()]
    assert all(cell.execution_count for cell in ran), "a cell did not run"
    assert not any(output.get("name") == "stderr" for cell in ran for output in cell.outputs), "a cell warns"


@pytest.mark.filterwarnings("default")
def test_a_papermill_run_over_an_empty_folder_fails_and_says_why(tmp_path: Path) -> None:
    import papermill
    from papermill.exceptions import PapermillExecutionError

    (tmp_path / "empty").mkdir()
    given = {"workspace_folder": str(tmp_path / "w"), "samples_folder": str(tmp_path / "empty"), "n_packages": 1}
    out = tmp_path / "out.ipynb"
    with pytest.raises(PapermillExecutionError) as failed:
        papermill.execute_notebook(str(NOTEBOOKS[0]), str(out), given, kernel_name="python3", progress_bar=False)
    assert failed.value.ename.endswith("NothingRead")
    assert failed.value.evalue == f"there is nothing to read in {tmp_path / 'empty'}"
    assert failed.value.traceback[-1].startswith("→ look at the path; qrag validate FOLDER")
    assert "NothingRead" in out.read_text("utf-8")


@pytest.mark.parametrize("path", RUN[:1] + RUN[2:], ids=lambda path: path.stem)
@pytest.mark.filterwarnings("default")
def test_nbval_runs_it(path: Path, workspace: Path, tmp_path: Path) -> None:
    import papermill

    copy = str(tmp_path / path.name)
    papermill.execute_notebook(str(path), copy, quick(path, workspace), prepare_only=True, kernel_name="python3")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval-lax", "-W", "default", copy]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


# --- the twins in Portuguese --------------------------------------------------------------------------


@pytest.fixture(params=notebooks.sources(), ids=lambda path: path.stem)
def twins(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """A notebook in English, and in Portuguese."""
    made = notebooks.target(request.param)
    return nbformat.read(request.param, as_version=4), nbformat.read(made, as_version=4)


def test_the_twin_is_made_of_the_present_source_and_texts(twins: tuple[Any, Any]) -> None:
    english, portuguese = twins
    fresh = notebooks.translated(english, notebooks.known_texts())
    assert notebooks.as_file(portuguese) == notebooks.as_file(fresh), "run make i18n"


def test_no_text_of_it_is_left_in_english(twins: tuple[Any, Any]) -> None:
    pairs = list(zip(*map(notebooks.texts, twins), strict=True))
    assert len(pairs) >= 2 and [a for a, b in pairs if a == b] == [], "run make i18n, and write the translations"


def test_its_code_and_ids_are_those_of_the_source(twins: tuple[Any, Any]) -> None:
    english, portuguese = twins
    assert [cell.id for cell in english.cells] == [cell.id for cell in portuguese.cells]
    for here, there in zip(code(english), code(portuguese), strict=True):
        assert ast.dump(ast.parse(here.source)) == ast.dump(ast.parse(there.source)), here.id
        assert here.metadata == there.metadata and not there.outputs


def test_no_text_is_kept_that_no_notebook_has() -> None:
    there = {text for path in notebooks.sources() for text in notebooks.texts(nbformat.read(path, as_version=4))}
    assert notebooks.known_texts().keys() == there, "run make i18n"
