"""What the exit codes of `qrag` mean."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

from local_models.planning.load_plan import LoadPlan
from qrag_lib import errors
from qrag_lib.i18n import N_, _
from qrag_lib.types import Answer, Hits, IngestReport, Verdicts


class Exit(IntEnum):
    """The exit codes."""

    DONE = 0
    ERROR = 1
    USAGE = 2
    NO_ANSWER = 3
    SOME_REFUSED = 4
    BUSY = 5
    NOT_FOUND = 6
    NOT_WRITABLE = 7
    DAMAGED = 8
    TOO_LARGE = 9
    NOTHING_READ = 10
    INTERRUPTED = 130
    READER_LEFT = 141


MEANING = {
    Exit.DONE: N_("done"),
    Exit.ERROR: N_("an error that has no number of its own"),
    Exit.USAGE: N_("the command line or a setting cannot be used"),
    Exit.NO_ANSWER: N_("nothing found, or the documents do not hold the answer"),
    Exit.SOME_REFUSED: N_("some files were refused; the others are done"),
    Exit.BUSY: N_("another process writes to the workspace"),
    Exit.NOT_FOUND: N_("there is no such workspace, document or question set"),
    Exit.NOT_WRITABLE: N_("the workspace is read-only, or the disk is full"),
    Exit.DAMAGED: N_("the workspace is damaged; see qrag doctor"),
    Exit.TOO_LARGE: N_("the language model does not fit the memory; see qrag model plan"),
    Exit.NOTHING_READ: N_("there was nothing to read: an empty folder, or only files that were refused"),
    Exit.INTERRUPTED: N_("interrupted by Ctrl-C; what was finished is kept"),
    Exit.READER_LEFT: N_("whoever read the output stopped reading"),
}

_OF_ERROR = (
    ((errors.SettingsError, errors.QuestionError), Exit.USAGE),
    (errors.WorkspaceBusy, Exit.BUSY),
    ((errors.NotFound, errors.WorkspaceNotFound), Exit.NOT_FOUND),
    ((errors.WorkspaceReadOnly, errors.DiskFull), Exit.NOT_WRITABLE),
    (errors.WorkspaceDamaged, Exit.DAMAGED),
    (errors.ModelTooLarge, Exit.TOO_LARGE),
    (errors.NothingRead, Exit.NOTHING_READ),
    (errors.DocumentRefused, Exit.SOME_REFUSED),
)


def exit_of(value: object) -> Exit:
    """The exit code that a result or an error deserves.

    >>> exit_of(errors.WorkspaceBusy("process 7 writes"))
    <Exit.BUSY: 5>
    """
    if isinstance(value, Exception):
        return next((code for kind, code in _OF_ERROR if isinstance(value, kind)), Exit.ERROR)
    if (isinstance(value, Answer) and value.refused) or (isinstance(value, Hits) and not value):
        return Exit.NO_ANSWER
    if isinstance(value, IngestReport) and value.refused:
        return Exit.SOME_REFUSED
    if isinstance(value, Verdicts) and not any(each.ok for each in value):
        return Exit.NOTHING_READ
    if isinstance(value, Verdicts) and not all(each.ok for each in value):
        return Exit.SOME_REFUSED
    if isinstance(value, LoadPlan) and value.refused:
        return Exit.TOO_LARGE
    return Exit.DONE if getattr(value, "healthy", True) else Exit.DAMAGED


def listed() -> Iterator[str]:
    """A line for each exit code, in the interface language."""
    return (f"  {code.value:<4} {_(meaning)}" for code, meaning in MEANING.items())
