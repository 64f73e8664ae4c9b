"""`%load_ext qrag_lib`: the verbs of a workspace as magics.

::

    %qrag_workspace my-papers       open (or make) a workspace; without a name, say which is open
    %ingest ~/papers                read documents and index them
    %search opening hours           passages that fit
    %ask When does it open?         an answer in quotes; also %%ask, with the question below
    %ask --model ADDRESS When ...?  an answer that a language model writes, checked against the documents

What stands behind a magic is data: `$name` and `{name}` in a question are not replaced.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING

from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, no_var_expand

from qrag_lib.errors import QragError, SourceError
from qrag_lib.i18n import _
from qrag_lib.show import Html, line, panel_html

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from qrag_lib.workspace import Workspace

Method = Callable[..., object]


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register the magics; called by `%load_ext qrag_lib`."""
    shell.register_magics(Verbs)


class Mistake:
    """An error as a cell shows it: one line and the hint; the traceback is one `raise` away, in `.error`."""

    def __init__(self, error: QragError) -> None:
        self.error = error

    def __str__(self) -> str:
        hint = f"\n→ {line(self.error.hint)}" if self.error.hint else ""
        return line(self.error.message) + hint

    __repr__ = __str__

    def _repr_html_(self) -> str:
        hint = f"→ {self.error.hint}" if self.error.hint else ""
        return Html(str(panel_html(line(self.error.message), hint, calm=True)))._repr_html_()


def _calmly(method: Method) -> Method:
    @wraps(method)
    def guarded(self: Verbs, *given: str) -> object:
        try:
            return method(self, *given)
        except QragError as error:
            return Mistake(error)

    return guarded


@magics_class
class Verbs(Magics):
    """The magics. One workspace is open at a time; the first verb opens the one of the settings."""

    _workspace: Workspace | None = None

    @line_magic
    @no_var_expand
    @_calmly
    def qrag_workspace(self, given: str) -> object:
        """Open a workspace, made where there is none, or show the one that is open."""
        if path := given.strip():
            self._open(_path(path))
        return self.workspace.status()

    @line_magic
    @no_var_expand
    @_calmly
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
    @_calmly
    def search(self, given: str, cell: str | None = None) -> object:
        """Passages that fit the question."""
        return self.workspace.search(_question(given, cell))

    @line_cell_magic
    @no_var_expand
    @_calmly
    def ask(self, given: str, cell: str | None = None) -> object:
        """An answer in quotes from the documents, or a refusal; `--model ADDRESS` in front lets a model write it."""
        model, question = _model(given)
        return self.workspace.ask(_question(question, cell), llm=model)

    @property
    def workspace(self) -> Workspace:
        """The workspace that is open."""
        return self._workspace or self._open(None)

    def _open(self, path: Path | None) -> Workspace:
        from qrag_lib.settings import load_settings
        from qrag_lib.workspace import Workspace

        settings = load_settings(path)
        opened = Workspace.open(settings.workspace, create=True, settings=settings)
        if self._workspace:
            self._workspace.close()
        self._workspace = opened
        return opened


def _question(given: str, cell: str | None) -> str:
    question = "\n".join(part.strip() for part in (given, cell or "") if part.strip())
    if not question:
        raise QragError(_("there is no question"), hint=_("write it behind the magic: %ask When does it open?"))
    return question


def _model(given: str) -> tuple[str | None, str]:
    """The address behind `--model` at the beginning, and the rest of the line.

    >>> _model("--model 'gguf:my models/a.gguf' Why?")
    ('gguf:my models/a.gguf', 'Why?')
    """
    match = re.match(r"\s*--model[ =]\s*(?:\"([^\"]+)\"|'([^']+)'|(\S+))", given)
    return (match[1] or match[2] or match[3], given[match.end() :].strip()) if match else (None, given)


def _names(given: str) -> list[str]:
    try:
        return shlex.split(given)
    except ValueError as error:
        hint = _("quote a name with spaces on both sides")
        raise SourceError(_("{text} has a quote without its end").format(text=line(given)), hint=hint) from error


def _path(name: str) -> Path:
    return Path(name).expanduser()
