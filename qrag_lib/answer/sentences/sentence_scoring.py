"""Sentences of the retrieved passages, scored as evidence for a question. Pure functions, no language model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import log1p
from typing import Final

import numpy as np
import numpy.typing as npt

from qrag_lib.answer.sentences.boilerplate import around, touches
from qrag_lib.answer.sentences.question_analysis import Question, counts, defines, met, near, refers_back
from qrag_lib.answer.sentences.tokens import Reading, longest_run, tokens
from qrag_lib.answer.table_rows import Tables
from qrag_lib.errors import NotFound
from qrag_lib.language import sentences
from qrag_lib.types import Chunk, Hit

Array = npt.NDArray[np.float64]

PASSAGES: Final = 8  # hits whose sentences are looked at
REACH: Final = 800  # characters on both sides of a chunk in which its first and last sentence must begin and end
GAP: Final = 3  # characters between neighbouring sentences
LONGEST: Final = 1_200  # characters of a sentence; longer ones are tables, code or lists


@dataclass(frozen=True)
class Candidate(Reading):
    """A sentence of a document: `text == document text[start:end]`.

    rank: of its best hit, from 0. place: among the sentences of the passage, from 0.
    aside: a reference, menu, address or licence, or the row that names a table's columns: answers when nothing else
    does. columns: the names of its columns, for a row of a table that does not say them itself.
    """

    hit: Hit
    rank: int
    place: int
    start: int
    end: int
    text: str
    language: str
    aside: bool = False
    columns: str = ""

    @cached_property
    def stems(self) -> tuple[str, ...]:
        """Its index terms, in order; those of its columns' names come first, those of identifiers last."""
        own = (t.stem for t in (*tokens(self.columns, self.language), *self.tokens) if t.stem)
        return (*own, *self.identifiers)

    @property
    def document_id(self) -> str:
        """The document it stands in."""
        return self.hit.chunk.document_id


def candidates(hits: Sequence[Hit], texts: Callable[[str], str], language: str) -> list[Candidate]:
    """The whole sentences that the best hits touch, best hit first; one that several hits touch counts once.

    What stands aside of the text comes last.
    """
    found: dict[tuple[str, int, int], Candidate] = {}
    known: dict[str, Tables] = {}
    for rank, hit in enumerate(hits[:PASSAGES]):
        spoken = hit.chunk.language if hit.chunk.language in ("pt", "en") else language
        text = _stored(hit.chunk, texts)
        tables = known.setdefault(text, Tables(text))
        apart = around(text, hit.chunk.start, hit.chunk.end)
        for place, (start, end) in enumerate(whole_sentences(text, hit.chunk, spoken)):
            row = tables.row(start, end)
            aside = touches(apart, (start, end)) or (row is not None and row.names)
            names = [cell.column for cell in row.cells] if row else []
            columns = " ".join(name for name in names if name not in text[start:end])
            candidate = Candidate(hit, rank, place, start, end, text[start:end], spoken, aside, columns)
            found.setdefault((candidate.document_id, start, end), candidate)
    return sorted(found.values(), key=lambda candidate: candidate.aside)


def _stored(chunk: Chunk, texts: Callable[[str], str]) -> str:
    """The text of the chunk's document; "" where it was deleted or replaced since it was found."""
    try:
        text = texts(chunk.document_id)
    except NotFound:
        return ""
    return text if text[chunk.start : chunk.end] == chunk.text else ""


def whole_sentences(text: str, chunk: Chunk, language: str) -> list[tuple[int, int]]:
    """Spans in the document's text of the sentences that the chunk touches, whole even where it cuts them."""
    left, right = max(0, chunk.start - REACH), min(len(text), chunk.end + REACH)
    paragraph = text.rfind("\n\n", left, chunk.start)
    left = left if paragraph < 0 else paragraph + 2
    spans = ((left + a, left + b) for a, b in sentences(text[left:right], language))
    return [(a, b) for a, b in spans if a < chunk.end and b > chunk.start and b - a <= LONGEST]


FEATURES: Final = (
    "covered", "best_covered", "before", "before_back", "after", "title", "run", "window",
    "cosine", "cosine_before",
    "name_met", "number_met", "reason_met", "defined", "answer_near", "counted",
    "retrieval", "first", "new", "asks", "long", "aside",
)  # fmt: skip


def features(question: Question, found: Sequence[Candidate], cosines: Array | None = None) -> Array:
    """One row a candidate, one column a name of FEATURES.

    cosines: of question and sentence; zeros without an embedder.
    """
    columns = {**_coverage(question, found), **_similarity(found, cosines), **_form(question, found)}
    return np.column_stack([columns[name] for name in FEATURES])


def term_weights(question: Question, found: Sequence[Candidate]) -> Array:
    """How much each term of the question tells the candidates apart: BM25's idf over the sentences.

    Words that only name the kind of answer ("year", "nome") weigh a third; names and numbers weigh more.
    """
    n = len(found)
    df = Counter(stem for candidate in found for stem in set(candidate.stems))
    idf = [log1p((n - df[stem] + 0.5) / (df[stem] + 0.5)) for stem in question.stems]
    return np.array(idf) * question.emphasis


def matches(question: Question, stems: Sequence[str]) -> Array:
    """For each term of the question how well the text has it: 1.0 the stem, less for a word of the same root."""
    known = set(stems)
    return np.array([match(stem, known) for stem in question.stems])


def match(stem: str, known: Collection[str]) -> float:
    """How well a text with these stems has the stem: 1.0 where it is there, less for a word of the same root."""
    if stem in known:
        return 1.0
    if len(stem) < 5 or stem.isdigit():
        return 0.0
    return max((_root(stem, other) for other in known if other[:4] == stem[:4]), default=0.0)


def _root(one: str, other: str) -> float:
    """Share of the longer stem that both begin with, where that is enough to be the same root."""
    shared = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    alike = shared >= 5 or shared >= 0.7 * min(len(one), len(other))
    return 0.4 + 0.5 * shared / max(len(one), len(other)) if alike else 0.0


def _neighbours(found: Sequence[Candidate], values: Array, step: int) -> Array:
    """The values of the sentence before (-1) or after (1) in the document; zeros where it is no candidate."""
    moved = np.zeros_like(values)
    order = sorted(range(len(found)), key=lambda i: (found[i].document_id, found[i].start))
    for i, j in pairwise(order):
        if found[i].document_id == found[j].document_id and found[j].start - found[i].end <= GAP:
            here, there = (j, i) if step < 0 else (i, j)
            moved[here] = values[there]
    return moved


def _coverage(question: Question, found: Sequence[Candidate]) -> dict[str, Array]:
    """How much of the question stands in the sentence, its neighbours, its passage and its headings."""
    weights = term_weights(question, found)
    share = weights / (weights.sum() or 1.0)
    own = np.array([matches(question, c.stems) for c in found])
    before, after = _neighbours(found, own, -1), _neighbours(found, own, 1)
    titles = np.array([matches(question, _title(c)) for c in found])
    covered = own @ share
    gain = np.maximum(own, before) @ share - covered
    back = np.array([refers_back(c.text) for c in found])
    return {
        "covered": covered,
        "best_covered": covered / (covered.max() or 1.0),
        "before": gain,
        "before_back": gain * back,
        "after": np.maximum(own, after) @ share - covered,
        "title": np.maximum(own, titles) @ share - covered,
        "run": np.array([_run(question, c) for c in found]),
        "window": np.array([_window(question, c, share) for c in found]),
    }


def _title(candidate: Candidate) -> tuple[str, ...]:
    text = " ".join((candidate.hit.chunk.document_name, *candidate.hit.chunk.headings))
    return tuple(t.stem for t in tokens(text, candidate.language) if t.stem)


def _run(question: Question, candidate: Candidate) -> float:
    """Length of the longest run of the question's words, function words too, over the question's length."""
    return longest_run(question.words, candidate.words) / max(3, len(question.words))


def _window(question: Question, candidate: Candidate, share: Array) -> float:
    """Largest weight of the question's terms within ten terms of the sentence."""
    weight = dict(zip(question.stems, share, strict=True))
    held = [(i, stem) for i, stem in enumerate(candidate.stems) if stem in weight]
    return max((sum(weight[s] for s in {t for j, t in held if 0 <= j - i < 10}) for i, _ in held), default=0.0)


def _similarity(found: Sequence[Candidate], cosines: Array | None) -> dict[str, Array]:
    own = np.zeros(len(found)) if cosines is None else cosines
    return {
        "cosine": own,
        "cosine_before": _neighbours(found, own, -1),
    }


def _form(question: Question, found: Sequence[Candidate]) -> dict[str, Array]:
    """What kind of sentence it is, and where it stands."""
    kind = question.kind
    fits = np.array([met(kind, c.text, c.tokens, question.known) for c in found])
    best = max((c.hit.score for c in found), default=0.0) or 1.0
    fresh = [sum(bool(s) and s not in question.known for s in c.stems) for c in found]
    return {
        "name_met": fits * (kind in ("person", "place")),
        "number_met": fits * (kind in ("number", "time")),
        "reason_met": fits * (kind in ("reason", "purpose")),
        "defined": np.array([defines(question, c.text, c.tokens) for c in found]),
        "answer_near": np.array([near(question, c.text, c.tokens) for c in found]),
        "counted": np.array([counts(question, c.tokens) for c in found]),
        "retrieval": np.array([c.hit.score / best for c in found]),
        "first": np.array([float(c.place == 0) for c in found]),
        "new": np.array([min(1.0, log1p(n) / 3) for n in fresh]),
        "asks": np.array([float(c.text.rstrip("\"'”» ").endswith("?")) for c in found]),
        "long": np.array([min(1.0, len(c.tokens) / 60) for c in found]),
        "aside": np.array([float(c.aside) for c in found]),
    }


# Log odds a feature (source: experiments/answers/REPORT.md); without an embedder in the second column.
WEIGHTS: Final[dict[str, tuple[float, float]]] = {
    "covered": (1.52, 2.0),
    "best_covered": (3.07, 3.3),
    "before": (2.96, 3.0),
    "before_back": (1.42, 1.5),
    "after": (1.33, 1.3),
    "title": (4.17, 4.5),
    "run": (2.31, 2.5),
    "window": (1.56, 1.6),
    "cosine": (3.40, 0.0),
    "cosine_before": (1.06, 0.0),
    "name_met": (1.59, 1.6),
    "number_met": (2.19, 2.2),
    "reason_met": (0.75, 0.75),
    "defined": (3.0, 3.0),
    "answer_near": (0.69, 0.7),
    "counted": (1.46, 1.5),
    "retrieval": (4.74, 5.0),
    "first": (0.75, 0.75),
    "new": (0.75, 0.75),
    "asks": (-1.94, -1.94),
    "long": (-0.83, -0.83),
    "aside": (-2.0, -2.0),  # set, not fitted: as much as a question among the candidates
}


def score(rows: Array, *, semantic: bool = True) -> Array:
    """Log odds of each candidate, up to a constant a question. semantic: cosines are among the features."""
    weights = [WEIGHTS.get(name, (0.0, 0.0))[0 if semantic else 1] for name in FEATURES]
    return np.asarray(rows @ np.array(weights), np.float64)
