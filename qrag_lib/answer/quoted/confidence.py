"""How sure the best evidence makes an answer: retrieval scores alone do not tell (AUROC .57, measured)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from qrag_lib.answer.sentences.question_analysis import Question
from qrag_lib.answer.sentences.sentence_scoring import FEATURES, Array, Candidate, matches

THRESHOLD: Final = 0.35  # right among answered .88 and .91, unanswerable refused .73 and .93: experiments/answers

TYPICAL_COSINE: Final = 0.5  # stands in where there is no embedder

SIGNS: Final = ("covered", "context", "passage", "names", "cosine", "run", "margin", "terms", "title")


def signs(question: Question, found: Sequence[Candidate], rows: Array, scores: Array) -> Array:
    """What tells an answer from the nearest miss, of the best candidate; one value a name of SIGNS."""
    order = np.argsort(-scores, kind="stable")
    best = int(order[0])
    row = dict(zip(FEATURES, rows[best], strict=True))
    near = [c for c in found if c.document_id == found[best].document_id and c.rank == found[best].rank]
    stems = [stem for c in near for stem in c.stems]
    have = matches(question, stems)
    weights = question.emphasis
    names = [m for m, stem in zip(have, question.stems, strict=True) if stem in question.names]
    second = float(scores[order[1]]) if len(order) > 1 else float(scores[best]) - 5.0
    values = {
        "covered": row["covered"],
        "context": row["covered"] + row["before"],
        "passage": float(have @ weights / weights.sum()),
        "names": float(np.mean(names)) if names else 0.7,
        "cosine": row["cosine"] or TYPICAL_COSINE,
        "run": row["run"],
        "margin": min(5.0, float(scores[best]) - second) / 5.0,
        "terms": min(1.0, len(question.stems) / 8),
        "title": row["title"],
    }
    return np.array([values[name] for name in SIGNS])


# Log odds a sign, and the constant; fitted by experiments/answers.
WEIGHTS: Final[dict[str, float]] = {
    "covered": 1.00,
    "context": 1.48,
    "passage": 1.09,
    "names": 0.68,
    "cosine": 1.58,
    "run": 2.26,
    "margin": 3.08,
    "terms": 2.44,
    "title": 1.89,
}
CONSTANT: Final = -7.35


def confidence(question: Question, found: Sequence[Candidate], rows: Array, scores: Array) -> float:
    """Estimated probability that the best candidate answers the question."""
    values = signs(question, found, rows, scores)
    odds = CONSTANT + float(values @ np.array([WEIGHTS.get(name, 0.0) for name in SIGNS]))
    return float(1 / (1 + np.exp(-odds)))
