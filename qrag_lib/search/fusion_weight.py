"""The weight of the dense side, fitted to a corpus with questions that it poses to itself.

A sentence taken out of a passage is a question whose answer is the rest of that passage (the
inverse cloze task): which weight ranks the rest first among all other passages? No model writes
anything and nobody labels anything. The answer is drawn towards the weight known for the embedder
and the language, the more the fewer questions the corpus can pose. A cloze shares as many of its
words with its passage as a person's question does (.38 and .41 in Portuguese, .39 and .48 in English,
on 361 natural questions), so nothing is taken from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from qrag_lib.catalog import Catalog, Index
from qrag_lib.language import sentences, terms
from qrag_lib.search import fusion, lexical
from qrag_lib.search.candidates import Candidates, Matrix, Query, gather
from qrag_lib.stores.dense import DenseIndex
from qrag_lib.types import Chunk

if TYPE_CHECKING:
    from local_models.embedding.embedder import Embedder

Curve = NDArray[np.float64]

GRID: Final = np.linspace(0, 1, 21)  # weights of the dense side that are tried
SAMPLED: Final = 600  # chunks looked at for sentences that can be asked
SEED: Final = 20
TERMS: Final = range(5, 26)  # index terms of a sentence that can be asked


@dataclass(frozen=True, slots=True)
class Cloze:
    """A sentence as the question, and the passage that it was taken out of as the answer."""

    row: int
    sentence: str
    rest: Chunk

    @property
    def language(self) -> str:
        """Language of the passage."""
        return self.rest.language


def fit_weight(
    catalog: Catalog, dense: DenseIndex, embedding: Embedder, index: Index, seed: int = SEED
) -> dict[str, Any]:
    """What is to be stored with the index: the weights by language, and how they were found.

    The same for the same corpus and seed. weights: of the dense side. languages: of the sampled
    chunks. curves: for each language, the mean reciprocal rank (g,) at each of the weights tried.
    """
    sampled = catalog.chunks.sample(index.id, SAMPLED, seed)
    languages = dict(Counter(chunk.language for _row, chunk in sampled))
    blend = fusion.blend_of(index.model_id)
    weights: dict[str, float] = {}
    curves: dict[str, dict[str, Any]] = {}
    for language in fusion.common(languages):
        posed = pose([pair for pair in sampled if pair[1].language == language], blend.questions, seed)
        prior = fusion.prior_weight(language, languages, blend)
        ranks = reciprocal_ranks(catalog, dense, embedding, index, posed)
        fitted = plateau(ranks) if posed else prior
        weights[language] = round(shrunk(fitted, len(posed), prior, blend.prior_questions), 3)
        mean = ranks.mean(axis=0).round(4).tolist() if posed else []
        curves[language] = {"questions": len(posed), "prior": prior, "fitted": round(fitted, 3), "mrr": mean}
    return {"weights": weights, "languages": languages, "grid": GRID.round(2).tolist(), "curves": curves}


def pose(sampled: Sequence[tuple[int, Chunk]], most: int, seed: int = SEED) -> list[Cloze]:
    """At most so many sentences, each from another chunk that has two more at least."""
    random = Random(seed)
    posed = [_pose_one(row, chunk, random) for row, chunk in random.sample(list(sampled), len(sampled))]
    return [each for each in posed if each][:most]


def _pose_one(row: int, chunk: Chunk, random: Random) -> Cloze | None:
    spans = sentences(chunk.text, chunk.language)
    whole = [(a, b) for a, b in spans if len(terms(chunk.text[a:b], chunk.language)) in TERMS]
    if len(spans) < 3 or not whole:
        return None
    start, end = random.choice(whole)
    rest = " ".join(chunk.text[a:b] for a, b in spans if (a, b) != (start, end))
    return Cloze(row, chunk.text[start:end], replace(chunk, text=rest))


def reciprocal_ranks(
    catalog: Catalog, dense: DenseIndex, embedding: Embedder, index: Index, posed: Sequence[Cloze]
) -> Curve:
    """For each question (q) and weight of the grid (g), 1 / the place of the rest of its passage: (q, g)."""
    if not posed:
        return np.zeros((0, len(GRID)))
    asked = embedding.encode([each.sentence for each in posed], kind="query")
    answers = embedding.encode([each.rest.embedded_text for each in posed])
    with catalog.snapshot():
        rows = [_places(catalog, dense, index, *each) for each in zip(posed, asked, answers, strict=True)]
    ranks: Curve = 1 / np.array(rows, np.float64)
    return ranks


def _places(catalog: Catalog, dense: DenseIndex, index: Index, cloze: Cloze, question: Matrix, answer: Matrix) -> Curve:
    """Place (g,) of the rest of the passage among the candidates that do not hold the sentence."""
    wanted = lexical.question_terms(cloze.sentence, cloze.language, (), index.config.analyzer)
    query = Query(wanted, question, known=lexical.frequencies(catalog, index.id, wanted.all))
    found = gather(catalog, dense, index, query)
    others = _without(found, cloze)
    passage = lexical.passage_terms(cloze.rest, index.config.analyzer)
    share = lexical.bm25(wanted, [passage], query.known)[1][0]
    blend = fusion.blend_of(index.model_id)
    near, cosine = blend.scaled(np.array([question @ answer], np.float64)), blend.scaled(found.cosine[others])
    own = GRID * near + (1 - GRID) * share  # (g,)
    rivals = np.array([fusion.convex(cosine, found.share[others], w) for w in GRID])  # (g, n)
    places: Curve = 1.0 + (rivals > own[:, None]).sum(axis=1)
    return places


def _without(found: Candidates, cloze: Cloze) -> list[int]:
    held = ((i, row, chunk.text) for i, (row, chunk) in enumerate(zip(found.rows, found.chunks, strict=True)))
    return [i for i, row, text in held if row != cloze.row and cloze.sentence not in text]


def plateau(ranks: Curve) -> float:
    """Middle of the weights that are no worse than the best one by more than a standard error.

    ranks: (q, g), for q questions and g weights.
    """
    behind = ranks[:, [int(ranks.mean(axis=0).argmax())]] - ranks
    error = behind.std(axis=0) / np.sqrt(len(ranks))
    return float(GRID[behind.mean(axis=0) <= error].mean())


def shrunk(fitted: float, n: int, prior: float, prior_questions: int) -> float:
    """The weight fitted with n questions, drawn towards the prior as if that came from `prior_questions`.

    >>> shrunk(0.4, 100, 0.2, 100).__round__(2)
    0.3
    """
    return (n * fitted + prior_questions * prior) / (n + prior_questions)
