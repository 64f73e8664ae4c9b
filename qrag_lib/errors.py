"""Everything that Q-RAG raises on purpose.

::

    QragError                   catch this to catch all of it
    ├── SettingsError           a setting has a value that cannot be used
    ├── SourceError             what was given to ingest cannot be read as documents
    │   ├── NothingRead         a folder or files held nothing, or nothing that could be read; carries the report
    │   └── DocumentRefused     one file or record; carries a reason code, the others go on
    ├── QuestionError           what was asked cannot be asked: no words, a number out of range, an unknown key
    ├── NotFound                a model, document, chunk, index or question set of that name is not there
    ├── DiskFull                no room for what was asked
    ├── WorkspaceError          the folder itself
    │   ├── WorkspaceNotFound   there is none, or it is not one of ours
    │   ├── WorkspaceBusy       another process writes to it
    │   ├── WorkspaceReadOnly   it can be searched, not written
    │   └── WorkspaceDamaged    the catalogue cannot be read
    ├── ModelError              a model cannot be loaded, or is not the one the index was made with
    │   ├── ModelRefused        its files lie about themselves, or could run code
    │   ├── ModelDamaged        a file of it is missing, short, or holds other bytes
    │   ├── ModelTooLarge       no plan fits the memory that there is
    │   ├── ModelUnavailable    a server, a worker or the hub does not answer; trying again may help
    │   └── GenerationFailed    a model began to answer and could not go on
    ├── EvaluationError         a question set or a comparison that means nothing
    ├── JobCancelled            a job was asked to end, and did; what it had finished is kept
    └── RunFailed               a notebook stopped before its end

The message says what failed, with the value and the limit; the hint, attached as a note,
is the next thing to do. A notebook shows these two lines; `%tb` in the next cell shows the whole traceback.
"""

from __future__ import annotations

from local_models.errors import (
    DiskFull,
    GenerationFailed,
    ModelDamaged,
    ModelError,
    ModelRefused,
    ModelTooLarge,
    ModelUnavailable,
    NotFound,
    QragError,
    SettingsError,
)

__all__ = [
    "DiskFull",
    "DocumentRefused",
    "EvaluationError",
    "GenerationFailed",
    "JobCancelled",
    "ModelDamaged",
    "ModelError",
    "ModelRefused",
    "ModelTooLarge",
    "ModelUnavailable",
    "NotFound",
    "NothingRead",
    "QragError",
    "QuestionError",
    "RunFailed",
    "SettingsError",
    "SourceError",
    "WorkspaceBusy",
    "WorkspaceDamaged",
    "WorkspaceError",
    "WorkspaceNotFound",
    "WorkspaceReadOnly",
]


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


class EvaluationError(QragError):
    """A question set or a comparison that means nothing."""


class JobCancelled(QragError):
    """A job was asked to end from elsewhere, and did; what it had finished is kept."""


class RunFailed(QragError):
    """A notebook stopped before its end; what ran until then is kept."""
