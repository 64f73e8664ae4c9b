"""One writer at a time, named to whoever has to wait."""

from __future__ import annotations

import errno
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from qrag_lib.errors import DiskFull, WorkspaceBusy, WorkspaceReadOnly
from qrag_lib.i18n import _

LOCK = "writer.lock"
HOLDER = "writer.json"


@contextmanager
def writer(folder: Path, doing: str, *, wait_s: float = 2.0) -> Iterator[None]:
    """Hold the workspace's writer lock; the kernel frees it however the process ends.

    doing: what for, as the others are told. Raises WorkspaceBusy after `wait_s`, naming the
    holder, DiskFull, and WorkspaceReadOnly where the folder cannot be written.
    """
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=wait_s)
    except Timeout as error:
        raise _busy(folder) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(_("no room on the disk of {folder}").format(folder=folder), hint=_("free space")) from error
        raise WorkspaceReadOnly(
            _("{folder} cannot be written: {error}").format(folder=folder, error=error.strerror),
            hint=_("it can be searched; to add documents, give yourself the right to write there"),
        ) from error
    try:
        _name_holder(folder, doing)
        yield
    finally:
        with suppress(OSError):
            (folder / HOLDER).unlink(missing_ok=True)
        lock.release()


def holder(folder: Path) -> str:
    """Who writes at present, in words; "" where nobody does, or nobody says so."""
    try:
        held = json.loads((folder / HOLDER).read_text(encoding="utf-8"))
        if _has_ended(held):
            return ""
        minutes = max(0, round((time.time() - held["since"]) / 60))
        return _("process {pid} on {host}, {doing}, for {minutes} min").format(
            pid=held["pid"], host=held["host"], doing=held["doing"], minutes=minutes
        )
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _has_ended(held: dict[str, Any]) -> bool:
    """Whether the process was killed before it could say that it is done; of another machine nobody knows."""
    import psutil

    if held["host"] != socket.gethostname():
        return False
    try:
        return bool(psutil.Process(held["pid"]).create_time() > held["since"] + 1)  # the number went to another
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False


def _name_holder(folder: Path, doing: str) -> None:
    held = {"pid": os.getpid(), "host": socket.gethostname(), "doing": doing, "since": time.time()}
    with suppress(OSError):  # a full disk must not keep anyone from freeing room
        (folder / HOLDER).write_text(json.dumps(held), encoding="utf-8")


def _busy(folder: Path) -> WorkspaceBusy:
    who = holder(folder) or _("another process")
    return WorkspaceBusy(
        _("{folder} is being written by {who}").format(folder=folder, who=who),
        hint=_("wait for it or stop it, then run this again; searching works meanwhile"),
    )
