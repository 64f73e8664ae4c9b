"""The child's side of the sandbox: reads files from its input until there are no more.

It writes no file, opens no socket, starts no program, ends itself when a file takes too long,
and goes when its parent has gone.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from qrag_lib.documents.bounded.sandbox import OUT_OF_MEMORY, receive, send
from qrag_lib.documents.limits import MIB, Limits
from qrag_lib.documents.readers import reader_of
from qrag_lib.errors import DocumentRefused
from qrag_lib.i18n import _

_FORBIDDEN = ("socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen", "os.system", "os.exec",
              "os.posix_spawn", "os.fork", "os.remove", "os.rename")  # fmt: skip
_GRACE = 2.0  # seconds after which the child ends itself if the parent has not ended it


def main() -> None:
    """Serve until the input ends. What libraries print goes nowhere: the output carries answers only."""
    answers = os.fdopen(os.dup(1), "wb")
    questions = os.fdopen(os.dup(0), "rb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    _watch(os.getppid())
    _harden()
    try:
        while True:
            message, data = receive(questions)
            answer = _answer(message["kind"], data, Limits(**message["limits"]))
            del data
            send(answers, answer)
            if answer["leaving"]:
                return
    except (EOFError, BrokenPipeError):
        return
    except MemoryError:
        os._exit(OUT_OF_MEMORY)


def _answer(kind: str, data: bytes, limits: Limits) -> dict[str, Any]:
    _bound(limits)
    answer: dict[str, Any] = {}
    try:
        if kind:
            answer["extract"] = reader_of(kind)(data, limits).to_json()
    except DocumentRefused as refused:
        answer = _refused(refused)
    except MemoryError:
        raise
    except RecursionError:
        answer = _refused(DocumentRefused("bomb", _("the file nests deeper than can be read")))
    except Exception as error:  # parsers raise anything on hostile files
        message = _("the file is damaged: {error}").format(error=f"{type(error).__name__}: {error}"[:200])
        answer = _refused(DocumentRefused("broken", message))
    signal.setitimer(signal.ITIMER_REAL, 0)
    peak = _peak_mib()
    return {**answer, "leaving": peak > 0.6 * limits.memory_mib, "peak_mib": peak}


def _refused(refused: DocumentRefused) -> dict[str, Any]:
    return {"refused": {"reason": refused.reason, "message": refused.message, "hint": refused.hint}}


def _bound(limits: Limits) -> None:
    """Limits of the kernel's: they hold even inside a library's C code.

    Data, not address space: the latter counts what malloc only reserves, 64 MiB a thread.
    """
    import resource

    n_bytes = limits.memory_mib * MIB
    with suppress(ValueError, OSError):  # a system without this limit: the one of time still holds
        resource.setrlimit(resource.RLIMIT_DATA, (n_bytes, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    signal.setitimer(signal.ITIMER_REAL, limits.seconds + _GRACE)


def _harden() -> None:
    import resource

    sys.dont_write_bytecode = True
    for optional in ("numpy", "PIL"):  # openpyxl and pypdf take them if they are there: 40 MiB for nothing
        sys.modules[optional] = None  # type: ignore[assignment]
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.addaudithook(_forbid)


def _forbid(event: str, _arguments: tuple[Any, ...]) -> None:
    if event in _FORBIDDEN:
        raise PermissionError(f"a reader may not do this: {event}")


def _peak_mib() -> float:
    """The most memory that was resident. Linux's getrusage would count the parent's, from before the exec."""
    status = Path("/proc/self/status")
    if status.exists():
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(peak.split()[1]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB  # bytes on macOS


def _watch(parent: int) -> None:
    """End this process when its parent is gone, even in the middle of a file."""

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(0)

    threading.Thread(target=look, daemon=True).start()


if __name__ == "__main__":
    main()
