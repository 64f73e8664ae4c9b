"""A function in a fresh process: what it returns, how long the process lived, the most memory it held."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psutil

SAMPLE_S = 0.05
# Threads that spin for long while they wait lose most on a machine that does other work.
EQUAL = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "3000"}
MARK = "\x1e"  # the record separator: what follows it is the result


class BenchmarkFailed(Exception):
    """The process ended without a result."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """peak_mib: of the process with its children, resident, sampled 20 times a second."""

    value: dict[str, Any]
    wall_s: float
    peak_mib: float


def fresh(function: Callable[..., dict[str, Any]], *arguments: str | int) -> Outcome:
    """Call a function of this package in a process of its own. Raises BenchmarkFailed with what it printed last."""
    name = f"{function.__module__}:{function.__name__}"
    command = [sys.executable, "-m", "benchmarks.processes", name, json.dumps(arguments)]
    started = time.perf_counter()
    environment = {**os.environ, **EQUAL, "PYTHONPATH": os.pathsep.join(sys.path)}  # the same modules as here
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    peak = Peak(child.pid)
    output, errors = child.communicate()
    wall_s, peak_mib = time.perf_counter() - started, peak.stop()
    if child.returncode or MARK not in output:
        raise BenchmarkFailed(f"{name} ended with {child.returncode}:\n{errors[-2000:]}")
    return Outcome(json.loads(output.rpartition(MARK)[2]), wall_s, peak_mib)


def resident_mib() -> float:
    """Resident memory of this process and its children, in MiB."""
    return _resident(psutil.Process())


class Peak:
    """Watches a process tree from a thread until it is stopped."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._mib = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._done.wait(SAMPLE_S):
            self._mib = max(self._mib, _resident(self._process))

    def stop(self) -> float:
        """The most memory that was seen, in MiB."""
        self._done.set()
        self._thread.join()
        return self._mib


def _resident(process: psutil.Process) -> float:
    total = 0
    try:
        for each in [process, *process.children(recursive=True)]:
            total += each.memory_info().rss
    except psutil.NoSuchProcess:
        pass  # a child that ended between being listed and being read
    return total / 2**20


def main(name: str, arguments: str) -> None:
    """In the fresh process: call `module:function` and print what it returns."""
    module, _, function = name.partition(":")
    value = getattr(importlib.import_module(module), function)(*json.loads(arguments))
    print(MARK + json.dumps(value), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
