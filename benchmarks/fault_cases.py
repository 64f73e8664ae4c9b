"""Small cases of what people report of programs of this kind, and whether one is answered as it should be."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.material import find
from benchmarks.report import table

ANSWERS: Final = "OPQTUX"  # the kinds that are about answers
KINDS: Final = {
    "O": "text without full stops answers, and no quote begins within a word",
    "P": "a year, number or thing that no sentence holds is not given as sure",
    "Q": "identifiers meet with and without their marks",
    "T": "a quote does not begin after a bold abbreviation",
    "U": "an article is found by its number, however it is written",
    "X": "the right sentence, which is the nearest, is given",
}
RESULTS: Final = "faults.csv"


@dataclass(frozen=True, slots=True)
class Case:
    """One case. commands: as they would be typed, the last of them is looked at.

    refusal: nothing must be given as sure. file: a file or folder of the material, "" where there is none.
    """

    id: str
    kind: str
    file: str
    question: str
    commands: tuple[str, ...]
    must: tuple[str, ...]
    mustnot: tuple[str, ...]
    refusal: bool = False

    @property
    def asks(self) -> bool:
        """Whether it is a question to the documents alone, without a language model."""
        return " ask " in self.commands[-1] and "--model" not in self.commands[-1]


@dataclass(frozen=True, slots=True)
class Output:
    """What a case showed.

    first: the first quote, or all that was printed. every: all quotes and opened passages. outcome: of an
    answer, "" for other commands. whole: no quote begins or ends within a word.
    """

    first: str
    every: str = ""
    outcome: str = ""
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a case passed; None where a person has to look.

    within: what it must hold stands in an opened passage at least.
    """

    id: str
    kind: str
    outcome: str
    passed: bool | None
    within: bool | None


def load_cases(kinds: str) -> list[Case]:
    """The cases of the kinds, each a letter. Raises NoMaterial where they are absent."""
    lines = (find("faults") / "cases.jsonl").read_text("utf-8").splitlines()
    return [case for case in map(read_case, map(json.loads, lines)) if case.kind in kinds]


def read_case(record: Mapping[str, Any]) -> Case:
    """A case as a line of `cases.jsonl` has it."""
    return Case(
        id=record["id"],
        kind=record["kind"][0],
        file=record.get("file") or "",
        question=record.get("question", ""),
        commands=tuple(record["command"].split("; ")),
        must=tuple(record["must"]),
        mustnot=tuple(record["mustnot"]),
        refusal=record["expected"].startswith("refusal"),
    )


def judge(case: Case, output: Output) -> Verdict:
    """Whether the case is answered as it should be."""
    if case.refusal:
        passed = within = output.outcome != "sure"
    else:
        given = output.outcome != "nothing"
        passed = given and output.whole and fits(case, output.first)
        within = given and fits(case, f"{output.first}\n{output.every}")
    return Verdict(case.id, case.kind, output.outcome, passed, within)


def unseen(case: Case) -> Verdict:
    """Of a case that a person has to look at."""
    return Verdict(case.id, case.kind, "", None, None)


def fits(case: Case, text: str) -> bool:
    """Whether the text holds all that it must, and nothing that it must not.

    Line breaks and blanks count as one blank; a tab is kept, for it parts the columns of a table.
    """
    shown = re.sub(r"[ \n\r\u00a0]+", " ", text)
    return all(wanted in shown for wanted in case.must) and not any(each in shown for each in case.mustnot)


def counts(verdicts: Sequence[Verdict]) -> str:
    """A line a kind: how many passed, and which did not."""
    kinds = list(dict.fromkeys(each.kind for each in verdicts))
    lines = (_line(kind, [each for each in verdicts if each.kind == kind]) for kind in kinds)
    return table(["kind", "passed", "within what is shown", "failed", "to be looked at"], lines)


def _line(kind: str, verdicts: Sequence[Verdict]) -> list[str]:
    seen = [each for each in verdicts if each.passed is not None]
    passed, within = sum(bool(each.passed) for each in seen), sum(bool(each.within) for each in seen)
    failed = " ".join(each.id for each in seen if not each.passed)
    left = " ".join(each.id for each in verdicts if each.passed is None)
    title = f"{kind}: {KINDS[kind]}" if kind in KINDS else kind
    return [title, f"{passed}/{len(seen)}", f"{within}/{len(seen)}", failed, left]


def fault_folder() -> Path:
    """Where the files of the cases lie."""
    return find("faults")
