"""Ctrl-C at a bad moment: torch swallows it while it is being imported, or ends the process with a dump."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

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


def _importing(name: str) -> bool:
    """Whether a module's import has begun and not ended."""
    return bool(getattr(getattr(sys.modules.get(name), "__spec__", None), "_initializing", False))
