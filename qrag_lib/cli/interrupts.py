"""Ctrl-C that nobody heard: some libraries swallow it while they are being imported."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from qrag_lib.progress import Progress


@contextmanager
def heard(tell: Progress) -> Iterator[Progress]:
    """A `tell` that raises KeyboardInterrupt where an earlier one did not end the job.

    Outside the main thread, or where somebody else handles Ctrl-C, `tell` as it is.
    """
    pressed = False

    def press(_signal: int, _frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
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
