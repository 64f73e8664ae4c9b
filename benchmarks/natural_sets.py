"""Questions in a person's own words, what answers them, and the documents that they are asked of."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT
from benchmarks.material import find

SETS = ("natural", "natural-train")
OWN = "samples/"  # documents of the product, not of the material


@dataclass(frozen=True, slots=True)
class Gold:
    """One way to be right: a text of `document` that holds one of `answers`, and every string of `beside`."""

    document: str
    answers: tuple[str, ...]
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """One question. kind: what it asks for; "cross" where the document is in the other language.

    golds: every way to be right; none where nothing answers.
    """

    id: str
    text: str
    language: str
    kind: str
    golds: tuple[Gold, ...] = ()

    @property
    def answerable(self) -> bool:
        """Whether some document answers."""
        return bool(self.golds)

    @property
    def own(self) -> bool:
        """Whether a document of the product's own samples answers."""
        return any(gold.document.startswith(OWN) for gold in self.golds[:1])


def load_questions(name: str) -> list[Question]:
    """The questions of a set. Raises NoMaterial where the set is absent."""
    return [read_question(record) for record in _records(name)]


def read_question(record: Mapping[str, Any]) -> Question:
    """A question as a line of `questions.jsonl` has it."""
    golds = (record, *record.get("also", ())) if record["answerable"] else ()
    return Question(record["id"], record["text"], record["lang"], record["kind"], tuple(map(_gold, golds)))


def _gold(record: Mapping[str, Any]) -> Gold:
    return Gold(record["document"], tuple(record["answers"]), tuple(record.get("with", ())))


def document_names(name: str) -> list[str]:
    """The documents of a set: those that it lists, or else those that its questions name."""
    listed = find(name) / "documents.txt"
    if listed.exists():
        return listed.read_text("utf-8").split()
    return sorted({record["document"] for record in _records(name)} - {""})


def document_path(name: str) -> Path:
    """Where a document lies; those of the samples lie in the product."""
    return ROOT / name if name.startswith(OWN) else find("") / name


def _records(name: str) -> Iterator[dict[str, Any]]:
    yield from map(json.loads, (find(name) / "questions.jsonl").read_text("utf-8").splitlines())
