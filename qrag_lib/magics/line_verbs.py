"""The magics, over one open workspace, and how the extension comes and goes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, no_var_expand

from qrag_lib.errors import QragError, SourceError
from qrag_lib.i18n import _
from qrag_lib.magics.line_options import take_options
from qrag_lib.magics.lines import leave_questions, take_questions
from qrag_lib.show import line

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from qrag_lib.workspace import Workspace

NUMBER: Mapping[str, Callable[[str], object]] = {"k": int}


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register the magics; called by `%load_ext qrag_lib`."""
    shell.register_magics(Verbs)
    take_questions(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take the magics away and close their workspace; called by `%unload_ext qrag_lib`."""
    leave_questions(shell)
    verbs = shell.magics_manager.registry.pop(Verbs.__name__, None)
    if isinstance(verbs, Verbs):
        verbs.close()
    for kind, names in Verbs.magics.items():
        for name in names:
            shell.magics_manager.magics[kind].pop(name, None)


@magics_class
class Verbs(Magics):
    """The magics. One workspace is open at a time; the first verb opens the one of the settings."""

    _workspace: Workspace | None = None

    @line_magic
    @no_var_expand
    def qrag_workspace(self, given: str) -> object:
        """Open a workspace, made where there is none, or show the one that is open."""
        if path := given.strip():
            self._open(_path(path))
        return self.workspace.status()

    @line_magic
    @no_var_expand
    def ingest(self, given: str) -> object:
        """Read documents from folders and files, and index them."""
        from qrag_lib.progress import shown

        sources = [_path(name) for name in _names(given)]
        if not sources:
            raise SourceError(_("%ingest was given nothing to read"), hint=_("name a folder or a file: %ingest papers"))
        with shown() as tell:
            return self.workspace.ingest(sources[0] if len(sources) == 1 else sources, on_progress=tell)

    @line_cell_magic
    @no_var_expand
    def search(self, given: str, cell: str | None = None) -> object:
        """Passages that fit the question; `--k N` says how many."""
        question, options = _asked("search", given, cell, NUMBER)
        return self.workspace.search(question, **options)

    @line_cell_magic
    @no_var_expand
    def ask(self, given: str, cell: str | None = None) -> object:
        """An answer in quotes from the documents, or a refusal; `--model ADDRESS` lets a model write it.

        `--k N` says how many passages are read for it.
        """
        question, options = _asked("ask", given, cell, {**NUMBER, "model": str})
        return self.workspace.ask(question, llm=options.pop("model", None), **options)

    @line_cell_magic
    @no_var_expand
    def explain(self, given: str, cell: str | None = None) -> object:
        """Where a passage that should have been found was lost: `--document NAME`, `--phrase "WORDS"`, `--k N`."""
        question, options = _asked("explain", given, cell, {**NUMBER, "document": str, "phrase": str})
        return self.workspace.explain(question, **options)

    @property
    def workspace(self) -> Workspace:
        """The workspace that is open."""
        return self._workspace or self._open(None)

    def close(self) -> None:
        """Close the workspace, if one is open."""
        if self._workspace:
            self._workspace.close()
        self._workspace = None

    def _open(self, path: Path | None) -> Workspace:
        from qrag_lib.settings import load_settings
        from qrag_lib.workspace import Workspace

        settings = load_settings(path)
        opened = Workspace.open(settings.workspace, create=True, settings=settings)
        self.close()
        self._workspace = opened
        return opened


def _asked(
    magic: str, given: str, cell: str | None, known: Mapping[str, Callable[[str], object]]
) -> tuple[str, dict[str, Any]]:
    """The question and the options; of a cell, the options stand in its first line."""
    options, beginning = take_options(given, magic, known)
    question = "\n".join(part.strip() for part in (beginning, cell or "") if part.strip())
    if not re.search(r"\w", question):
        hint = _("write it behind the magic: %ask When does it open?")
        raise QragError(_("there is no question"), hint=hint)
    return question, options


def _names(given: str) -> list[str]:
    try:
        return shlex.split(given)
    except ValueError as error:
        hint = _("quote a name with spaces on both sides")
        raise SourceError(_("{text} has a quote without its end").format(text=line(given)), hint=hint) from error


def _path(name: str) -> Path:
    return Path(name).expanduser()
