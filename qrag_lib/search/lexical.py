"""BM25 as a share: how much of what a question's words could say for a passage does speak for it.

SQLite's FTS5 finds the candidates; its own bm25() knows neither phrases nor other constants, and
gives nothing for the passages that only the dense side found. So the candidates' stored terms are
read back and scored here: 200 passages take about 5 ms.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from math import log
from pathlib import PurePath
from typing import Final

import numpy as np
from numpy.typing import NDArray

from qrag_lib.catalog import Catalog, Index
from qrag_lib.catalog.chunks import terms_table
from qrag_lib.language import ANALYZER, ANALYZERS, STOP_WORDS, terms, words
from qrag_lib.language.law import ARTICLE, Provision, numbered_sections, provisions
from qrag_lib.language.references import reference_terms
from qrag_lib.types import Chunk

Scores = NDArray[np.float64]

K1: Final = 1.2
B: Final = 0.6
PHRASE: Final = 0.03  # of the rarer word's weight, for two words of the question side by side
BEGINNING: Final = 3  # times that an article counts where it begins
POSTINGS: Final = 20_000  # entries of the full-text index that one question may cost, about 1.5 us each


@dataclass(frozen=True, slots=True)
class QuestionTerms:
    """Index terms of a question. other: as the stemmers of the corpus's other languages give them."""

    own: tuple[str, ...]
    other: tuple[str, ...] = ()

    @property
    def all(self) -> list[str]:
        """Each term once."""
        return list(dict.fromkeys(self.own + self.other))


@dataclass(frozen=True, slots=True)
class Frequencies:
    """What BM25 must know of an index. in_chunks: for each term, how many chunks hold it."""

    n_chunks: int
    mean_length: float
    in_chunks: Mapping[str, int]

    def idf(self, term: str) -> float:
        """Weight of a term, as Lucene counts it: never negative, 0 for a term that no chunk holds."""
        n = self.in_chunks.get(term, 0)
        return log(1 + (self.n_chunks - n + 0.5) / (n + 0.5)) if n else 0.0

    def bound(self, question: QuestionTerms) -> float:
        """The BM25 that no passage can exceed: of the terms that the corpus knows at all."""
        return max(sum(map(self.idf, set(side))) for side in (question.own, question.other))


def question_terms(
    question: str, language: str, languages: Iterable[str] = (), analyzer: str = ANALYZER
) -> QuestionTerms:
    """Terms of a question for texts in `languages`, as the analyzer of the index gives them.

    >>> question_terms("What is the university?", "en", ["en", "pt"])
    QuestionTerms(own=('universiti',), other=('university',))
    """
    named = [] if analyzer == ANALYZERS[0] else reference_terms(question)
    own = tuple(dict.fromkeys([*terms(question, language, analyzer), *named]))
    stops = STOP_WORDS.get(language, frozenset())
    content = " ".join(word for word in words(question) if word.lower() not in stops)
    others = [each for each in languages if each in STOP_WORDS and language in STOP_WORDS and each != language]
    other = tuple(term for each in others for term in dict.fromkeys(terms(content, each, analyzer)) if term not in own)
    return QuestionTerms(own, other)


def frequencies(catalog: Catalog, index_id: str, wanted: Iterable[str]) -> Frequencies:
    """In how many chunks of an index the terms stand, how many chunks there are and how long they are."""
    table = terms_table(index_id)
    read = catalog.database.read
    read(f"CREATE VIRTUAL TABLE IF NOT EXISTS temp.{table}_words USING fts5vocab(main, {table}, row)")
    rows = [read(f"SELECT term, doc FROM temp.{table}_words WHERE term = ?", (term,)) for term in wanted]
    # FTS5 keeps these two sums, as varints, in the record with id 1.
    sums = _varints(read(f"SELECT block FROM {table}_data WHERE id = 1")[0][0])
    n_chunks, n_terms = (*sums, 0, 0)[:2]
    return Frequencies(n_chunks, n_terms / n_chunks if n_chunks else 1.0, dict(row[0] for row in rows if row))


def _varints(block: bytes) -> list[int]:
    numbers, number = [], 0
    for byte in block:
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            numbers.append(number)
            number = 0
    return numbers


def finding_terms(question: QuestionTerms, known: Frequencies, budget: int = POSTINGS) -> list[str]:
    """The terms that candidates are looked for with: the rarest, and as many as the budget allows.

    Frequent words cost most and tell least; they still count when the candidates are scored.

    >>> finding_terms(QuestionTerms(("law", "the")), Frequencies(90_000, 100, {"law": 9, "the": 80_000}))
    ['law']
    """
    chosen: list[str] = []
    for term in sorted((t for t in question.all if known.in_chunks.get(t)), key=lambda t: known.in_chunks[t]):
        budget -= known.in_chunks[term]
        if chosen and budget < 0:
            break
        chosen.append(term)
    return chosen


def chunk_terms(chunk: Chunk, analyzer: str = ANALYZER) -> list[str]:
    """The terms of a chunk's headings and text, as its index keeps them; then those of its provisions."""
    found = terms(chunk.embedded_text, chunk.language, analyzer)
    if analyzer != ANALYZERS[0]:
        held = dict.fromkeys(provisions(chunk.text, chunk.headings))
        found += ["", *chain.from_iterable([each.term] * _weight(each) for each in held)]
        found += dict.fromkeys(each.term for each in numbered_sections(chunk.text, chunk.headings))
    return found


def _weight(provision: Provision) -> int:
    """How often its term is counted: who asks for an article wants its beginning first."""
    return BEGINNING if provision.depth == ARTICLE and provision.start >= 0 else 1


def stored_terms(catalog: Catalog, index: Index, chunks: Mapping[int, Chunk]) -> list[list[str]]:
    """For each chunk, by its row, the terms of its headings, text and document name, in their order."""
    table, analyzer = terms_table(index.id), index.config.analyzer
    sql = f"SELECT rowid, terms FROM {table} WHERE rowid IN (SELECT value FROM json_each(?))"
    held = dict(catalog.database.read(sql, (json.dumps(list(chunks)),)))
    return [[*held.get(row, "").split(" "), "", *_name_terms(chunk, analyzer)] for row, chunk in chunks.items()]


def passage_terms(chunk: Chunk, analyzer: str = ANALYZER) -> list[str]:
    """What `stored_terms` gives for a chunk, from the chunk itself."""
    return [*chunk_terms(chunk, analyzer), "", *_name_terms(chunk, analyzer)]


def _name_terms(chunk: Chunk, analyzer: str) -> list[str]:
    name = PurePath(chunk.document_name).stem
    return [] if name in chunk.headings else terms(name, chunk.language, analyzer)


def bm25(question: QuestionTerms, passages: Sequence[Sequence[str]], known: Frequencies) -> tuple[Scores, Scores]:
    """BM25 (n,) of the passages, and the share (n,) of the attainable, from 0 to 1, phrases included.

    Lucene's form, without the factor k1 + 1: a term gives at most its idf.
    """
    weights = {term: known.idf(term) for term in question.all if known.in_chunks.get(term)}
    pairs = {frozenset(pair): min(weights[pair[0]], weights[pair[1]]) for pair in _pairs(question, weights)}
    scores = np.zeros(len(passages))
    bonus = np.zeros(len(passages))
    for i, passage in enumerate(passages):
        norm = K1 * (1 - B + B * len(passage) / known.mean_length)
        counts = Counter(term for term in passage if term in weights)
        scores[i] = sum(weights[term] * n / (n + norm) for term, n in counts.items())
        if len(counts) > 1 and pairs:
            together = {frozenset(pair) for pair in pairwise(passage) if pair[0] in weights and pair[1] in weights}
            bonus[i] = PHRASE * sum(pairs.get(pair, 0.0) for pair in together)
    bound = known.bound(question) * (1 + PHRASE)
    return scores, np.minimum(1.0, (scores + bonus) / bound) if bound else scores


def _pairs(question: QuestionTerms, weights: Mapping[str, float]) -> Iterable[tuple[str, str]]:
    for side in (question.own, question.other):
        yield from (pair for pair in pairwise(side) if pair[0] in weights and pair[1] in weights)
