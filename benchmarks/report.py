"""Results as rows of a table that is kept, and the report made from them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from benchmarks.machine import ROOT

FOLDER = ROOT / "experiments" / "benchmarks"
TITLES = {
    "ingest": "Ingest",
    "query": "Query",
    "prompt": "A question at the prompt",
    "memory": "Memory",
    "retrieval": "Retrieval",
    "models": "Language models",
}

INTRODUCTION = """# What it costs

Question: how fast is it, and how much memory does it take, beside LlamaIndex's own pipeline?

Command: `make bench` (one alone: `python -m benchmarks ingest|query|prompt|memory|retrieval`).
Language models: `make bench-models`."""


@dataclass(frozen=True, slots=True)
class Result:
    """One figure. target: what it should reach, as "≥ 4", "≤ 1.01" or "< 100"; empty where there is no target."""

    benchmark: str
    case: str
    measure: str
    value: float
    unit: str = ""
    target: str = ""
    machine: str = ""
    quick: bool = False

    @property
    def met(self) -> bool:
        """Whether the figure reaches its target."""
        sign, _, limit = self.target.partition(" ")
        if sign == "≥":
            return self.value >= float(limit)
        return self.value <= float(limit) if sign == "≤" else self.value < float(limit)


def keep(results: Sequence[Result], folder: Path = FOLDER) -> Path:
    """Put a run's rows in place of the same benchmark's old ones, and write the report again."""
    folder.mkdir(parents=True, exist_ok=True)
    renewed = {result.benchmark for result in results}
    kept = [result for result in _read(folder / "results.csv") if result.benchmark not in renewed]
    rows = sorted([*kept, *results], key=lambda result: list(TITLES).index(result.benchmark))
    with (folder / "results.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Result)], lineterminator="\n")
        writer.writeheader()
        writer.writerows({**asdict(row), "value": _shortest(row.value)} for row in rows)
    report = folder / "REPORT.md"
    report.write_text(_report(rows), encoding="utf-8")
    return report


def _shortest(value: float) -> float:
    return int(value) if float(value).is_integer() else value


def _read(path: Path) -> list[Result]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [_result(row) for row in csv.DictReader(file)]


def _result(row: dict[str, str]) -> Result:
    value, quick = float(row["value"]), row["quick"] == "True"
    return Result(
        row["benchmark"], row["case"], row["measure"], value, row["unit"], row["target"], row["machine"], quick
    )


def _report(rows: Sequence[Result]) -> str:
    parts = [INTRODUCTION]
    targets = [row for row in rows if row.target]
    if targets:
        parts.append("## Targets\n\n" + table(["what", "figure", "target", "met"], map(_target_cells, targets)))
    for name, title in TITLES.items():
        mine = [row for row in rows if row.benchmark == name and not row.target]
        if mine:
            parts.append(f"## {title}\n\n{_pivot(mine)}\n\n{_origin(mine)}")
    return "\n\n".join(parts) + "\n"


def _target_cells(row: Result) -> list[str]:
    return [f"{row.case}: {row.measure}", f"**{figure(row.value)}** {row.unit}", row.target, "yes" if row.met else "no"]


def _pivot(rows: Sequence[Result]) -> str:
    """One line a case, one column a measure."""
    measures = list(dict.fromkeys((row.measure, row.unit) for row in rows))
    cases: dict[str, dict[tuple[str, str], float]] = {}
    for row in rows:
        cases.setdefault(row.case, {})[row.measure, row.unit] = row.value
    heads = ["", *(f"{measure} ({unit})" if unit else measure for measure, unit in measures)]
    lines = ([case, *(figure(found[m]) if m in found else "" for m in measures)] for case, found in cases.items())
    return table(heads, lines)


def _origin(rows: Sequence[Result]) -> str:
    quick = " A quick run: too short to be quoted." if any(row.quick for row in rows) else ""
    return f"Machine: {rows[0].machine}.{quick}"


def table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def figure(value: float) -> str:
    """Three digits that count.

    >>> figure(0.91234), figure(12.345), figure(1234.5)
    ('0.912', '12.3', '1,234')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"
