"""`python -m benchmarks natural`: questions in a person's own words, asked of real documents and counted.

QRAG_EMBEDDING_MODEL and the other settings of the environment hold here as they do for `qrag`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks import machine, natural_records, natural_report
from benchmarks.natural_counts import Row, judge
from benchmarks.natural_sets import SETS, Question, load_questions
from benchmarks.natural_workspace import ask, open_set

if TYPE_CHECKING:
    from qrag_lib.workspace import Workspace

TOLD = 20  # questions between two lines of progress


def main(arguments: Sequence[str]) -> None:
    """Ask, count, print, and keep the rows and the report."""
    options = _options(arguments)
    where = machine.describe()
    with TemporaryDirectory(prefix="qrag-natural-") as scratch:
        embedder, rows = measure(options.set, options.cache or Path(scratch))
    print(natural_report.tables(rows))
    if options.compare:
        print("\n" + natural_report.comparison(natural_records.read_rows(options.compare), rows))
    if options.out is not None:
        run = natural_records.summarise(options.set, rows, embedder, where)
        print(f"\nnatural: {natural_records.keep(run, rows, options.out)}")


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks natural", description=__doc__)
    parser.add_argument("--set", choices=SETS, default=SETS[0], help="the questions and their documents")
    parser.add_argument("--cache", type=Path, help="folder that keeps the ingested documents for the next run")
    parser.add_argument("--compare", type=Path, metavar="OLD.csv", help="list the questions won and lost since")
    parser.add_argument("--out", type=Path, default=natural_records.FOLDER, help="folder of the rows and the report")
    parser.add_argument("--dry", dest="out", action="store_const", const=None, help="print, and keep nothing")
    return parser.parse_args(arguments)


def measure(name: str, cache: Path) -> tuple[str, list[Row]]:
    """The embedder, and every question of the set asked and counted. Raises NoMaterial where the set is absent."""
    with open_set(name, cache) as (workspace, names):
        index = workspace.catalog.indexes.active()
        questions = load_questions(name)
        return index.config.model if index else "", list(_counted(questions, workspace, names))


def _counted(questions: Sequence[Question], workspace: Workspace, names: Mapping[str, str]) -> Iterator[Row]:
    for done, question in enumerate(questions, 1):
        yield judge(question, ask(workspace, question.text, names))
        if done % TOLD == 0:
            print(f"natural: {done} of {len(questions)}", file=sys.stderr, flush=True)
