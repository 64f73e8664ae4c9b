"""Resident memory: after the import, with a workspace open, after a search, after an answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.processes import fresh, resident_mib
from benchmarks.report import Result
from benchmarks.synthetic import build_workspace

SIZES = (10_000,)
QUICK_SIZES = (1_000,)


def run(*, quick: bool = False, sizes: Sequence[int] = ()) -> list[Result]:
    """Resident MiB at each step, by the size of the index."""
    results = []
    with TemporaryDirectory(prefix="qrag-bench-") as scratch:
        for size in sizes or (QUICK_SIZES if quick else SIZES):
            workspace = build_workspace(Path(scratch) / str(size), size)
            steps = fresh(step_by_step, str(workspace))
            results += [
                Result("memory", step, f"{size:,} chunks", value, "MiB")
                for step, value in {**steps.value, "the peak on the way": steps.peak_mib}.items()
            ]
    return results


def step_by_step(workspace: str) -> dict[str, Any]:
    """Resident MiB of this process after each step."""
    steps = {"Python alone": resident_mib()}
    import qrag_lib

    steps[f"import {qrag_lib.__name__}"] = resident_mib()
    opened = qrag_lib.Workspace.open(workspace)
    opened.status()
    steps["workspace open"] = resident_mib()
    opened.search("What is the purpose of this proposal?", mode="lexical")
    steps["a lexical search"] = resident_mib()
    opened.search("What is the purpose of this proposal?")
    steps["a hybrid search"] = resident_mib()
    opened.ask("What is the purpose of this proposal?")
    steps["an answer"] = resident_mib()
    for question in opened.make_questions(50):
        opened.search(question.text)
    steps["fifty more searches"] = resident_mib()
    opened.close()
    return steps
