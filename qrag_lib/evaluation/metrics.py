"""Scores of rankings and answers, their intervals, and the test that tells two sets of scores apart.

Pure functions, no model: the same input gives the same number on every machine.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import log2
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from qrag_lib.types import Answer, Citation

    Scores = Sequence[float] | NDArray[np.float64]  # (n,), one a question

Grades = Mapping[str, float]
Judgement = Literal["better", "worse", "not distinguishable"]

RESAMPLES = 5_000
BATCH = 256  # resamples drawn at once: 256 x 10,000 questions x 8 bytes = 20 MB

# SQuAD's evaluation script drops the English articles; the Portuguese analogue drops its own.
ARTICLES = {
    "en": re.compile(r"\b(a|an|the)\b"),
    "pt": re.compile(r"\b(o|a|os|as|um|uma|uns|umas)\b"),
}


def recall_at(ranked: Sequence[str], grades: Grades, k: int) -> float:
    """Share of the relevant documents among the first k.

    ranked: distinct ids, best first. grades: relevant above 0. Nothing relevant gives 0.

    >>> recall_at(["a", "b", "c"], {"b": 1, "z": 1}, k=2)
    0.5
    """
    relevant = {id for id, grade in grades.items() if grade > 0}
    return len(relevant.intersection(ranked[:k])) / len(relevant) if relevant else 0.0


def mrr_at(ranked: Sequence[str], grades: Grades, k: int = 10) -> float:
    """One over the rank of the first relevant document, 0 where the first k hold none.

    >>> mrr_at(["a", "b", "c"], {"b": 1})
    0.5
    """
    return next((1 / rank for rank, id in enumerate(ranked[:k], 1) if grades.get(id, 0) > 0), 0.0)


def ndcg_at(ranked: Sequence[str], grades: Grades, k: int = 10) -> float:
    """Discounted gain of the first k over the gain of the best order, from 0 to 1.

    Linear gain and a discount of log2(rank + 1), as in trec_eval and scikit-learn. Grades
    below 0 count as 0.

    >>> round(ndcg_at(["a", "b"], {"b": 1}), 3)
    0.631
    """
    best = _gain(sorted((g for g in grades.values() if g > 0), reverse=True)[:k])
    return _gain([max(0.0, grades.get(id, 0)) for id in ranked[:k]]) / best if best else 0.0


def _gain(grades: Sequence[float]) -> float:
    return sum(grade / log2(rank + 1) for rank, grade in enumerate(grades, 1))


def normalize(text: str, language: str = "en") -> str:
    """The text in lower case, without punctuation, articles of the language and spare space.

    As SQuAD's evaluation script does for English. Of characters beyond ASCII the Unicode
    punctuation goes too; accents stay.

    >>> normalize("The “Lei  nº 9.394”!"), normalize("A Lei de Diretrizes", "pt")
    ('lei nº 9394', 'lei de diretrizes')
    """
    kept = "".join(c for c in unicodedata.normalize("NFC", text).lower() if not _is_punctuation(c))
    articles = ARTICLES.get(language)
    return " ".join((articles.sub(" ", kept) if articles else kept).split())


def _is_punctuation(character: str) -> bool:
    return character in string.punctuation or unicodedata.category(character).startswith("P")


def exact_match(prediction: str, golds: Sequence[str], language: str = "en") -> float:
    """1 where the prediction equals one of the gold answers after `normalize`, else 0."""
    said = normalize(prediction, language)
    return float(any(said == normalize(gold, language) for gold in golds))


def token_f1(prediction: str, golds: Sequence[str], language: str = "en") -> float:
    """The best harmonic mean of precision and recall of words over the gold answers.

    >>> round(token_f1("the red house", ["a red car"]), 2)
    0.5
    """
    said = normalize(prediction, language).split()
    return max((_f1(said, normalize(gold, language).split()) for gold in golds), default=0.0)


def _f1(said: Sequence[str], gold: Sequence[str]) -> float:
    if not said or not gold:
        return float(said == gold)
    return 2 * (Counter(said) & Counter(gold)).total() / (len(said) + len(gold))


def holds_answer(text: str, golds: Sequence[str], language: str = "en") -> float:
    """1 where the words of one gold answer stand in the text, in order and without a gap, else 0.

    >>> holds_answer("It fell in the year 1974.", ["1974"]), holds_answer("It cost 19740.", ["1974"])
    (1.0, 0.0)
    """
    said = f" {normalize(text, language)} "
    wanted = [normalize(gold, language) for gold in golds]
    return float(any(f" {gold} " in said for gold in wanted if gold))


def quote_support(answer: Answer, text_of: Callable[[str], str] | None = None) -> float:
    """Share of the answer's sentences that a quote stands behind, in the very place it names.

    text_of: the text of a document by its id; without it the passage that the citation carries is read.
    """
    good = {c.number for c in answer.citations if _in_place(c, text_of)}
    return sum(not good.isdisjoint(s.citations) for s in answer.sentences) / max(1, len(answer.sentences))


def _in_place(citation: Citation, text_of: Callable[[str], str] | None) -> bool:
    start, text = (0, text_of(citation.document_id)) if text_of else (citation.passage_start, citation.passage)
    begin = citation.start - start
    return bool(citation.quote) and begin >= 0 and text[begin : citation.end - start] == citation.quote


def refusal_scores(refused: Sequence[bool], answerable: Sequence[bool]) -> tuple[float | None, float | None]:
    """Precision and recall of refusing: None where nothing was refused, or nothing should be.

    >>> refusal_scores([True, True, False], [False, True, False])
    (0.5, 0.5)
    """
    right = sum(r and not a for r, a in zip(refused, answerable, strict=True))
    n_refused, n_unanswerable = sum(refused), len(answerable) - sum(answerable)
    return (right / n_refused if n_refused else None, right / n_unanswerable if n_unanswerable else None)


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over n questions and where it would lie in 95 of 100 other samples of questions."""

    mean: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True, slots=True)
class Difference:
    """How far the second of two paired lists of scores stands above the first, and whether that is more than chance."""

    difference: float
    low: float
    high: float
    p_value: float
    n: int
    judgement: Judgement

    def __str__(self) -> str:
        return f"{self.judgement}: {self.difference:+.3f} [{self.low:+.3f}, {self.high:+.3f}], p = {self.p_value:.3f}"


def bootstrap_interval(values: Scores, *, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """The mean and its 95 % percentile bootstrap interval.

    Raises ValueError where there are no values.
    """
    import numpy as np

    scores = np.asarray(values, dtype=float)  # (n,)
    if not scores.size:
        raise ValueError("no values: there is no mean of nothing")
    low, high = np.percentile(_resampled_means(scores, resamples, seed), [2.5, 97.5])
    return Interval(float(scores.mean()), float(low), float(high), scores.size)


def paired_difference(
    before: Scores, after: Scores, *, alpha: float = 0.05, resamples: int = RESAMPLES, seed: int = 0
) -> Difference:
    """Whether `after` is better, worse or not distinguishable, on the same questions in the same order.

    The p-value is that of a two-sided sign-flip permutation test, the interval a paired
    bootstrap; better or worse needs both, p below alpha and 0 outside the interval.
    Raises ValueError where the lists differ in length or are empty.

    >>> paired_difference([0.0] * 30, [0.0] * 15 + [1.0] * 15).judgement
    'better'
    >>> paired_difference([0, 1, 0], [1, 1, 0]).judgement
    'not distinguishable'
    """
    import numpy as np

    if len(before) != len(after):
        raise ValueError(f"{len(before)} scores against {len(after)}: the two must be of the same questions")
    moved = np.subtract(after, before, dtype=float)
    interval = bootstrap_interval(moved, resamples=resamples, seed=seed)
    p_value = _sign_flip_p(moved, resamples, seed)
    sure = p_value < alpha and not interval.low <= 0 <= interval.high
    judgement: Judgement = "not distinguishable" if not sure else "better" if interval.mean > 0 else "worse"
    return Difference(interval.mean, interval.low, interval.high, p_value, interval.n, judgement)


def _resampled_means(scores: NDArray[np.float64], resamples: int, seed: int) -> NDArray[np.float64]:
    import numpy as np

    rng, n = np.random.default_rng(seed), len(scores)
    batches = [min(BATCH, resamples - done) for done in range(0, resamples, BATCH)]
    return np.concatenate([scores[rng.integers(0, n, (size, n))].mean(axis=1) for size in batches])


def _sign_flip_p(differences: NDArray[Any], resamples: int, seed: int) -> float:
    """Share of the random sign patterns whose mean lies as far from 0 as the real one."""
    import numpy as np

    moved = differences[differences != 0]  # ties tell nothing
    seen, far, rng = abs(moved.sum()), 0, np.random.default_rng(seed)
    for done in range(0, resamples, BATCH):
        signs = rng.integers(0, 2, (min(BATCH, resamples - done), len(moved))) * 2 - 1  # (batch, n)
        far += int((abs(signs @ moved) >= seen - 1e-12).sum())
    return (far + 1) / (resamples + 1)
