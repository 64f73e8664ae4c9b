"""The question sets of the table: five as they are given, one of the training material, two across languages."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.material import find
from qrag_lib.evaluation.question_sets import QuestionSet, load_question_set

# {name: (set with the passages, set with the questions)}: XQuAD's questions have Portuguese twins of the same id.
ACROSS = {
    "pt asks en": ("qa/xquad-en", "qa-train/squad2-pt"),
    "en asks pt": ("qa-train/squad2-pt", "qa/xquad-en"),
}
MORE = {"squad2-pt": "qa-train/squad2-pt"}


@dataclass(frozen=True)
class Material:
    """Passages as records, and the questions that have an answer in them."""

    name: str
    records: list[dict[str, Any]]
    questions: QuestionSet


def load_material(name: str) -> Material:
    """A set by its name in the table. Raises NoMaterial where its files are absent."""
    texts, asked = ACROSS.get(name, (MORE.get(name, f"qa/{name}"),) * 2)
    passages, questions = find(texts), load_question_set(find(asked))
    if texts != asked:
        questions = twins(questions, load_question_set(passages))
    answered = tuple(each for each in questions if each.answerable)
    return Material(name, _records(passages / "corpus.jsonl"), replace(questions, name=name, questions=answered))


def twins(asked: QuestionSet, judged: QuestionSet) -> QuestionSet:
    """The questions of `asked` that `judged` has too, with what is relevant there."""
    relevant = {each.id: each.relevant for each in judged if each.relevant}
    found = tuple(replace(each, relevant=relevant[each.id]) for each in asked if each.id in relevant)
    return replace(asked, questions=found)


def _records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
