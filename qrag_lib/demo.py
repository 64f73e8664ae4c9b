"""`make run`: real documents in, checked answers out, through a notebook that papermill runs.

The sample documents and the documentation of the installed Python packages become a workspace; then
another process, this one, asks it. The executed notebook stays in the workspace's `runs` folder.
"""

from __future__ import annotations

import contextlib
import shlex
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_models.interface.reached import command
from qrag_lib import progress, show
from qrag_lib.catalog import FILE as CATALOG
from qrag_lib.documents.packages import ADDRESS
from qrag_lib.errors import RunFailed, SettingsError, SourceError, WorkspaceError
from qrag_lib.i18n import _
from qrag_lib.progress import Progress
from qrag_lib.settings import Settings
from qrag_lib.types import Answer, Refusal
from qrag_lib.workspace import Workspace

CHECKOUT = Path(__file__).parents[1]
SAMPLES = CHECKOUT / "samples" / "documents"
NOTEBOOK = CHECKOUT / "notebooks" / "01_documents_to_answers.ipynb"
RUNS = "runs"
ENGINE = "qrag-demo"
QUESTIONS = (
    "Qual é a multa por dia útil de atraso na devolução?",
    "When is the project report due?",
    "What is papermill a tool for?",
    "Quem foi o primeiro reitor da universidade?",  # in none of the documents
)
NEXT = "Em quantas horas as obras molhadas devem ser congeladas?"


@dataclass(frozen=True)
class Demo:
    """What the main job did. commands: what to try next."""

    answers: tuple[Answer, ...]
    refused: tuple[Refusal, ...]
    notebook: Path
    commands: tuple[str, ...]
    seconds: float

    def __str__(self) -> str:
        rule = "\n" + "─" * 80 + "\n"
        refused = [show.wrapped(f"{each.name}: {each.message}", "    ", "  · ") for each in self.refused]
        end = [
            _("Files that were refused, and why:"),
            *refused,
            "",
            _("The notebook, as it was executed in {time}:").format(time=show.duration(self.seconds)),
            f"  {show.line(self.notebook)}",
            "",
            _("Try next:"),
            *(f"  {each}" for each in self.commands),
        ]
        return rule.join([*(str(answer).rstrip() for answer in self.answers), "\n".join(end)])


def run(settings: Settings, n_packages: int = 0) -> Demo:
    """Build the workspace, or bring it up to date, and ask it three questions and one that it must refuse.

    n_packages: at most so many of the installed packages; 0 takes all of them.
    Raises SourceError outside a checkout, WorkspaceError where the workspace holds other documents,
    RunFailed where the notebook stopped.
    """
    check(settings)
    began = time.perf_counter()
    folder = settings.workspace.absolute()
    parameters = {"workspace_folder": str(folder), "samples_folder": str(SAMPLES), "n_packages": n_packages}
    print(_("{notebook} builds the workspace {folder}").format(notebook=NOTEBOOK.name, folder=folder), file=sys.stderr)
    with progress.shown() as tell:
        executed = execute(NOTEBOOK, folder / RUNS, parameters, tell)
    seconds = time.perf_counter() - began
    with Workspace.open(folder, create=False, read_only=True, settings=settings) as workspace:
        stored = workspace.catalog.documents.of_source(str(SAMPLES))
        answers = tuple(workspace.ask(question) for question in QUESTIONS)
    refused = tuple(each.refusal for each in stored if each.refusal)
    return Demo(answers, refused, executed, tuple(commands(settings)), seconds)


def check(settings: Settings) -> None:
    """Raise where there are no samples, or where they would come among documents of somebody's own."""
    if not (SAMPLES.is_dir() and NOTEBOOK.is_file()):
        raise SourceError(
            _("there are no sample documents at {folder}").format(folder=SAMPLES),
            hint=_("run it in a checkout of the project; qrag ingest FOLDER takes your own documents"),
        )
    if not (settings.workspace / CATALOG).exists():
        return
    with Workspace.open(settings.workspace, read_only=True, settings=settings) as workspace:
        sources = {document.source for document in workspace.catalog.documents}
    if sources and not sources & {ADDRESS, str(SAMPLES)}:
        raise WorkspaceError(
            _("the workspace {folder} holds documents of yours").format(folder=settings.workspace),
            hint=_("name another folder for the samples: qrag demo -w FOLDER"),
        )


def commands(settings: Settings) -> Iterator[str]:
    """What can be typed next, as it must be typed here."""
    default = settings.workspace == Settings.workspace
    where = "" if default else f" -w {shlex.quote(str(settings.workspace))}"
    yield f'{command()} ask "{NEXT}"{where}'
    yield f"{command()} documents{where}"
    yield f"{command()} status{where}"
    yield "make lab"


# --- the notebook --------------------------------------------------------------------------------


def execute(notebook: Path, folder: Path, parameters: dict[str, Any], tell: Progress) -> Path:
    """Run a notebook with parameters; the path of the executed one, which is there after a failure too.

    Raises RunFailed with the cell that stopped, SettingsError for a parameter that the notebook does not declare:
    papermill would warn of it, run with the default and exit 0.
    """
    import papermill
    from papermill.engines import papermill_engines
    from papermill.exceptions import PapermillExecutionError

    _check_parameters(notebook, parameters)
    folder.mkdir(parents=True, exist_ok=True)
    executed = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{notebook.name}"
    papermill_engines.register(ENGINE, _engine(tell))
    options = {"engine_name": ENGINE, "kernel_name": "python3", "progress_bar": False}
    try:
        done = papermill.execute_notebook(str(notebook), str(executed), parameters, **options)
    except PapermillExecutionError as error:
        raise _failed(executed, error.cell_index, f"{error.ename}: {error.evalue}") from error
    except Exception as error:  # a kernel that died or was lost, in the words of papermill and nbclient
        raise _failed(executed, None, f"{type(error).__name__}: {error}") from error
    # papermill's status says "completed" of cells that never ran (2.7); their execution count does not
    for i, cell in enumerate(done.cells):
        if cell.cell_type == "code" and cell.source.strip() and not cell.execution_count:
            raise _failed(executed, i, _("it did not run"))
    _trust(done)
    return executed


def _check_parameters(notebook: Path, parameters: dict[str, Any]) -> None:
    from papermill import inspect_notebook

    known = inspect_notebook(str(notebook)) if parameters else {}
    if unknown := sorted(parameters.keys() - known.keys()):
        message = _("{name} has no parameter {names}").format(name=notebook.name, names=", ".join(unknown))
        raise SettingsError(message, hint=_("its parameters are: {names}").format(names=", ".join(known) or "-"))


def _trust(notebook: Any) -> None:
    """Sign the notebook for whoever ran it here, as JupyterLab does: unsigned, its outputs lose their look there."""
    from nbformat.sign import NotebookNotary

    with contextlib.suppress(OSError):  # without a home to write to it stays unsigned
        NotebookNotary().sign(notebook)  # type: ignore[no-untyped-call]


def _failed(executed: Path, index: int | None, reason: str) -> RunFailed:
    where = executed.name if index is None else _("cell {n} of {name}").format(n=index + 1, name=executed.name)
    return RunFailed(
        _("{where} failed: {reason}").format(where=where, reason=reason),
        hint=_("open {path}: it holds what ran until then").format(path=executed),
    )


def _engine(tell: Progress) -> type:
    """A papermill engine that tells how far the cells are, and the jobs that run in the kernel."""
    from papermill.clientwrap import PapermillNotebookClient
    from papermill.engines import NBClientEngine

    class Client(PapermillNotebookClient):  # type: ignore[misc]
        def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
            tell("notebook", cell_index, len(self.nb.cells), 0.0)  # cells are too unlike to tell the time left
            for stage in _told(msg):
                tell(**stage)
            return super().process_message(msg, cell, cell_index)

    class Engine(NBClientEngine):  # type: ignore[misc]
        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **_options: Any) -> Any:
            # the kernel warns of loopback without encryption (ipykernel 7.4); what it prints would break the bars
            calm = ["--log-level=ERROR"]
            return Client(nb_man, kernel_name=kernel_name, startup_timeout=120, extra_arguments=calm).execute()

    return Engine


def _told(message: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """The stages that the library told in a kernel, out of a message that draws them."""
    stages: Iterable[dict[str, Any]] = message["content"].get("data", {}).get(progress.FIGURES, ())
    return stages
