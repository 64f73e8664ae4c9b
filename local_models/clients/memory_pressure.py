"""Room for a worker: where memory is short, those that nobody asks give way to the one that is wanted."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from local_models.clients.registry import dismiss, inside
from local_models.planning.memory import available_memory

WORKER_BYTES: Final = 600_000_000  # measured: 390 MB with an embedding model, 460 with a 7B model read from disk
SHORT_BYTES: Final = 2 * WORKER_BYTES  # below which no model is loaded in the process that asks
_SETTLED_S = 2.0  # a worker that has told its last word is busy for a moment more
_RETRY_S = 0.05


def is_short() -> bool:
    """Whether there is not enough memory for an embedding model and a language model beside each other."""
    return available_memory().available < SHORT_BYTES


def make_room(folder: Path, key: str) -> list[int]:
    """End idle workers of a private folder until a worker of `key` has room; the process numbers of those that ended.

    Nothing is done where WORKER_BYTES are free. One that works is waited for a moment, and left alone if it goes on.
    """
    ended: list[int] = []
    deadline = time.monotonic() + _SETTLED_S
    while available_memory().available < WORKER_BYTES:
        others = [worker for worker in inside(folder) if worker.note.key != key and worker.note.pid not in ended]
        idle = [worker.note for worker in others if worker.doing == "idle"]
        if idle:
            dismiss(folder, idle[0])
            ended.append(idle[0].pid)
        elif not others or time.monotonic() > deadline:
            break
        else:
            time.sleep(_RETRY_S)
    return ended
