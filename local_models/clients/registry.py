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

from local_models.clients import rendezvous
from local_models.clients.start import find
from local_models.interface.messages import N_, _
from local_models.interface.number_format import size
from local_models.worker import file_hold
from local_models.worker.protocol import VERSION, ProtocolError

_ANSWER_S = 3.0
_LOG_DAYS = 30


_DOING = {"loading": N_("loading"), "writing": N_("writing"), "idle": N_("idle"), "": N_("does not answer")}


@dataclass(frozen=True)
class Running:
    """A worker that lives. doing: loading, writing or idle; "" where it does not answer. bytes: that it has."""

    note: rendezvous.Note
    doing: str
    bytes: int

    @property
    def name(self) -> str:
        """The model it holds: the name of its folder, or of what was asked for."""
        return Path(str(self.note.arguments.get("folder", self.note.factory))).name

    def __str__(self) -> str:
        return _("{name}: process {pid}, {doing}, {size}").format(
            name=self.name, pid=self.note.pid, doing=_(_DOING[self.doing]), size=size(self.bytes)
        )


def running(root: Path) -> list[Running]:
    """The workers of this user below `root`; the dead are left out."""
    folder = rendezvous.found_folder(root)
    return inside(folder) if folder else []


def inside(folder: Path) -> list[Running]:
    """The workers of a private folder; the dead are left out."""
    living = [note for note in rendezvous.notes(folder) if file_hold.is_held(rendezvous.lock_path(folder, note.key))]
    states = [_asked(folder, note, "status", _ANSWER_S) or {} for note in living]
    return [
        Running(note, str(state.get("doing", "")), int(state.get("bytes", 0)))
        for note, state in zip(living, states, strict=True)
    ]


def stop_workers(root: Path, *, wait_s: float = 5.0) -> list[int]:
    """Stop the workers of this user below `root`; the process numbers of those that ran.

    Each is asked first, and killed if it holds its place after `wait_s`.
    """
    folder = rendezvous.found_folder(root)
    if folder is None:
        return []
    sweep(folder)
    stopped = []
    for note in list(rendezvous.notes(folder)):
        _asked(folder, note, "shutdown", wait_s)
        if not _let_go(folder, note.key, wait_s):
            if not _is_worker(note):
                continue  # of another machine or container that shares the folder: its number means nothing here
            with suppress(ProcessLookupError):
                os.kill(note.pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
            _let_go(folder, note.key, wait_s)
        stopped.append(note.pid)
    sweep(folder)
    return stopped


def dismiss(folder: Path, note: rendezvous.Note, *, wait_s: float = 5.0) -> bool:
    """Let a worker end once nobody asks it: it is found no more. Whether it has ended within `wait_s`."""
    rendezvous.note_path(folder, note.key, note.pid).unlink(missing_ok=True)
    return _let_go(folder, note.key, wait_s)


def dismiss_idle(root: Path, model: Path) -> None:
    """End the idle workers below `root` that hold a model of a folder."""
    folder, held = rendezvous.found_folder(root), {str(path.resolve()) for path in (model, *model.glob("*.gguf"))}
    for worker in inside(folder) if folder else []:
        named = {worker.note.arguments.get(name) for name in ("folder", "path")}
        if folder and worker.doing == "idle" and held & named:
            dismiss(folder, worker.note)


def sweep(folder: Path) -> None:
    """Remove notes and sockets whose worker is dead, and logs that nobody wrote to for a month."""
    for path in folder.glob("*.lock"):
        key = path.stem
        lock = file_hold.take(path)
        if lock is None:
            continue
        rendezvous.remove(folder, key)
        log = rendezvous.log_path(folder, key)
        with suppress(OSError):
            if time.time() - log.stat().st_mtime > _LOG_DAYS * 86_400:
                log.unlink()
        os.close(lock)


def _is_worker(note: rendezvous.Note) -> bool:
    """Whether the process of that number is the one that wrote the note, as far as the system tells."""
    try:
        return note.key.encode() in Path(f"/proc/{note.pid}/cmdline").read_bytes()
    except OSError:
        return sys.platform != "linux"


def _let_go(folder: Path, key: str, wait_s: float) -> bool:
    end = time.monotonic() + wait_s
    while file_hold.is_held(rendezvous.lock_path(folder, key)):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def _asked(folder: Path, note: rendezvous.Note, op: str, wait_s: float) -> dict[str, Any] | None:
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
