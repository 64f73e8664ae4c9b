"""Why a search did not find it: the stage at which a passage was lost, and the smallest change that brings it back.

    parsed -> indexed -> whole -> filters -> dense, lexical -> fusion -> duplicates -> k

Every change that is proposed has been tried: the place that it gives is the place that was measured.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Final

import numpy as np

from local_models.interface.reached import as_reached
from qrag_lib import show
from qrag_lib.catalog import Catalog, Index, StoredDocument
from qrag_lib.chunking.chunker import chunk as cut
from qrag_lib.errors import QragError
from qrag_lib.i18n import _, ngettext
from qrag_lib.language import detect, terms, words
from qrag_lib.search import lexical
from qrag_lib.search.candidates import POOL, Candidates, Query, gather
from qrag_lib.search.conditions import check_keys, to_filters
from qrag_lib.search.retrieve import (
    LARGEST_K,
    OpenEmbedding,
    active_index,
    check_arguments,
    choose_weight,
    embed,
    make_query,
    search,
)
from qrag_lib.stores.dense import DenseIndex
from qrag_lib.types import Chunk, Filter, Hits

Span = tuple[int, int]

DEEP: Final = 2_000  # chunks of each side that are ranked to tell how far away a passage was
WORDS_TRIED: Final = 12
WEIGHTS: Final = np.linspace(0, 1, 21)
OVERLAPS: Final = (0.3, 0.5, 0.7, 0.9)  # of the chunk size


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the search and what happened to the passage there."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Remedy:
    """A change that was tried; rank: the place of the passage with it, None where it is not a search."""

    change: str
    rank: int | None = None


@dataclass(frozen=True)
class Explanation:
    """What became of the passage, stage by stage. rank: its place among the hits, None beyond k.

    lost_at: name of the stage where it was lost, "" where it was found. missing: words of the
    question that the passage does not have.
    """

    question: str
    target: str
    k: int
    rank: int | None
    lost_at: str
    stages: tuple[Stage, ...]
    remedies: tuple[Remedy, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def found(self) -> bool:
        """True where the passage is among the k."""
        return self.rank is not None

    @property
    def verdict(self) -> str:
        """One sentence."""
        if self.rank is not None:
            return _("found at place {rank} of {k}").format(rank=self.rank, k=self.k)
        return _("lost at: {stage}").format(stage=self.lost_at)

    def _rows(self) -> list[tuple[str, str, str]]:
        return [("✓" if each.passed else "✗", each.name, each.detail) for each in self.stages]

    def _changes(self) -> list[tuple[str, str]]:
        place = _("place {rank}")
        return [(r.change, place.format(rank=r.rank) if r.rank is not None else "") for r in self.remedies]

    def __str__(self) -> str:
        parts = [show.wrapped(self.question), show.wrapped(f"{self.target}: {self.verdict}")]
        parts.append(show.table_text(["", _("stage"), _("what happened")], self._rows()))
        if self.remedies:
            parts.append(show.table_text([_("what brings it back"), ""], self._changes()))
        return "\n\n".join(parts)

    def _repr_html_(self) -> str:
        stages = show.table_html(["", _("stage"), _("what happened")], self._rows())
        changes = show.table_html([_("what brings it back"), ""], self._changes()) if self.remedies else None
        return show.panel_html(self.question, f"{self.target}: {self.verdict}", stages, changes)._repr_html_()


def explain(
    catalog: Catalog,
    dense: DenseIndex,
    embedding: OpenEmbedding,
    question: str,
    *,
    document: str | None = None,
    phrase: str | None = None,
    k: int = 5,
    filters: Any = None,
) -> Explanation:
    """At which stage a document, or a phrase (of it), was lost on the way to the k passages found.

    Raises QragError where neither is given, NotFound for a document that was never seen.
    """
    check_arguments(question, k, "hybrid")
    if not document and not (phrase and phrase.strip()):
        raise QragError(
            _("nothing is named that should have been found"), hint=_("give a document, a phrase of it, or both")
        )
    stored = catalog.documents.find(document) if document else None
    conditions = to_filters(filters)
    check_keys(conditions, catalog)
    run = _Run(catalog, dense, embedding, question, stored, phrase or "", k, conditions)
    return run.explanation()


class _Lost(Exception):
    """The passage was lost here; the stages after it say nothing."""


@dataclass
class _Run:
    """One explanation in the making: stages are noted in the order of the search."""

    catalog: Catalog
    dense: DenseIndex
    embedding: OpenEmbedding
    question: str
    document: StoredDocument | None
    phrase: str
    k: int
    filters: tuple[Filter, ...]
    stages: list[Stage] = field(default_factory=list)
    remedies: list[Remedy] = field(default_factory=list)
    missing: tuple[str, ...] = ()
    targets: dict[int, Chunk] = field(default_factory=dict)
    rank: int | None = None

    def explanation(self) -> Explanation:
        try:
            self._find_targets(self._parsed())
            self._filtered()
            self._ranked()
        except _Lost:
            pass
        lost = next((each.name for each in self.stages[::-1] if not each.passed), "") if self.rank is None else ""
        target = ": ".join(part for part in (self.document.name if self.document else "", self.phrase) if part)
        return Explanation(
            self.question, target, self.k, self.rank, lost, tuple(self.stages), tuple(self.remedies), self.missing
        )

    @cached_property
    def index(self) -> Index:
        return active_index(self.catalog)

    def _note(self, name: str, passed: bool, detail: str) -> None:
        self.stages.append(Stage(name, passed, detail))

    def _lose(self, name: str, detail: str, *remedies: str) -> None:
        self._note(name, False, detail)
        self.remedies += [Remedy(each) for each in remedies if each]
        raise _Lost

    # -- before the search: text, chunks, filters --------------------------------------------

    def _parsed(self) -> dict[str, list[Span]]:
        """By document, where the phrase stands in its text; the whole text where there is no phrase."""
        if self.document and not self.document.version:
            self._lose(
                _("parsed"), _("the file was refused: {why}").format(why=self.document.message), self.document.hint
            )
        if self.document and not self.phrase:
            self._note(
                _("parsed"),
                True,
                ngettext("{n} character of text", "{n} characters of text", self.document.n_characters).format(
                    n=self.document.n_characters
                ),
            )
            return {self.document.id: [(0, self.document.n_characters)]}
        found = {name: spans for name, text in self._texts() if (spans := occurrences(self.phrase, text))}
        if not found:
            self._lose(
                _("parsed"),
                _("these words do not stand in the extracted text: {phrase}").format(phrase=self.phrase),
                _("read the extracted text with qrag show: it may be spelt otherwise, or be part of a picture"),
            )
        self._note(
            _("parsed"),
            True,
            ngettext("the phrase stands in {n} document", "the phrase stands in {n} documents", len(found)).format(
                n=len(found)
            ),
        )
        return found

    def _texts(self) -> Iterator[tuple[str, str]]:
        known = [self.document] if self.document else [each for each in self.catalog.documents if each.version]
        return ((each.id, self.catalog.documents.text(each.id)) for each in known)

    def _find_targets(self, places: dict[str, list[Span]]) -> None:
        """The chunks that hold the phrase whole, else those that hold a part of it."""
        pieces = {name: self.catalog.chunks.of_document(self.index.id, name) for name in places}
        if not any(pieces.values()):
            detail = _("the document has no chunks in the index that answers")
            self._lose(_("indexed"), detail, as_reached("qrag reindex"))
        every = [(row, each, span) for name, rows in pieces.items() for row, each in rows for span in places[name]]
        whole = {row: each for row, each, (a, b) in every if each.start <= a and b <= each.end}
        if not self.phrase:
            self.targets = {row: each for row, each, _span in every}
            return
        self.targets = whole or {row: each for row, each, (a, b) in every if each.start < b and a < each.end}
        if whole:
            self._note(
                _("whole"),
                True,
                ngettext("{n} chunk holds the phrase whole", "{n} chunks hold the phrase whole", len(whole)).format(
                    n=len(whole)
                ),
            )
            return
        detail = _("the phrase is split: no chunk holds all of it")
        self._note(_("whole"), False, detail)
        self.remedies += [Remedy(each) for each in self._larger_overlap(places)]

    def _larger_overlap(self, places: dict[str, list[Span]]) -> list[str]:
        """The first larger overlap, or chunk size, with which one chunk holds the phrase; tried by cutting anew."""
        config, model = self.index.config, self.embedding(self.index)
        tried = [replace(config, chunk_overlap=int(config.chunk_size * share)) for share in OVERLAPS]
        tried += [replace(config, chunk_size=config.chunk_size * 2)]
        for name, spans in places.items():
            document = self.catalog.documents.load(name)
            for other in (each for each in tried if each.chunk_overlap >= config.chunk_overlap):
                chunks = cut(document, model, other)
                if any(each.start <= a and b <= each.end for each in chunks for a, b in spans):
                    sizes = f"chunk_size={other.chunk_size}, chunk_overlap={other.chunk_overlap}"
                    return [f"{sizes}, {as_reached('qrag reindex')}"]
        return []

    def _filtered(self) -> None:
        if not self.filters:
            return
        kept = self._passing(self.filters)
        if kept:
            self._note(
                _("filters"),
                True,
                ngettext("{n} of its chunks meets them", "{n} of its chunks meet them", len(kept)).format(n=len(kept)),
            )
            self.targets = {row: each for row, each in self.targets.items() if row in kept}
            return
        without = [(each, tuple(other for other in self.filters if other is not each)) for each in self.filters]
        freed = [each for each, rest in without if self._passing(rest)]
        shown = [f"{each.key} {each.operator} {each.value}" for each in freed]
        self._lose(
            _("filters"),
            _("no chunk of it meets the filters"),
            *[_("leave out the filter {filter}").format(filter=each) for each in shown or [_("(all of them)")]],
        )

    def _passing(self, filters: Sequence[Filter]) -> set[int]:
        documents = tuple({each.document_id for each in self.targets.values()})
        narrowed = (*filters, Filter("document", "in", documents))
        return set(self.catalog.chunks.rows(self.index.id, narrowed)) & set(self.targets)

    # -- the search itself -------------------------------------------------------------------

    def _ranked(self) -> None:
        hits = self._search(max(self.k, POOL))
        place = self._place(hits)
        far = self._judged()
        self._note_sides(far)
        if place is None:
            self._note(
                _("fusion"),
                False,
                ngettext("not the {n} candidate", "not among the {n} candidates", len(hits)).format(n=len(hits)),
            )
        elif self._behind(hits[place - 1].chunk.id):
            detail = _("stands behind {chunk}, which has the same text").format(chunk=hits[place - 1].chunk.id)
            self._note(_("duplicates"), place <= self.k, detail)
        else:
            self._note(_("fusion"), True, _("place {rank}").format(rank=place))
        if place is not None and place <= self.k:
            self.rank = place
            self._note("k", True, _("among the first {k}").format(k=self.k))
            return
        if place is not None:
            self._note("k", False, _("place {rank}, {k} were asked for").format(rank=place, k=self.k))
        self.remedies += self._tried(place)

    def _search(self, k: int, question: str = "", weight: float | None = None) -> Hits:
        return search(
            self.catalog,
            self.dense,
            self.embedding,
            question or self.question,
            k=min(k, LARGEST_K),
            filters=self.filters,
            dense_weight=weight,
        )

    def _place(self, hits: Hits) -> int | None:
        """Place of the first hit that is a target or stands for one."""
        wanted = {each.id for each in self.targets.values()}
        ids = ((n, {hit.chunk.id, *hit.duplicates}) for n, hit in enumerate(hits, 1))
        return next((n for n, names in ids if names & wanted), None)

    def _behind(self, chunk_id: str) -> bool:
        return chunk_id not in {each.id for each in self.targets.values()}

    def _judged(self) -> tuple[Candidates, Query]:
        """Both sides ranked far down, to say where the passage stands in each."""
        language = detect(self.question)
        vector = embed(self.embedding(self.index), self.question)
        with self.catalog.snapshot():
            query = make_query(self.catalog, self.index, self.question, language, vector, "hybrid")
            query = replace(query, filters=self.filters)
            return gather(self.catalog, self.dense, self.index, query, DEEP), query

    def _note_sides(self, judged: tuple[Candidates, Query]) -> None:
        found, query = judged
        mine = {i for i, row in enumerate(found.rows) if row in self.targets}
        for name, ranking, scores in (
            (_("dense"), found.dense_found, found.cosine),
            (_("lexical"), found.lexical_found, found.bm25),
        ):
            best = next(((n, i) for n, i in enumerate(ranking, 1) if i in mine), None)
            if best is None:
                self._note(name, False, _("not among the first {n}").format(n=DEEP))
            else:
                rank, i = best
                detail = _("place {rank}, score {score}").format(rank=rank, score=f"{scores[i]:.2f}")
                self._note(name, rank <= POOL, detail)
        if query.meant:
            self._add(", ".join(_("{typed} read as {meant}").format(typed=t, meant=m) for t, m in query.meant.items()))
        self.missing = self._missing_words(query)
        if self.missing:
            self._add(_("the passage lacks: {words}").format(words=", ".join(self.missing)))

    def _add(self, detail: str) -> None:
        """More to say of the last stage."""
        last = self.stages[-1]
        self.stages[-1] = replace(last, detail=f"{last.detail}; {detail}")

    def _missing_words(self, query: Query) -> tuple[str, ...]:
        language, analyzer = detect(self.question), self.index.config.analyzer
        held = {term for each in self.targets.values() for term in lexical.passage_terms(each, analyzer)}
        asked = [(word, terms(word, language, analyzer)) for word in words(self.question)]
        return tuple(dict.fromkeys(word for word, of_word in asked if of_word and not held & set(of_word)))

    # -- what brings it back -----------------------------------------------------------------

    def _tried(self, place: int | None) -> list[Remedy]:
        """The smallest change of each kind that was seen to work."""
        found = [Remedy(f"k={place}", place)] if place else []
        return [each for each in (*found, self._by_weight(), self._by_word()) if each]

    def _by_weight(self) -> Remedy | None:
        present = choose_weight(self.index, detect(self.question))
        nearest = sorted((float(w) for w in WEIGHTS), key=lambda w: abs(w - present))
        return self._first(nearest, lambda w: self._search(self.k, weight=w), lambda w: f"dense_weight={w:.2f}")

    def _by_word(self) -> Remedy | None:
        return self._first(
            self._telling_words(),
            lambda word: self._search(self.k, f"{self.question} {word}"),
            lambda word: _("add the word {word}").format(word=word),
        )

    def _first(self, options: Sequence[Any], run: Callable[[Any], Hits], say: Callable[[Any], str]) -> Remedy | None:
        places = ((option, self._place(run(option))) for option in options)
        return next((Remedy(say(option), place) for option, place in places if place), None)

    def _telling_words(self) -> list[str]:
        """Words of the passage that few other chunks have and the question has not."""
        first = next(iter(self.targets.values()))
        analyse = partial(terms, language=first.language, analyzer=self.index.config.analyzer)
        asked = set(analyse(self.question))
        by_term = {term: word for word in words(first.text)[::-1] for term in analyse(word)[:1]}
        fresh = [term for term in by_term if term not in asked and len(term) > 2]
        known = lexical.frequencies(self.catalog, self.index.id, fresh)
        rare = sorted(fresh, key=lambda term: -known.idf(term))
        return [by_term[term] for term in rare[:WORDS_TRIED]]


def occurrences(phrase: str, text: str) -> list[Span]:
    """Where the words of the phrase stand in the text, whatever the white space and capitals.

    >>> occurrences("base  de cálculo", "A Base de\\ncálculo é")
    [(2, 17)]
    """
    parts = [re.escape(part) for part in phrase.split()]
    return [match.span() for match in re.finditer(r"\s+".join(parts), text, re.IGNORECASE)] if parts else []
