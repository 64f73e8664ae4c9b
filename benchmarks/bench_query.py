"""What a question costs at 1,000, 10,000 and 100,000 chunks, stage by stage, and after a cold start."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.processes import fresh
from benchmarks.report import Result
from benchmarks.synthetic import build_workspace

SIZES = (1_000, 10_000, 100_000)
QUICK_SIZES = (1_000,)
N_QUESTIONS = 200
STAGES = ("embed", "dense", "lexical", "fusion")


def run(*, quick: bool = False, sizes: Sequence[int] = ()) -> list[Result]:
    """p50 and p95 in milliseconds of each stage and of the whole, by the size of the index."""
    results: list[Result] = []
    with TemporaryDirectory(prefix="qrag-bench-") as scratch:
        for size in sizes or (QUICK_SIZES if quick else SIZES):
            workspace = build_workspace(Path(scratch) / str(size), size)
            for mode in ("hybrid", "dense", "lexical"):
                results += _results(f"{size:,} chunks, {mode}", fresh(ask_many, str(workspace), mode).value)
    last = [row for row in results if row.case.endswith("hybrid") and row.measure == "whole p95"][-1:]
    return [Result("query", row.case, row.measure, row.value, row.unit, "< 100") for row in last] + results


def ask_many(workspace: str, mode: str) -> dict[str, Any]:
    """Seconds to the first result from nothing, and of two hundred questions after it."""
    started = time.perf_counter()
    from qrag_lib.workspace import Workspace

    with Workspace.open(workspace) as opened:
        opened.search("What is the purpose of this proposal?", mode=mode)
        first_s = time.perf_counter() - started
        rows = [_timed(opened, question.text, mode) for question in opened.make_questions(N_QUESTIONS)]
    stages = {name: [row.get(name, 0.0) for row in rows] for name in dict.fromkeys(n for row in rows for n in row)}
    return {"first_s": first_s, "stages": stages}


def _timed(workspace: Any, question: str, mode: str) -> dict[str, float]:
    started = time.perf_counter()
    hits = workspace.search(question, 10, mode=mode)
    return {**hits.seconds, "whole": time.perf_counter() - started}


def _results(case: str, value: dict[str, Any]) -> list[Result]:
    rows = [
        Result("query", case, f"{stage} p{percent}", 1000 * float(np.percentile(value["stages"][stage], percent)), "ms")
        for stage in (*STAGES, "whole")
        if stage in value["stages"]
        for percent in (50, 95)
    ]
    return [*rows, Result("query", case, "first, cold", value["first_s"], "s")]
