"""Asking, as state: a question, how far to look, and what came back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import traitlets

from qrag_lib.answer.answerer import READ
from qrag_lib.errors import QragError
from qrag_lib.events.event import on_surface
from qrag_lib.i18n import _
from qrag_lib.types import Answer, Hits
from qrag_lib.workspace import Workspace


class Asking(traitlets.HasTraits):
    """What the asking panel knows. `result` is an Answer, Hits, or None before the first question.

    error: the message and the hint of what went wrong, "" where nothing did. write: the model of the
    settings writes the answer; whoever asks names no address. draft: what it has written so far.
    """

    question = traitlets.Unicode()
    k = traitlets.Int(5, min=1, max=50)
    result = traitlets.Any(allow_none=True)
    error = traitlets.Unicode()
    busy = traitlets.Bool()
    write = traitlets.Bool()
    draft = traitlets.Unicode()

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace

    def ask(self) -> None:
        """Answer the question, or refuse; quotes are taken from as many passages as everywhere, at least."""
        if self.write:
            model = self._workspace.settings.model
            self._run(lambda: self._workspace.ask(self.question, self.k, llm=model, on_text=self._hear))
        else:
            self._run(lambda: self._workspace.ask(self.question, max(self.k, READ)))

    @property
    def found_nothing(self) -> bool:
        """True where the result is an answer that says that there is none."""
        return isinstance(self.result, Answer) and self.result.outcome == "nothing"

    def search(self) -> None:
        """Find the passages that fit the question."""
        self._run(lambda: self._workspace.search(self.question, self.k))

    def _hear(self, piece: str) -> None:
        self.draft += piece

    def _run(self, call: Callable[[], Answer | Hits]) -> None:
        self.busy, self.error, self.result, self.draft = True, "", None, ""
        try:
            with on_surface("dashboard"):
                self.result = call()
        except QragError as error:
            self.error = "\n".join([error.message, *([f"→ {error.hint}"] if error.hint else [])])
        finally:
            self.busy = False


class Holdings(traitlets.HasTraits):
    """What the documents panel knows: the table of documents and the state of the workspace."""

    documents = traitlets.Any(allow_none=True)
    status = traitlets.Any(allow_none=True)

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self.refresh()

    def refresh(self) -> None:
        """Read both again; another process may have written."""
        self.documents = self._workspace.documents()
        self.status = self._workspace.status()


def open_to_read(path: str | Path | None = None) -> Workspace:
    """The workspace that the settings name, open to be read. Raises WorkspaceNotFound with the next step."""
    return Workspace.open(path, create=False, read_only=True)


def waiting() -> str:
    """What is shown while a question is worked on; the first one loads the model."""
    return _("Looking through the documents …")
