"""What each side of a search finds, and how both sides judge all of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from qrag_lib.catalog import Catalog, Index
from qrag_lib.search import lexical
from qrag_lib.search.lexical import Frequencies, QuestionTerms
from qrag_lib.search.named_provisions import named_by
from qrag_lib.stores.dense import DenseIndex
from qrag_lib.types import Chunk, Filter, text_hash

Scores = NDArray[np.float64]
Matrix = NDArray[np.float32]

POOL: Final = 100  # chunks that each side brings


class Stopwatch:
    """Seconds by stage; a stage entered twice adds up."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Count what happens inside for the stage."""
        started = perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + perf_counter() - started


@dataclass(frozen=True)
class Query:
    """A question as both sides take it. vector None or no terms: that side is not asked.

    meant: for words that no passage holds, those one letter away that the lexical side has read in their place.
    text: as it was typed; "" for a query that names no provision.
    """

    terms: QuestionTerms
    vector: Matrix | None
    filters: tuple[Filter, ...] = ()
    known: Frequencies = field(default_factory=lambda: Frequencies(0, 1.0, {}))
    meant: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    language: str = "und"


@dataclass(frozen=True)
class Candidates:
    """The chunks that either side found, n of them, judged by both.

    rows: their numbers in the catalogue. cosine, bm25, share: (n,).
    named: (n,), how far each is of a provision that the question names, from 0 to 1.
    dense_found, lexical_found: positions in `rows`, best first, of what each side brought.
    exhausted: there is no more to be found.
    """

    rows: tuple[int, ...]
    chunks: tuple[Chunk, ...]
    cosine: Scores
    bm25: Scores
    share: Scores
    dense_found: tuple[int, ...]
    lexical_found: tuple[int, ...]
    named: Scores
    exhausted: bool = True

    def __len__(self) -> int:
        return len(self.rows)


def gather(
    catalog: Catalog, dense: DenseIndex, index: Index, query: Query, pool: int = POOL, watch: Stopwatch | None = None
) -> Candidates:
    """At most `pool` chunks from each side, with the cosine and the BM25 of every one of them."""
    watch = watch or Stopwatch()
    with watch("dense"):
        near = dense.search(index, query.vector, pool, query.filters) if query.vector is not None else []
    with watch("lexical"):
        looked_for = lexical.finding_terms(query.terms, query.known)
        matched = catalog.chunks.match(index.id, looked_for, pool, query.filters)
        chunks = catalog.chunks.get([row for row, _score in (*near, *matched)])
        passages = lexical.stored_terms(catalog, index, chunks)
        bm25, share = lexical.bm25(query.terms, passages, query.known)
    with watch("dense"):
        cosine = _cosines(read_vectors(catalog, index, list(chunks.values())), query.vector)
    place = {row: i for i, row in enumerate(chunks)}
    return Candidates(
        tuple(chunks),
        tuple(chunks.values()),
        cosine,
        bm25,
        share,
        _ranked([place[row] for row, _score in near if row in place], cosine),
        _ranked([place[row] for row, _score in matched if row in place], bm25),
        named_by(query.text, tuple(chunks.values())),
        len(near) < pool and len(matched) < pool,
    )


def read_vectors(catalog: Catalog, index: Index, chunks: Sequence[Chunk]) -> Matrix:
    """The stored vectors (n, d) of the chunks; zeros where there is none."""
    hashes = [text_hash(chunk.embedded_text) for chunk in chunks]
    held, matrix = catalog.vectors.get(index.model_id, list(dict.fromkeys(hashes)))
    line = {hashed: i for i, hashed in enumerate(held)}
    padded = np.vstack([matrix, np.zeros((1, matrix.shape[1]), np.float32)])
    return padded[[line.get(hashed, -1) for hashed in hashes]] if hashes else matrix


def _cosines(vectors: Matrix, vector: Matrix | None) -> Scores:
    if vector is None or not vectors.size:
        return np.zeros(len(vectors))
    cosine: Scores = np.nan_to_num(vectors @ vector).astype(np.float64)
    return cosine


def _ranked(found: Sequence[int], scores: Scores) -> tuple[int, ...]:
    return tuple(sorted(dict.fromkeys(found), key=lambda i: -scores[i]))
