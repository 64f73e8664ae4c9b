"""Everything that Q-RAG raises on purpose.

::

    QragError                   catch this to catch all of it
    ├── SettingsError           a setting has a value that cannot be used
    ├── SourceError             what was given to ingest cannot be read as documents
    │   ├── NothingRead         a folder or files held nothing, or nothing that could be read; carries the report
    │   └── DocumentRefused     one file or record; carries a reason code, the others go on
    ├── QuestionError           what was asked cannot be asked: no words, a number out of range, an unknown key
    ├── NotFound                a document, chunk, index or question set of that name is not there
    ├── WorkspaceError          the folder itself
    │   ├── WorkspaceNotFound   there is none, or it is not one of ours
    │   ├── WorkspaceBusy       another process writes to it
    │   ├── WorkspaceReadOnly   it can be searched, not written
    │   ├── WorkspaceDamaged    the catalogue cannot be read
    │   └── DiskFull            no room for what was asked
    ├── ModelError              a model cannot be loaded, or is not the one the index was made with
    │   ├── ModelRefused        its files lie about themselves, or could run code
    │   ├── ModelDamaged        a file of it is missing, short, or holds other bytes
    │   ├── ModelTooLarge       no plan fits the memory that there is
    │   ├── ModelUnavailable    a server, a worker or the hub does not answer; trying again may help
    │   └── GenerationFailed    a model began to answer and could not go on
    ├── EvaluationError         a question set or a comparison that means nothing
    └── RunFailed               a notebook stopped before its end

The message says what failed, with the value and the limit; the hint, attached as a note,
is the next thing to do. A notebook shows these two lines; `%tb` in the next cell shows the whole traceback.
"""

from __future__ import annotations

import sys
import traceback


class QragError(Exception):
    """The root. `hint` is the next act: a command, a setting, a path.

    >>> QragError("no room: 3 MiB free", hint="free space").__notes__
    ['→ free space']
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if hint:
            self.add_note(f"→ {hint}")

    def _render_traceback_(self) -> list[str]:
        """What IPython shows: message and hint where the error was just raised, all of it where `%tb` asks later."""
        if sys.exc_info()[1] is not self:
            return _whole(self)
        return [_one_line(self.message), *([f"→ {_one_line(self.hint)}"] if self.hint else [])]


def _whole(error: QragError) -> list[str]:
    """The traceback in the form that the shell is set to (`%xmode`)."""
    from IPython import get_ipython

    if (shell := get_ipython()) is None:
        return traceback.format_exception(error)
    lines: list[str] = shell.InteractiveTB.structured_traceback(type(error), error, error.__traceback__)
    return lines


def _one_line(text: str) -> str:
    """The text with every character that a screen would obey as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class SettingsError(QragError):
    """A setting has a value that cannot be used."""


class SourceError(QragError):
    """What was given to ingest cannot be read as documents."""


class NothingRead(SourceError):
    """A folder or files were read to the end, and nothing of them is in the workspace now; `report` says why."""

    def __init__(self, message: str, *, report: object, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.report = report


class DocumentRefused(SourceError):
    """One file or record is refused; `reason` is a code of `types.REASONS`."""

    def __init__(self, reason: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class QuestionError(QragError):
    """What was asked cannot be asked: no words, a number out of range, a filter on a key that nothing has."""


class NotFound(QragError):
    """A document, chunk, index or question set of that name is not there."""


class WorkspaceError(QragError):
    """The workspace folder itself."""


class WorkspaceNotFound(WorkspaceError):
    """There is no workspace, or the folder is not one of ours."""


class WorkspaceBusy(WorkspaceError):
    """Another process writes to the workspace."""


class WorkspaceReadOnly(WorkspaceError):
    """The workspace can be searched, not written."""


class WorkspaceDamaged(WorkspaceError):
    """The catalogue cannot be read."""


class DiskFull(WorkspaceError):
    """There is no room on the disk for what was asked."""


class ModelError(QragError):
    """A model cannot be loaded, or is not the one the index was made with."""


class ModelRefused(ModelError):
    """A model's files lie about themselves, or could run code; nothing of them was loaded."""


class ModelDamaged(ModelError):
    """A file of a model is missing, short, or holds other bytes than it should; `path` names it."""

    def __init__(self, message: str, *, path: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.path = path


class ModelTooLarge(ModelError):
    """No plan to load the model fits the memory that there is."""


class ModelUnavailable(ModelError):
    """A server, a worker or the hub does not answer; trying again may help."""


class GenerationFailed(ModelError):
    """A model began to answer and could not go on; what it had written is lost or cut."""


class EvaluationError(QragError):
    """A question set or a comparison that means nothing."""


class RunFailed(QragError):
    """A notebook stopped before its end; what ran until then is kept."""
