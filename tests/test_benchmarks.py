"""The benchmarks count and keep their figures rightly. How long anything takes is not tested."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from benchmarks.llamaindex import covered
from benchmarks.processes import BenchmarkFailed, fresh, resident_mib
from benchmarks.report import Result, figure, keep


def test_a_character_that_two_spans_hold_counts_once() -> None:
    spans = [(0, 10), (5, 12), (5, 6), (20, 21)]
    assert covered(spans) == len({i for start, end in spans for i in range(start, end)})


@pytest.mark.parametrize(("target", "value", "met"), [("≥ 4", 4.0, True), ("≥ 4", 3.9, False), ("< 100", 100.0, False)])
def test_a_target_is_met_or_not(target: str, value: float, met: bool) -> None:
    assert Result("query", "case", "measure", value, target=target).met is met


def test_a_benchmark_that_is_run_again_replaces_its_own_figures_only(tmp_path: Path) -> None:
    keep([Result("query", "old", "whole p95", 7.0, "ms"), Result("memory", "open", "resident", 90.5, "MiB")], tmp_path)
    report = keep([Result("query", "new", "whole p95", 8.0, "ms", "< 100", "a machine")], tmp_path).read_text()
    assert "open | 90.5" in report and "old" not in report
    assert "| new: whole p95 | **8.000** ms | < 100 | yes |" in report


def test_figures_keep_three_digits() -> None:
    assert [figure(value) for value in (0.12345, 12.345, 1234.5, -0.5)] == ["0.123", "12.3", "1,234", "-0.500"]


def hold(mebibytes: int) -> dict[str, float]:
    """Fill so much memory, long enough to be seen."""
    held = b"x" * (mebibytes << 20)
    time.sleep(0.3)
    return {"resident": resident_mib(), "held": len(held)}


def fail() -> dict[str, float]:
    """What a benchmark that breaks does."""
    raise ValueError("it broke")


def test_a_function_runs_in_a_process_of_its_own_and_its_memory_is_seen() -> None:
    outcome = fresh(hold, 200)
    assert outcome.value["held"] == 200 << 20
    assert outcome.peak_mib > 200
    assert outcome.value["resident"] == pytest.approx(outcome.peak_mib, rel=0.3)


def test_a_process_that_breaks_says_why() -> None:
    with pytest.raises(BenchmarkFailed, match="it broke"):
        fresh(fail)
