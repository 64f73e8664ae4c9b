"""The process of a worker: closed to others, first to go when memory is short, its log kept small."""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from pathlib import Path

LOG_BYTES = 2**20
_KEPT_BYTES = 2**16
_M_ARENA_MAX = -8  # mallopt(3)
# transformers 5.23 imports these where they are installed, for losses and pictures; without scipy alone a worker
# is 34 MB smaller (measured: 384 MB in place of 418, a tiny Llama loaded)
_NEEDLESS = ("scipy", "sklearn", "torchvision", "torchaudio")
_OOM_SCORE = "500"  # of 1000: the kernel's choice falls on the worker, not on the notebook


def settle(threads: int | None) -> None:
    """Make this process a worker: before anything heavy is imported.

    It stands in no folder of the user's, makes files for the user alone, takes few arenas and leaves
    out libraries that no language model needs.
    """
    sys.modules.update(dict.fromkeys(_NEEDLESS))  # type: ignore[arg-type]  # None: as if not installed
    os.umask(0o077)
    os.chdir(Path.cwd().anchor)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
    if mallopt := getattr(_libc(), "mallopt", None):
        mallopt(_M_ARENA_MAX, 2)
    if threads:
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            os.putenv(name, str(threads))  # for the libraries alone: they read it when they are loaded


def trim() -> None:
    """Give freed memory back to the system, where the C library can."""
    if give := getattr(_libc(), "malloc_trim", None):
        give(0)


def resident_bytes() -> int:
    """Memory that this process has of its own, pages of files left out; 0 where nobody says."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:")), 0)


def trim_log(path: Path) -> None:
    """Cut a log that grew over `LOG_BYTES` to its last lines. Its writers append, so they go on at its end."""
    with suppress(OSError), path.open("r+b") as log:
        if log.seek(0, os.SEEK_END) > LOG_BYTES:
            log.seek(-_KEPT_BYTES, os.SEEK_END)
            tail = log.read().partition(b"\n")[2]
            log.truncate(0)
            log.seek(0)
            log.write(tail)


def tail(path: Path, n: int = 3) -> str:
    """The last lines of a log; "" where there is none."""
    with suppress(OSError), path.open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - 4096))
        lines = log.read().decode("utf-8", "replace").split("\n")
        return "\n".join([line for line in lines if line.strip()][-n:])
    return ""


def _libc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if sys.platform != "win32" else None
