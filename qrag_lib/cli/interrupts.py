"""Ctrl-C, at whatever moment it comes: torch swallows it while it is being imported, Python may end by a signal."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from qrag_lib.cli.exits import Exit
from qrag_lib.i18n import _
from qrag_lib.progress import Progress


@contextmanager
def heard(tell: Progress) -> Iterator[Progress]:
    """A `tell` that raises KeyboardInterrupt where Ctrl-C did not end the job at once.

    The first Ctrl-C waits for the end of an import of torch, a second one does not. Outside the main
    thread, or where somebody else handles Ctrl-C, `tell` as it is.
    """
    pressed = False

    def press(_signal: int, _frame: FrameType | None) -> None:
        nonlocal pressed
        again, pressed = pressed, True
        if again or not _importing("torch"):
            raise KeyboardInterrupt

    def told(stage: str, done: int, total: int | None = None, seconds: float | None = None) -> None:
        if pressed:
            raise KeyboardInterrupt
        tell(stage, done, total, seconds)

    before = signal.getsignal(signal.SIGINT)
    try:
        ours = before is signal.default_int_handler and bool(signal.signal(signal.SIGINT, press))
    except ValueError:  # not the main thread
        ours = False
    try:
        yield told
    finally:
        if ours:
            signal.signal(signal.SIGINT, before)


def is_interrupt(error: BaseException | None) -> bool:
    """Whether an error was made of Ctrl-C, as by Python 3.11 in `__set_name__`, by numpy while it is imported."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def interrupted(*, ends: bool) -> int:
    """A calm line after Ctrl-C, and the exit code. ends: the process, with that code.

    Python (3.11) remembers a KeyboardInterrupt that passed through an `exec` of text, as dataclasses are made,
    and ends by SIGINT although it was caught; a thread that still works would be waited for.
    """
    if ends:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stderr.write("\n" + _("Interrupted. What was finished is kept; the same command goes on from there.") + "\n")
    if ends:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(Exit.INTERRUPTED)
    return Exit.INTERRUPTED


def _importing(name: str) -> bool:
    """Whether a module's import has begun and not ended."""
    return bool(getattr(getattr(sys.modules.get(name), "__spec__", None), "_initializing", False))
