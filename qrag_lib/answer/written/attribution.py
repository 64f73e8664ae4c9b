"""Which sentences of the documents stand behind a sentence that a model wrote, by a measure of our own.

What a model claims of its sources counts nothing here. A number, a name or a denial that the source
does not share settles it; the rest is weighed: rare words in common, longest run of words, cosine.
It tells wording that the source bears from wording that it does not; it is no logical entailment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import log1p
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from qrag_lib.answer.sentences.claims import Statement, opposed
from qrag_lib.answer.sentences.question_analysis import Question
from qrag_lib.answer.sentences.sentence_scoring import GAP, Array, Candidate, match
from qrag_lib.answer.sentences.tokens import longest_run, tokens

if TYPE_CHECKING:
    from local_models.embedding.embedder import Embedder

Reason = Literal["", "nothing", "number", "name", "denial", "weak"]

CONSIDERED: Final = 4  # stretches a sentence that the embedder reads
RANKED: Final = 16  # stretches a sentence, by terms that are just the same, whose roots are compared
AROUND: Final = 1_000  # characters on both sides whose words may name what the stretch speaks of
SAME_NAME: Final = 0.8  # likeness of two stems that name the same
TERSE: Final = 4  # index terms below which a sentence says little without its question
READ: Final = 600  # characters of a text that the embedder reads
QUESTION_WEIGHT: Final = 0.5  # of a term that the question has already said

THRESHOLD: Final = 0.5  # the lowest tenth where .95 of what is supported is borne, on squad1-pt-sample

FEATURES: Final = ("fresh", "known", "covered", "run", "cosine", "pair")

# Log odds a feature and the constant (source: experiments/alignment); without an embedder in the second column.
WEIGHTS: Final[dict[str, tuple[float, float]]] = {
    "fresh": (3.31, 2.76),
    "known": (3.04, 2.17),
    "covered": (0.88, 0.97),
    "run": (1.98, 1.50),
    "cosine": (3.27, 0.0),
    "pair": (-3.03, 0.29),
}
CONSTANT: Final = (-7.67, -5.43)


@dataclass(frozen=True)
class Stretch:
    """One sentence of a document, or two that follow each other, and the words of what stands around."""

    parts: tuple[Candidate, ...]
    around: frozenset[str]

    @cached_property
    def statement(self) -> Statement:
        """Its text, read once."""
        return Statement(" ".join(part.text for part in self.parts), self.parts[0].language)

    @cached_property
    def stems(self) -> frozenset[str]:
        """Its index terms."""
        return frozenset(self.statement.stems)

    @cached_property
    def seen(self) -> frozenset[str]:
        """Its index terms and those around it."""
        return self.stems | self.around


@dataclass(frozen=True)
class Support:
    """What stands behind a sentence: score from 0 to 1; parts are empty, and a reason is given, where nothing does."""

    score: float
    parts: tuple[Candidate, ...] = ()
    reason: Reason = ""


def align(
    claims: Sequence[str],
    question: Question,
    sources: Sequence[Candidate],
    embedding: Embedder | None = None,
    *,
    threshold: float = THRESHOLD,
) -> list[Support]:
    """For each sentence what supports it best among the sources, or why nothing does; in the order of the sentences.

    question: what was asked; its own words count less, and its names may stand around the source.
    embedding: without it words alone are compared. threshold: score from which a sentence is supported.
    """
    found = stretches(sources)
    weigh = Weights(question, found)
    read = [stated(text, question) for text in claims]
    best = [weigh.nearest(claim, found, semantic=embedding is not None) for claim in read]
    cosines = _cosines(read, best, embedding) if embedding is not None else {}
    return [
        _support(weigh, claim, near, [cosines.get((i, j), 0.0) for j in range(len(near))], embedding, threshold)
        for i, (claim, near) in enumerate(zip(read, best, strict=True))
    ]


def stated(text: str, question: Question) -> Statement:
    """The sentence, read once; a terse one together with the question, of which it is the answer.

    >>> stated("Ana Prado.", Question("Quem fundou a escola?", "pt")).text
    'Quem fundou a escola: Ana Prado.'
    """
    alone = Statement(text, question.language)
    if not 0 < len(alone.stems) < TERSE:
        return alone
    return Statement(f"{question.text.rstrip(' ?')}: {text}", question.language)


def stretches(sources: Sequence[Candidate]) -> list[Stretch]:
    """Every sentence alone, and every two that follow each other in a document."""
    ordered = sorted(sources, key=lambda c: (c.document_id, c.start))
    around = {id(c): _around(c, ordered) for c in ordered}
    single = [Stretch((c,), around[id(c)]) for c in ordered]
    double = [Stretch((a, b), around[id(a)]) for a, b in pairwise(ordered) if _follow(a, b)]
    return single + double


def _follow(one: Candidate, other: Candidate) -> bool:
    return one.document_id == other.document_id and 0 <= other.start - one.end <= GAP


def _around(candidate: Candidate, ordered: Sequence[Candidate]) -> frozenset[str]:
    """Index terms of the title, the headings and the sentences near."""
    chunk = candidate.hit.chunk
    named = tokens(" ".join((chunk.document_name, *chunk.headings)), candidate.language)
    near = (
        c
        for c in ordered
        if c.document_id == candidate.document_id
        and c.start < candidate.end + AROUND
        and c.end > candidate.start - AROUND
    )
    return frozenset([t.stem for t in named if t.stem]).union(*(c.stems for c in near))


class Weights:
    """How much each term tells the sources apart, and what a sentence and a stretch have in common by it."""

    def __init__(self, question: Question, found: Sequence[Stretch]) -> None:
        self.question = question
        self._n = sum(len(stretch.parts) == 1 for stretch in found)
        self._df = Counter(stem for stretch in found if len(stretch.parts) == 1 for stem in stretch.stems)

    def of(self, stem: str) -> float:
        """BM25's idf of a term over the sentences."""
        df = self._df[stem]
        return log1p((self._n - df + 0.5) / (df + 0.5))

    def share(self, stems: Sequence[str], known: frozenset[str]) -> float:
        """Share of the stems' weight that the text with the known stems has; 1.0 where there are none."""
        weights = [self.of(s) * (QUESTION_WEIGHT if s in self.question.known else 1.0) for s in stems]
        had = sum(w * match(s, known) for w, s in zip(weights, stems, strict=True))
        return had / sum(weights) if weights else 1.0

    def row(self, claim: Statement, stretch: Stretch, cosine: float = 0.0) -> Array:
        """One value a name of FEATURES."""
        fresh = [s for s in claim.stems if s not in self.question.known]
        covered = self.share(claim.stems, stretch.stems)
        values = {
            "fresh": self.share(fresh, stretch.stems) if fresh else covered,
            "known": self.share([s for s in claim.stems if s in self.question.known], stretch.stems),
            "covered": covered,
            "run": longest_run(claim.words, stretch.statement.words) / max(4, len(claim.words)),
            "cosine": cosine,
            "pair": float(len(stretch.parts) > 1),
        }
        return np.array([values[name] for name in FEATURES])

    def nearest(self, claim: Statement, found: Sequence[Stretch], *, semantic: bool) -> list[Stretch]:
        """The stretches that share most words with the claim; a contradiction is among them, to be told."""
        if not claim.stems:
            return []
        own = set(claim.stems)
        exact = [(sum(self.of(s) for s in own & f.stems), sum(self.of(s) for s in own & f.seen)) for f in found]
        first = sorted(range(len(found)), key=lambda i: (-exact[i][0], -exact[i][1], len(found[i].parts)))
        near = [found[i] for i in first[:RANKED]]
        held = [(self.share(claim.stems, s.stems) + 0.5 * self.share(claim.stems, s.seen), s) for s in near]
        ranked = sorted(held, key=lambda pair: (-pair[0], len(pair[1].parts)))
        return [stretch for share, stretch in ranked[: CONSIDERED if semantic else 2 * CONSIDERED] if share > 0]


def disagreement(claim: Statement, stretch: Stretch, question: Question) -> Reason:
    """What the stretch does not share that it must: a number, a name, a denial; "" where all agree.

    Numbers and names that the question has said may stand around the stretch.
    """
    asked = Statement(question.text, question.language)
    missing = claim.numbers - stretch.statement.numbers
    if missing - asked.numbers or any(number not in stretch.seen for number in missing):
        return "number"
    places = ((name, stretch.seen if name in question.known else stretch.stems) for name in claim.names)
    if any(match(name, place) < SAME_NAME for name, place in places):
        return "name"
    return "denial" if opposed(claim, stretch.statement, stretch.stems) else ""


def score(rows: Array, *, semantic: bool = True) -> Array:
    """Estimated probability, a row of FEATURES each, that the stretch bears the sentence."""
    column = 0 if semantic else 1
    odds = CONSTANT[column] + rows @ np.array([WEIGHTS[name][column] for name in FEATURES])
    return np.asarray(1 / (1 + np.exp(-odds)), np.float64)


def _cosines(
    claims: Sequence[Statement], near: Sequence[Sequence[Stretch]], embedding: Embedder
) -> dict[tuple[int, int], float]:
    """Cosine of the claim i and its j-th stretch; every text is embedded once."""
    texts = {claim.text[:READ] for claim in claims} | {s.statement.text[:READ] for some in near for s in some}
    listed = sorted(texts)
    if not any(near):
        return {}
    rows = dict(zip(listed, embedding.encode(listed), strict=True))
    return {
        (i, j): float(rows[claim.text[:READ]] @ rows[stretch.statement.text[:READ]])
        for i, (claim, some) in enumerate(zip(claims, near, strict=True))
        for j, stretch in enumerate(some)
    }


def _support(
    weigh: Weights,
    claim: Statement,
    near: Sequence[Stretch],
    cosines: Sequence[float],
    embedding: Embedder | None,
    threshold: float,
) -> Support:
    """The best stretch that agrees, unless one that scores higher denies it; without one, the reason of the best."""
    if not near:
        return Support(0.0, reason="nothing")
    rows = np.stack([weigh.row(claim, s, c) for s, c in zip(near, cosines, strict=True)])
    scores = score(rows, semantic=embedding is not None)
    reasons = [disagreement(claim, stretch, weigh.question) for stretch in near]
    order = [int(i) for i in np.argsort(-scores, kind="stable")]
    settling = next((i for i in order if reasons[i] in ("", "denial")), None)
    if settling is not None and not reasons[settling] and scores[settling] >= threshold:
        return Support(float(scores[settling]), near[settling].parts)
    agreeing = max((float(s) for s, reason in zip(scores, reasons, strict=True) if not reason), default=0.0)
    return Support(agreeing, reason=reasons[order[0]] or "weak")
