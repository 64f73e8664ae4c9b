"""The workers of a folder: who runs, how to stop them, and what the dead have left."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qrag_lib.models.worker import hold, place
from qrag_lib.models.worker.protocol import VERSION, ProtocolError
from qrag_lib.models.worker.start import find

_ANSWER_S = 3.0
_LOG_DAYS = 30


@dataclass(frozen=True)
class Running:
    """A worker that lives. idle, loaded: as it says; None where it does not answer."""

    note: place.Note
    idle: bool | None
    loaded: bool | None


def running(root: Path) -> list[Running]:
    """The workers of this user below `root`, after what dead ones left was swept up."""
    folder = place.private_folder(root)
    sweep(folder)
    return [Running(note, state.get("idle"), state.get("loaded"))
            for note in place.notes(folder)
            for state in [_asked(folder, note, "status", _ANSWER_S) or {}]]  # fmt: skip


def stop_workers(root: Path, *, wait_s: float = 5.0) -> list[int]:
    """Stop the workers of this user below `root`; the process numbers of those that ran.

    Each is asked first, and killed if it holds its place after `wait_s`.
    """
    folder = place.private_folder(root)
    sweep(folder)
    stopped = []
    for note in list(place.notes(folder)):
        _asked(folder, note, "shutdown", wait_s)
        if not _let_go(folder, note.key, wait_s):
            with suppress(ProcessLookupError):
                os.kill(note.pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
            _let_go(folder, note.key, wait_s)
        stopped.append(note.pid)
    sweep(folder)
    return stopped


def sweep(folder: Path) -> None:
    """Remove notes and sockets whose worker is dead, and logs that nobody wrote to for a month."""
    for path in folder.glob("*.lock"):
        key = path.stem
        lock = hold.take(path)
        if lock is None:
            continue
        place.remove(folder, key)
        log = place.log_path(folder, key)
        with suppress(OSError):
            if time.time() - log.stat().st_mtime > _LOG_DAYS * 86_400:
                log.unlink()
        os.close(lock)


def _let_go(folder: Path, key: str, wait_s: float) -> bool:
    end = time.monotonic() + wait_s
    while hold.is_held(place.lock_path(folder, key)):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def _asked(folder: Path, note: place.Note, op: str, wait_s: float) -> dict[str, Any] | None:
    """What the worker replies at once; None where it does not."""
    found = find(folder, note.key)
    if not found:
        return None
    line, present = found
    try:
        line.send({"op": op, "token": present.token, "version": VERSION})
        value = line.receive(wait_s).get("value")
        return value if isinstance(value, dict) else None
    except (OSError, EOFError, ProtocolError):
        return None
    finally:
        line.close()
