"""Hybrid retrieval: a question in, the passages that fit it best out.

language -> candidates of both sides, judged by both -> fusion -> duplicates collapsed -> reranker -> hits
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np

from qrag_lib.catalog import Catalog, Index
from qrag_lib.errors import NotFound, QragError, QuestionError
from qrag_lib.i18n import _, ngettext
from qrag_lib.language import detect
from qrag_lib.search import fusion, lexical
from qrag_lib.search.candidates import POOL, Candidates, Query, Scores, Stopwatch, gather
from qrag_lib.search.conditions import check_keys, to_filters
from qrag_lib.search.named_provisions import weighed
from qrag_lib.search.typos import meant_words, reworded
from qrag_lib.stores.dense import DenseIndex
from qrag_lib.types import Hit, Hits, text_hash

if TYPE_CHECKING:
    from llama_index.core.postprocessor.types import BaseNodePostprocessor

    from local_models.embedding.embedder import Embedder

Mode = Literal["hybrid", "dense", "lexical", "rrf"]
OpenEmbedding = Callable[[Index], "Embedder"]
MODES: Final[tuple[str, ...]] = get_args(Mode)
LARGEST_K: Final = 10_000
LONGEST_QUESTION: Final = 10_000  # characters; the embedder reads some 1,000 of them
RERANKED: Final = 4  # times k passages are shown to a reranker


@dataclass(frozen=True)
class Ranking:
    """Candidates in their order. order: positions in `candidates`, duplicates collapsed, best first.

    scores: (n,) of the candidates. copies: for a position in the order, those of the same text behind it.
    """

    candidates: Candidates
    scores: Scores
    order: tuple[int, ...]
    copies: Mapping[int, tuple[int, ...]]


def search(
    catalog: Catalog,
    dense: DenseIndex,
    embedding: OpenEmbedding,
    question: str,
    *,
    k: int = 5,
    filters: Any = None,
    mode: str = "hybrid",
    rerank: BaseNodePostprocessor | None = None,
    dense_weight: float | None = None,
) -> Hits:
    """The k passages that fit the question best, with the seconds that each stage took.

    embedding: opens the model that an index was made with. filters: see `to_filters`. mode "rrf":
    reciprocal rank fusion of equal weights. rerank: any LlamaIndex node postprocessor.
    dense_weight: from 0 to 1, in place of the one fitted to the corpus.
    Raises QuestionError for an empty question, an argument out of range or a filter on a key that no document
    has, NotFound where nothing is indexed.
    """
    check_arguments(question, k, mode, dense_weight)
    conditions = to_filters(filters)
    watch = Stopwatch()
    index = active_index(catalog)
    check_keys(conditions, catalog)
    language = detect(question)
    weight = choose_weight(index, language, mode, dense_weight)
    with watch("load"):
        model = None if mode == "lexical" else embedding(index)
    with watch("embed"):
        vector = embed(model, question) if model else None
    with catalog.snapshot():
        index = catalog.indexes.get(index.id) or index
        with watch("lexical"):
            query = make_query(catalog, index, question, language, vector, mode)
        query = replace(query, filters=conditions, language=language)
        ranking = rank(catalog, dense, index, query, mode, weight, k * (RERANKED if rerank else 1), watch)
    hits = to_hits(ranking)
    if rerank is not None:
        with watch("rerank"):
            from qrag_lib.search.rerank import reranked

            hits = reranked(hits[: RERANKED * k], rerank, question)
    return Hits(question, language, tuple(hits[:k]), weight, watch.seconds)


# -- the question --------------------------------------------------------------------------


def check_arguments(question: str, k: int, mode: str, dense_weight: float | None = None) -> None:
    """Raise QuestionError for what cannot be searched for."""
    if not isinstance(question, str) or not question.strip():
        raise QuestionError(_("the question is empty"), hint=_("ask with at least one word"))
    if len(question) > LONGEST_QUESTION:
        message = ngettext(
            "the question has {n} character, {limit} are allowed",
            "the question has {n} characters, {limit} are allowed",
            len(question),
        ).format(n=len(question), limit=LONGEST_QUESTION)
        raise QuestionError(message, hint=_("ask for what matters in it"))
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= LARGEST_K:
        message = _("k = {k} cannot be used: a whole number from 1 to {limit}").format(k=k, limit=LARGEST_K)
        raise QuestionError(message, hint=_("k is the number of passages that come back"))
    if mode not in MODES:
        message = _("unknown mode {mode}").format(mode=mode)
        raise QuestionError(message, hint=_("known are: {known}").format(known=", ".join(MODES)))
    if dense_weight is not None and not 0 <= dense_weight <= 1:
        message = _("dense_weight = {weight} is not between 0 and 1").format(weight=dense_weight)
        raise QuestionError(message, hint=_("leave it out to use the weight fitted to the corpus"))


def active_index(catalog: Catalog) -> Index:
    """The index that answers. Raises NotFound where there is none."""
    index = catalog.indexes.active()
    if index is None:
        raise NotFound(_("the workspace holds no documents"), hint=_("qrag ingest FOLDER puts some in"))
    return index


def languages_of(index: Index) -> dict[str, int]:
    """How many of the index's texts are in which language, as far as the fit has looked."""
    return dict((index.fit or {}).get("languages", {}))


def choose_weight(index: Index, language: str, mode: str = "hybrid", given: float | None = None) -> float:
    """Weight of the dense side: of the mode, as given, as fitted for the question's language, or the prior."""
    fixed = {"dense": 1.0, "lexical": 0.0, "rrf": 0.5}
    if mode in fixed:
        return fixed[mode]
    languages = languages_of(index)
    known = fusion.common(languages)
    spoken = known[0] if language == "und" and known else language
    fitted = (index.fit or {}).get("weights", {}).get(spoken)
    prior = fusion.prior_weight(language, languages, fusion.blend_of(index.model_id))
    return float(next(w for w in (given, fitted, prior) if w is not None))


def embed(embedding: Embedder, question: str) -> Any:
    """The question's vector (d,). Raises QragError where it is not made of finite numbers."""
    vector = np.asarray(embedding.encode([question], kind="query")[0], np.float32)
    if not np.isfinite(vector).all():
        raise QragError(_("the model gave a vector that is not numbers for this question"))
    return vector


def make_query(catalog: Catalog, index: Index, question: str, language: str, vector: Any, mode: str) -> Query:
    """The question as both sides take it; a side that the mode leaves out gets nothing."""
    if mode == "dense":
        return Query(lexical.QuestionTerms(()), vector, (), lexical.frequencies(catalog, index.id, ()))
    languages = fusion.common(languages_of(index))
    terms = lexical.question_terms(question, language, languages, index.config.analyzer)
    known = lexical.frequencies(catalog, index.id, terms.all)
    meant = meant_words(catalog, index, question, dict.fromkeys([language, *languages]), known)
    if meant:
        terms = lexical.question_terms(reworded(question, meant), language, languages, index.config.analyzer)
        known = lexical.frequencies(catalog, index.id, terms.all)
    return Query(terms, vector, (), known, meant, question)


# -- candidates to a ranking ---------------------------------------------------------------


def rank(
    catalog: Catalog,
    dense: DenseIndex,
    index: Index,
    query: Query,
    mode: str,
    weight: float,
    wanted: int,
    watch: Stopwatch | None = None,
) -> Ranking:
    """Candidates fused and collapsed; each side brings more where copies of one text crowd the others out."""
    watch = watch or Stopwatch()
    pool, blend = max(POOL, wanted), fusion.blend_of(index.model_id)
    while True:
        candidates = gather(catalog, dense, index, query, pool, watch)
        with watch("fusion"):
            ranking = collapsed(candidates, fused(candidates, mode, weight, blend, query.language))
        if len(ranking.order) >= wanted or candidates.exhausted:
            return ranking
        pool *= 4


def fused(
    candidates: Candidates, mode: str, weight: float, blend: fusion.Blend = fusion.MINILM, language: str = "und"
) -> Scores:
    """One score (n,) a candidate; minus infinity for what the mode's own side did not find.

    language: the question's.
    """
    if mode == "rrf":
        scores = fusion.rrf([candidates.dense_found, candidates.lexical_found])
        return np.array([scores.get(i, -np.inf) for i in range(len(candidates))])
    if mode == "dense":
        return candidates.cosine
    if mode == "lexical":
        return weighed(candidates.share, candidates.named)
    foreign = np.array([fusion.is_foreign(chunk.language, language) for chunk in candidates.chunks], bool)
    both = fusion.convex(blend.scaled(candidates.cosine), candidates.share, weight) + blend.foreign * foreign
    return weighed(both, candidates.named)


def collapsed(candidates: Candidates, scores: Scores) -> Ranking:
    """The candidates best first; of those with the same text the first one stands for all."""
    order = sorted(range(len(candidates)), key=lambda i: (-scores[i], candidates.rows[i]))
    groups: dict[str, list[int]] = {}
    for i in order:
        if scores[i] > -np.inf:
            groups.setdefault(text_hash(candidates.chunks[i].text), []).append(i)
    return Ranking(
        candidates, scores, tuple(g[0] for g in groups.values()), {g[0]: tuple(g[1:]) for g in groups.values()}
    )


def to_hits(ranking: Ranking) -> list[Hit]:
    """The ranking as values that people see."""
    found = ranking.candidates
    dense_ranks = {i: n for n, i in enumerate(found.dense_found, 1)}
    lexical_ranks = {i: n for n, i in enumerate(found.lexical_found, 1)}
    return [
        Hit(
            chunk=found.chunks[i],
            score=float(ranking.scores[i]),
            dense=float(found.cosine[i]) if found.dense_found else None,
            lexical=float(found.bm25[i]) or None,
            dense_rank=dense_ranks.get(i),
            lexical_rank=lexical_ranks.get(i),
            duplicates=tuple(found.chunks[j].id for j in ranking.copies[i]),
        )
        for i in ranking.order
    ]
