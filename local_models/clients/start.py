"""A worker found, or started where there is none; two who start at once end with one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from json import dumps
from pathlib import Path

from local_models.clients import rendezvous
from local_models.errors import ModelUnavailable
from local_models.interface.messages import _
from local_models.worker import file_hold
from local_models.worker.factories import FACTORIES, Factory
from local_models.worker.listening import connect
from local_models.worker.process import tail
from local_models.worker.protocol import Line

_START_S = 60.0  # until it listens; loading comes after that
_RETRY_S = 0.02
_REAPED_S = 1.0
_RUN = "import runpy, sys; sys.path.append({path!r}); runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Program:
    """What is run as a worker: a module below `path`, and the engines that it may build."""

    module: str = "local_models.worker"
    path: Path = Path(__file__).parents[2]
    factories: Mapping[str, Factory] = field(default_factory=lambda: FACTORIES)


def reach(order: rendezvous.Order, program: Program) -> tuple[Line, rendezvous.Note]:
    """A connection to the worker of the order, and its note.

    Raises ModelUnavailable where none can be started, with the last lines of its log.
    """
    folder, end = Path(order.folder), time.monotonic() + _START_S
    child: subprocess.Popen[bytes] | None = None
    while time.monotonic() < end:
        if found := find(folder, order.key):
            return found
        if child is None and not file_hold.is_held(rendezvous.lock_path(folder, order.key)):
            child = _spawn(order, program)
        if child is not None and child.returncode is not None:
            if child.returncode != rendezvous.ALREADY:
                raise _unstarted(order, child.returncode)
            child = None
        time.sleep(_RETRY_S)
    raise ModelUnavailable(
        _("no worker answers after {seconds:g} s").format(seconds=_START_S),
        hint=_("qrag model stop ends one that hangs; its log is {path}").format(
            path=rendezvous.log_path(folder, order.key)
        ),
    )


def find(folder: Path, key: str) -> tuple[Line, rendezvous.Note] | None:
    """A connection to the worker that hosts `key`, and its note; None where nobody does."""
    for note in rendezvous.notes(folder, key):
        with suppress(OSError):
            return Line(connect(note.address)), note
    return None


def exit_code(pid: int) -> int | None:
    """How a worker that this process started ended (minus the signal); None where that is not known."""
    child = _children.get(pid)
    end = time.monotonic() + _REAPED_S
    while child is not None and child.returncode is None and time.monotonic() < end:
        time.sleep(_RETRY_S)
    return child.returncode if child else None


def _spawn(order: rendezvous.Order, program: Program) -> subprocess.Popen[bytes]:
    """A worker in a session of its own: Ctrl-C in a terminal is not for it, and it may outlive this process."""
    code = _RUN.format(path=str(program.path), module=program.module)
    command = [sys.executable, "-P", "-c", code, dumps(asdict(order))]
    log = os.open(rendezvous.log_path(Path(order.folder), order.key), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=sys.platform != "win32"
        )
    finally:
        os.close(log)
    _children[child.pid] = child
    threading.Thread(target=child.wait, name="qrag worker", daemon=True).start()  # no zombie, and its exit code
    return child


def _unstarted(order: rendezvous.Order, code: int) -> ModelUnavailable:
    log = rendezvous.log_path(Path(order.folder), order.key)
    said = tail(log, 1)
    return ModelUnavailable(
        _("the worker of {name} ended before it listened (exit {code}): {said}").format(
            name=order.factory, code=code, said=said
        ),
        hint=_("its log is {path}").format(path=log),
    )
