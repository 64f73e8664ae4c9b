"""Memory over time: of this process, and of the workers that hold models."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from local_models.clients.registry import running

SAMPLE_S = 0.05
_LOOK_S = 0.5  # how often workers are looked for; each look asks them how they are


@dataclass(frozen=True)
class MemoryCurve:
    """Resident MiB at moments, in seconds since the watch began."""

    seconds: list[float] = field(default_factory=list)
    own_mib: list[float] = field(default_factory=list)
    workers_mib: list[float] = field(default_factory=list)

    @property
    def peak_mib(self) -> float:
        """The most that the workers held at once."""
        return max(self.workers_mib, default=0.0)


@contextmanager
def watch_memory(models_folder: Path) -> Iterator[MemoryCurve]:
    """A curve that grows, twenty samples a second, until the end of the `with`.

    models_folder: whose workers are watched, as `Configuration.models_folder`; those that start meanwhile too.
    """
    curve, done = MemoryCurve(), threading.Event()
    thread = threading.Thread(target=_watch, args=(models_folder, curve, done), name="qrag memory", daemon=True)
    thread.start()
    try:
        yield curve
    finally:
        done.set()
        thread.join()


def _watch(models_folder: Path, curve: MemoryCurve, done: threading.Event) -> None:
    began, looked, pids = time.monotonic(), float("-inf"), list[int]()
    while True:
        last = done.is_set()  # one sample more, so that no watch is empty
        now = time.monotonic()
        if now - looked >= _LOOK_S:
            looked, pids = now, [worker.note.pid for worker in running(models_folder)]
        curve.seconds.append(now - began)
        curve.own_mib.append(_resident_mib([psutil.Process().pid]))
        curve.workers_mib.append(_resident_mib(pids))
        if last:
            return
        done.wait(SAMPLE_S)


def _resident_mib(pids: list[int]) -> float:
    total = 0
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            total += psutil.Process(pid).memory_info().rss
    return total / 2**20
