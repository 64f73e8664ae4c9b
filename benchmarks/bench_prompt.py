"""What a question at the prompt costs: the first of a shell, the next, and one that loads its model by itself."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.machine import ROOT
from benchmarks.processes import BenchmarkFailed, Peak
from benchmarks.report import Result
from local_models.clients.registry import stop_workers

RUNS, QUICK_RUNS = 7, 2
QUESTION = "Quem assina os diplomas?"
EMBEDDERS = ("minilm", "e5-pt-en")


@dataclass(frozen=True, slots=True)
class Asked:
    """One question. peak_mib: of the process that asked with the worker that it started."""

    wall_s: float
    peak_mib: float


def run(*, quick: bool = False) -> list[Result]:
    """p50 of the seconds, by embedding model; the three kinds take turns, so that all meet the same machine."""
    results: list[Result] = []
    with TemporaryDirectory(prefix="qrag-bench-") as scratch:
        for address in EMBEDDERS:
            workspace = Path(scratch) / address
            _qrag("ingest", str(ROOT / "samples" / "documents"), "-w", str(workspace), QRAG_EMBEDDING_MODEL=address)
            results += _results(address, [_turn(workspace) for _n in range(QUICK_RUNS if quick else RUNS)])
    return results


def _turn(workspace: Path) -> tuple[Asked, Asked, Asked]:
    """A first question, the next one, and one without a worker."""
    models = workspace / "models_cache"
    stop_workers(models)
    try:
        first, following = _asked(workspace), _asked(workspace)
    finally:
        stop_workers(models)
    return first, following, _asked(workspace, QRAG_WORKER="never")


def _results(address: str, turns: list[tuple[Asked, Asked, Asked]]) -> list[Result]:
    first, following, alone = (median(asked.wall_s for asked in kind) for kind in zip(*turns, strict=True))
    peak = max(turn[0].peak_mib for turn in turns)
    rows = [
        ("first, p50", first, "s", "≤ 3"),
        ("next, p50", following, "s", "≤ 1"),
        ("without a worker, p50", alone, "s", ""),
        ("first, of that without a worker", first / alone, "", ""),
        ("next, of that without a worker", following / alone, "", ""),
        ("peak of a first question, worker and all", peak, "MiB", "≤ 650"),
    ]
    return [Result("prompt", address, measure, value, unit, target) for measure, value, unit, target in rows]


def _asked(workspace: Path, **environment: str) -> Asked:
    began = time.perf_counter()
    peak_mib = _qrag("ask", QUESTION, "-w", str(workspace), "--threshold", "0", **environment)
    return Asked(time.perf_counter() - began, peak_mib)


def _qrag(*words: str, **environment: str) -> float:
    """Run the command; its peak in MiB. Raises BenchmarkFailed where it fails."""
    command = [sys.executable, "-m", "qrag_lib", *words]
    # an answer that the documents do not hold, or a file that was refused, is no failure of the command
    child = subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    peak = Peak(child.pid)
    _output, errors = child.communicate()
    if child.returncode not in (0, 3, 4):
        raise BenchmarkFailed(f"qrag {words[0]} ended with {child.returncode}:\n{errors[-2000:]}")
    return peak.stop()
