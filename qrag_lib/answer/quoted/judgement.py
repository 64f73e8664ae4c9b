"""What a reader's findings, the words in common and the search say together of each sentence. Pure functions.

Weights: a conditional logit over the sentences of a question, and a logistic regression of "the first
quote answers"; fitted by experiments/reader/fit.py on questions that the reader was not trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from qrag_lib.answer.quoted.spans import Found, columns
from qrag_lib.answer.sentences.claims import Statement
from qrag_lib.answer.sentences.question_analysis import Question
from qrag_lib.answer.sentences.sentence_scoring import Array, Candidate

FEATURES: Final = ("answers", "begins", "ends", "words", "search")
WEIGHTS: Final[dict[str, float]] = {"answers": 0.78, "begins": 0.12, "ends": 0.51, "words": 0.33, "search": 0.40}
SIGNS: Final = ("answers", "begins", "margin", "absent")
SURE: Final[dict[str, float]] = {"answers": 0.45, "begins": 0.36, "margin": 0.52, "absent": -0.6}  # the last by hand
CONSTANT: Final = -2.4
THRESHOLD: Final = 0.35
FAR: Final = 8.0  # log odds from which a difference says no more


def features(found: Sequence[Candidate], spans: Sequence[Found], words: Array) -> Array:
    """One row a candidate, one column a name of FEATURES. words: log odds (n,) of the scorer that knows words alone."""
    read = columns(spans)
    best = max((c.hit.score for c in found), default=0.0) or 1.0
    search = np.array([c.hit.score / best for c in found])
    own = np.maximum(words - words.max(initial=-np.inf), -FAR) if len(words) else words
    return np.column_stack([np.clip(read[:, 0], -FAR, FAR), read[:, 1], read[:, 2], own, search])


def score(rows: Array) -> Array:
    """Log odds (n,) of each candidate, up to a constant a question."""
    return np.asarray(rows @ np.array([WEIGHTS[name] for name in FEATURES]), np.float64)


def signs(question: Question, found: Sequence[Candidate], rows: Array, scores: Array) -> Array:
    """What tells an answer from the nearest miss, of the best candidate; one value a name of SIGNS."""
    order = np.argsort(-scores, kind="stable")
    best = int(order[0])
    row = dict(zip(FEATURES, rows[best], strict=True))
    second = float(scores[order[1]]) if len(order) > 1 else float(scores[best]) - FAR
    values = {
        "answers": row["answers"],
        "begins": row["begins"],
        "margin": min(FAR, float(scores[best]) - second),
        "absent": absent(question, found[best]),
    }
    return np.array([values[name] for name in SIGNS])


def confidence(question: Question, found: Sequence[Candidate], rows: Array, scores: Array) -> float:
    """Estimated probability that the best candidate answers the question."""
    values = signs(question, found, rows, scores)
    odds = CONSTANT + float(values @ np.array([SURE[name] for name in SIGNS]))
    return float(1 / (1 + np.exp(-odds)))


def absent(question: Question, candidate: Candidate) -> float:
    """How many numbers and names of the question stand nowhere in the passage, its headings, its document's name."""
    chunk = candidate.hit.chunk
    around = " ".join((chunk.document_name, *chunk.headings, chunk.text, candidate.text))
    asked, held = Statement(question.text, question.language), Statement(around, candidate.language)
    names = {name for name in asked.names if name not in held.stems}
    return float(len(asked.numbers - held.numbers) + len(names))
