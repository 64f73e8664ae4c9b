"""The index kept what the settings ask for: built beside the one that answers, switched when complete."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qrag_lib.catalog import Catalog, Index
from qrag_lib.errors import SettingsError
from qrag_lib.i18n import _
from qrag_lib.ingest.embedding_choice import AUTO, choose, look_at
from qrag_lib.progress import Progress
from qrag_lib.search.embedders import Embedders
from qrag_lib.settings import Settings
from qrag_lib.stores.dense import DenseIndex
from qrag_lib.types import IndexConfig, IngestReport, text_hash

if TYPE_CHECKING:
    from llama_index.core.node_parser import NodeParser

    from qrag_lib.documents import Reader
    from qrag_lib.ingest.ingest import Ingest
    from qrag_lib.ingest.sources import Source

SAMPLED = 600  # chunks whose languages decide anew which model embeds
FIT_AGAIN = 1.1  # the weight is fitted anew when the index has grown by a tenth


class Indexer:
    """Writes to the indexes of a workspace; whoever calls it holds the writer lock.

    parser: a LlamaIndex node parser in the place of ours.
    """

    def __init__(
        self, catalog: Catalog, dense: DenseIndex, settings: Settings, embedders: Embedders, parser: NodeParser | None
    ) -> None:
        self._catalog = catalog
        self._dense = dense
        self._settings = settings
        self._embedders = embedders
        self._parser = parser
        self._chosen = ""  # what `auto` has decided for the index to be made

    def ingest(self, source: Source, reader: Reader, tell: Progress, *, delete_missing: bool) -> IngestReport:
        """Bring the index in step with the settings, and then with the source."""
        notes: tuple[str, ...] = ()
        if self._settings.embedding_model == AUTO and self._catalog.indexes.active() is None:
            source, languages = look_at(source, reader)
            self._chosen, note = choose(languages)
            notes = (note,)
        index = self._ready(tell)
        run = self._run(index, tell)
        report = run.run(source, reader, delete_missing=delete_missing)
        self._fit(index.id, run)
        told = notes if report.added or report.changed else ()
        return replace(report, seconds=dict(run.seconds), notes=told + report.notes)

    def rebuild(self, tell: Progress) -> IngestReport:
        """Build the index of the settings from the stored text, let it answer, and keep the one before it."""
        before = self._catalog.indexes.active()
        notes = self._choose_again(before)
        with self._catalog.write():
            index = self._catalog.indexes.create(self._wanted())
        run = self._run(index, tell)
        report = run.build()
        with self._catalog.write():
            self._catalog.indexes.activate(index.id)
            kept = {index.id, before.id if before else index.id}
            for other in self._catalog.indexes.all():
                if other.id not in kept:
                    self._catalog.indexes.delete(other.id)
            self._catalog.vectors.delete_unused()
        self._dense.sweep()
        self._fit(index.id, run)
        return replace(report, seconds=dict(run.seconds), notes=notes + report.notes)

    def _choose_again(self, index: Index | None) -> tuple[str, ...]:
        """Let `auto` decide anew by the texts that are stored; what it says."""
        if self._settings.embedding_model != AUTO or index is None:
            return ()
        sampled = self._catalog.chunks.sample(index.id, SAMPLED)
        self._chosen, note = choose(Counter(chunk.language for _row, chunk in sampled))
        return (note,)

    def _ready(self, tell: Progress) -> Index:
        """The index that answers, after it has been brought to what the settings ask for."""
        active = self._catalog.indexes.active()
        if active is None:
            with self._catalog.write():
                return self._catalog.indexes.create(self._wanted())
        if self._parser is None and not active.config.cut_by_ours:
            raise SettingsError(
                _("the index was cut by {parser}").format(parser=active.config.parser),
                hint=_("open the workspace with that parser, or run qrag reindex to cut it by ours"),
            )
        if self._asked_for().with_ways_of(active.config) != replace(active.config, model_id=""):
            self.rebuild(tell)
        return self._catalog.indexes.active() or active

    def _wanted(self) -> IndexConfig:
        asked = self._asked_for()
        self._chosen = ""
        model = self._embedders.load(asked.model, asked.query_prefix, asked.passage_prefix)
        return replace(asked, model_id=model.model_id)

    def _asked_for(self) -> IndexConfig:
        """What the settings ask for, without the model_id: it can be told without loading the model."""
        from qrag_lib.language import ANALYZER

        s = self._settings
        sizes = (s.chunk_size, s.chunk_overlap, s.chunk_unit)
        prefixes = (s.embedding_query_prefix, s.embedding_passage_prefix)
        return IndexConfig(self._model(), "", *sizes, ANALYZER, _parser_name(self._parser), *prefixes)

    def _model(self) -> str:
        """Address of the embedding model; for `auto` what was chosen, or what the workspace has."""
        if self._settings.embedding_model != AUTO:
            return self._settings.embedding_model
        active = self._catalog.indexes.active()
        return self._chosen or (active.config.model if active else choose({})[0])

    def _run(self, index: Index, tell: Progress) -> Ingest:
        from qrag_lib.ingest.ingest import Ingest

        return Ingest(self._catalog, self._dense, index, lambda: self._embedders.of(index), tell, self._parser)

    def _fit(self, index_id: str, run: Ingest) -> None:
        """Fit the weight of the dense side to the corpus, where it has grown by a tenth since the last time."""
        from qrag_lib.search.fusion_weight import fit_weight

        index = self._catalog.indexes.get(index_id)
        n_chunks = self._catalog.chunks.count(index_id)
        if index is None or not n_chunks or (index.fit and n_chunks < FIT_AGAIN * index.fit["n_chunks"]):
            return
        with run.timed("fit"):
            fit: dict[str, Any] = fit_weight(self._catalog, self._dense, self._embedders.of(index), index)
        with self._catalog.write():
            self._catalog.indexes.set_fit(index_id, {**fit, "n_chunks": n_chunks})


def _parser_name(parser: NodeParser | None) -> str:
    """Name of the parser with its parameters, so that another setting is another index."""
    if parser is None:
        return IndexConfig("", "", 1, 0).parser
    return f"{type(parser).__name__}-{text_hash(parser.to_json())[:8]}"
