"""What is kept of the natural questions: the rows of each set, a line for each run, and the report."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import Any

from benchmarks.fault_cases import RESULTS, Verdict, counts
from benchmarks.machine import ROOT, Machine
from benchmarks.natural_counts import MEASURES, Row, auroc
from benchmarks.natural_report import COUNTED, cell, tables, verdict
from benchmarks.report import table

FOLDER = ROOT / "experiments" / "natural"
RUNS = "runs.csv"
REPORT = "REPORT.md"

INTRODUCTION = """# Does a person's own question find its answer?

Question: of questions as people put them, in their own words and with their own mistakes, over real documents in
Portuguese and English, how many get the right sentence, how many at least a passage that holds it, and how often is
something wrong given as sure?

Command: `python -m benchmarks natural` and `python -m benchmarks faults` (questions and documents are no part of this
project; `QRAG_TEST_DATA` names their folder). `--set natural-train` asks the questions that may be fitted to,
`--compare OLD.csv` lists what was won and lost.

- *right*: the first sentence given as answer, or marked as the likeliest, holds an accepted string of the right
  document; *within what is shown*: a quote or an opened passage does. Of the questions that a document answers.
- *sure and wrong*: given as sure, and the first quote does not answer, or nothing does. Of all questions.
- *refused wrongly*: nothing is given, though a document answers. *Refused rightly*: nothing answers, and nothing is
  given as sure.
- *refusals too*: whatever the outcome, so also what a refusal names as nearest.

Strings are compared as whole words, without letter case, superfluous space and Markdown marks. In brackets: Wilson's
95 % interval of the share. Questions across languages stand in no line but their own and the sums."""

FAULTS = """Small documents made after what people report of programs of this kind, each in a workspace of its own. A
case passes where the first quote given holds what it must and no quote begins or ends within a word; of those of P,
where nothing is given as sure. At commit 7d320e0 one of the 23 passed: P4."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run over a set, in a line. The counts are written as how many of how many."""

    set: str
    commit: str
    date: str
    embedder: str
    right: str
    within: str
    sure_and_wrong: str
    refused_wrongly: str
    refused_rightly: str
    auroc: str
    machine: str


def summarise(name: str, rows: Sequence[Row], embedder: str, machine: Machine) -> Run:
    """The run in a line."""
    right, within, wrong, refused_wrongly, refused_rightly = (cell(MEASURES[measure].of(rows)) for measure in COUNTED)
    area = auroc([row.confidence for row in rows], [row.answerable for row in rows])
    return Run(
        set=name,
        commit=machine.commit,
        date=machine.date,
        embedder=embedder,
        right=right,
        within=within,
        sure_and_wrong=wrong,
        refused_wrongly=refused_wrongly,
        refused_rightly=refused_rightly,
        auroc="" if area is None else f"{area:.3f}",
        machine=str(machine),
    )


def keep(run: Run, rows: Sequence[Row], folder: Path = FOLDER) -> Path:
    """Write the rows in place of the set's old ones, add the run, and write the report again."""
    folder.mkdir(parents=True, exist_ok=True)
    write_lines(rows, rows_file(run.set, folder))
    same = (run.set, run.commit, run.embedder)
    kept = [each for each in read_runs(folder) if (each.set, each.commit, each.embedder) != same]
    write_lines([*kept, run], folder / RUNS)
    return write_report(folder)


def write_report(folder: Path = FOLDER) -> Path:
    """The report of all that is kept."""
    parts = [INTRODUCTION, *_natural_sections(folder), *_fault_sections(folder)]
    report = folder / REPORT
    report.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return report


def _natural_sections(folder: Path) -> list[str]:
    runs, kept = read_runs(folder), rows_file("natural", folder)
    if not kept.exists():
        return []
    latest = [run for run in runs if run.set == "natural"][-1]
    rows = read_rows(kept)
    return [verdict(rows), tables(rows), f"Machine: {latest.machine}; embedder {latest.embedder}.", _history(runs)]


def keep_faults(verdicts: Sequence[Verdict], folder: Path = FOLDER) -> Path:
    """Write the verdicts in place of the old ones of their kinds, and write the report again."""
    folder.mkdir(parents=True, exist_ok=True)
    renewed = {each.kind for each in verdicts}
    kept = [each for each in read_verdicts(folder) if each.kind not in renewed]
    write_lines(sorted([*kept, *verdicts], key=lambda each: each.kind), folder / RESULTS)
    return write_report(folder)


def _fault_sections(folder: Path) -> list[str]:
    verdicts = read_verdicts(folder)
    return [f"## What people report\n\n{FAULTS}\n\n{counts(verdicts)}"] if verdicts else []


def _history(runs: Sequence[Run]) -> str:
    names = [field.name for field in fields(Run)][:-1]
    return "## Runs\n\n" + table([name.replace("_", " ") for name in names], [astuple(run)[:-1] for run in runs])


def rows_file(name: str, folder: Path) -> Path:
    """Where the rows of a set are kept."""
    return folder / ("results.csv" if name == "natural" else f"{name}.csv")


def write_lines(lines: Sequence[Any], path: Path) -> None:
    """Dataclasses of one kind as a table."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(lines[0])], lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _written(value) for name, value in asdict(line).items()} for line in lines)


def _written(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else int(value) if isinstance(value, bool) else value


SAID: dict[str, bool | None] = {"1": True, "0": False, "": None}
READ: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("own", "answerable", "first", "within"), SAID.__getitem__),
    **dict.fromkeys(("confidence", "seconds"), float),
    "rank": int,
}


def read_rows(path: Path) -> list[Row]:
    """The rows of a run that was kept."""
    return [Row(**{name: READ.get(name, str)(text) for name, text in line.items()}) for line in _lines(path)]


def read_runs(folder: Path) -> list[Run]:
    """The runs that were kept, oldest first."""
    path = folder / RUNS
    return [Run(**line) for line in _lines(path)] if path.exists() else []


def read_verdicts(folder: Path) -> list[Verdict]:
    """The verdicts that were kept."""
    path = folder / RESULTS
    lines = _lines(path) if path.exists() else []
    return [
        Verdict(line["id"], line["kind"], line["outcome"], SAID[line["passed"]], SAID[line["within"]]) for line in lines
    ]


def _lines(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
