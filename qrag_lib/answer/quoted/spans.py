"""What a reader finds in the passages of a search, sentence by sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from local_models.reading.span_reader import Passage, Reading, SpanReader
from qrag_lib.answer.sentences.sentence_scoring import Array, Candidate
from qrag_lib.types import Hit

PASSAGES: Final = 8  # hits that are read
FIRST: Final = 4  # hits that are read before the others; the others are left out where one of these answers
ANSWERED: Final = 2.0  # log odds from which a passage does
UNREAD: Final = -12.0  # log probability of what was not read
LONGEST_ANSWER: Final = 40  # tokens


@dataclass(frozen=True)
class Found:
    """What the reading of a sentence's passage says of the sentence.

    answers: log odds that its passage answers. begins, ends: log probability that the answer begins,
    ends in the sentence. answer: the likeliest span in the document inside the sentence.
    """

    answers: float
    begins: float
    ends: float
    answer: tuple[int, int] | None = None


@dataclass(frozen=True)
class _Stretch:
    """A stretch of a document that is read as one passage."""

    start: int
    passage: Passage


def read(
    question: str, hits: Sequence[Hit], found: Sequence[Candidate], texts: Callable[[str], str], reader: SpanReader
) -> list[Found]:
    """For each candidate what the reader finds in it; each is looked for in the passage of its best hit."""
    ranks = sorted({candidate.rank for candidate in found if candidate.rank < PASSAGES})
    stretches = {rank: _stretch(hits[rank], [c for c in found if c.rank == rank], texts) for rank in ranks}
    by_rank: dict[int, Reading] = {}
    for some in (ranks[:FIRST], ranks[FIRST:]):
        if all(reading.answers < ANSWERED for reading in by_rank.values()):
            by_rank |= zip(some, reader.read(question, [stretches[rank].passage for rank in some]), strict=True)
    least = min((reading.answers for reading in by_rank.values()), default=0.0)
    return [
        look_up(by_rank[c.rank], c.start - stretches[c.rank].start, c.end - stretches[c.rank].start, c.start)
        if c.rank in by_rank
        else Found(least, UNREAD, UNREAD)
        for c in found
    ]


def _stretch(hit: Hit, own: Sequence[Candidate], texts: Callable[[str], str]) -> _Stretch:
    """The hit's chunk, and the whole sentences that it cuts."""
    chunk = hit.chunk
    start = min([chunk.start, *(c.start for c in own)])
    end = max([chunk.end, *(c.end for c in own)])
    return _Stretch(start, Passage(" > ".join(chunk.headings), texts(chunk.document_id)[start:end]))


def look_up(reading: Reading, start: int, end: int, at: int = 0) -> Found:
    """What a reading says of the characters [start:end) of its passage, which begin at `at` in the document."""
    inside = np.flatnonzero((reading.spans[:, 0] >= start) & (reading.spans[:, 1] <= end))
    if not inside.size:
        return Found(reading.answers, UNREAD, UNREAD)
    begins, ends = reading.begins[inside], reading.ends[inside]
    first, last = best_span(begins, ends)
    answer = (int(reading.spans[inside[first], 0]) - start + at, int(reading.spans[inside[last], 1]) - start + at)
    return Found(reading.answers, _log_sum(begins), _log_sum(ends), answer)


def best_span(begins: NDArray[np.float32], ends: NDArray[np.float32]) -> tuple[int, int]:
    """First and last token of the likeliest span of at most LONGEST_ANSWER tokens.

    >>> best_span(np.array([0.0, 3, 0], np.float32), np.array([2.0, 0, 1], np.float32))
    (1, 2)
    """
    n = len(begins)
    scores = begins[:, None] + ends[None, :]  # (n, n)
    allowed = np.tri(n, n, LONGEST_ANSWER - 1, dtype=bool) & ~np.tri(n, n, -1, dtype=bool)
    best = int(np.where(allowed, scores, -np.inf).argmax())
    return best // n, best % n


def _log_sum(values: NDArray[np.float32]) -> float:
    return max(UNREAD, float(np.logaddexp.reduce(values.astype(np.float64))))


def columns(found: Sequence[Found]) -> Array:
    """One row a candidate: answers, begins, ends."""
    return np.array([(f.answers, f.begins, f.ends) for f in found]).reshape(-1, 3)
