"""Documents in: read, chunked, embedded and committed, each wholly or not at all.

    items of a source -> changed documents -> windows -> chunks -> vectors -> one commit a document

A killed run loses at most the batch it was embedding: vectors are kept as soon as they are made,
and a document that was committed is skipped by the next run.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qrag_lib import language
from qrag_lib.catalog import Catalog, Index
from qrag_lib.catalog.stored_documents import content_hash
from qrag_lib.chunking.chunker import chunk_many
from qrag_lib.documents import Reader
from qrag_lib.errors import DiskFull
from qrag_lib.i18n import _
from qrag_lib.ingest.change_detection import Intake
from qrag_lib.ingest.forget import purge
from qrag_lib.ingest.sources import Source
from qrag_lib.ingest.vanished import vanished
from qrag_lib.progress import Progress
from qrag_lib.search.lexical import chunk_terms
from qrag_lib.stores.dense import EXACT_UP_TO, DenseIndex
from qrag_lib.types import Chunk, Document, IngestReport, text_hash

if TYPE_CHECKING:
    from local_models.embedding.embedder import Embedder

WINDOW_CHARACTERS = 1_000_000  # of text held in memory between reading and committing
BATCH = 128  # texts embedded between two commits: what a kill can cost; measured as quick as 512
BYTES_PER_CHARACTER = 6  # of catalogue for a character of text, vectors and terms included; measured 4 to 5


@dataclass
class Ingest:
    """One run over one source. `report` tells what has been done, at any moment.

    index: the one to write to. embedding: opens the model of that index, called only when something
    has to be embedded. parser: a LlamaIndex node parser in the place of ours.
    """

    catalog: Catalog
    dense: DenseIndex
    index: Index
    embedding: Callable[[], Embedder]
    progress: Progress
    parser: Any = None
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    counts: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    totals: Counter[str] = field(default_factory=Counter)
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    intake: Intake = field(init=False)

    def __post_init__(self) -> None:
        self.intake = Intake(self.catalog, self.index.id)

    def run(self, source: Source, reader: Reader, *, delete_missing: bool = True) -> IngestReport:
        """Bring the workspace in step with the source and return what that took."""
        self._tell("read", 0, source.n_items)
        for window in windows(self._changed(source, reader)):
            self._index_window(window)
        with self.timed("store"):
            self.intake.delete_superseded()
            if delete_missing and source.whole:
                self.intake.delete_missing(source)
        self.intake.notes += [f"{each.message}; {each.hint}" for each in vanished(self.catalog)]
        self.finish()
        return self.report()

    def build(self) -> IngestReport:
        """Index from the stored text whatever the index does not hold yet; no file is read."""
        pending = self.catalog.indexes.pending(self.index.id)
        self._tell("read", 0, len(pending))
        documents = (self._loaded(document_id) for document_id in pending)
        for window in windows((document, None) for document in documents):
            self._index_window(window)
        self.finish()
        return self.report()

    def _loaded(self, document_id: str) -> Document:
        self._tell("read", 1)
        return self.catalog.documents.load(document_id)

    # -- what has changed ------------------------------------------------------------------

    def _changed(self, source: Source, reader: Reader) -> Iterator[tuple[Document, str | None]]:
        """The documents of the source that have to be indexed, with the stamps of their files."""
        for item in source.items:
            with self.timed("read"):
                found = self.intake.look(item, source, reader)
            self._tell("read", 1)
            if found is not None:
                yield found

    # -- indexing --------------------------------------------------------------------------

    def _index_window(self, window: Sequence[tuple[Document, str | None]]) -> None:
        self._check_room(sum(len(document.text) for document, _ in window))
        with self.timed("load"):
            embedding = self.embedding()
        with self.timed("chunk"):
            documents = [document for document, _ in window]
            chunked = list(chunk_many(documents, embedding, self.index.config, self.parser))
        self._embed([each for chunks in chunked for each in chunks])
        with self.timed("store"):
            for (document, stamp), chunks in zip(window, chunked, strict=True):
                self._commit(document, stamp, chunks)
                self._tell("store", 1)
        self.catalog.database.checkpoint()
        if self.dense.unpublished(self.index) > max(EXACT_UP_TO, self.index.published_seq):
            self._publish()

    def _check_room(self, n_characters: int) -> None:
        need, free = n_characters * BYTES_PER_CHARACTER, shutil.disk_usage(self.catalog.database.path.parent).free
        if free < need:
            raise DiskFull(
                _("the next documents need about {need} MiB on the disk, {free} MiB are free").format(
                    need=(need >> 20) + 1, free=free >> 20
                ),
                hint=_("free space and run it again: what is done is kept, the rest goes on from there"),
            )

    def _embed(self, chunks: Sequence[Chunk]) -> None:
        """Make and keep the vectors that are not known yet, the longest texts first."""
        texts = {text_hash(text): text for text in (each.embedded_text for each in chunks)}
        known = self.catalog.vectors.known(self.index.model_id, list(texts))
        missing = sorted((hashed for hashed in texts if hashed not in known), key=lambda h: (-len(texts[h]), h))
        self._tell("embed", 0, self.totals["embed"] + len(missing))
        for start in range(0, len(missing), BATCH):
            batch = missing[start : start + BATCH]
            with self.timed("embed"):
                vectors = self.embedding().encode([texts[hashed] for hashed in batch])
            with self.timed("store"), self.catalog.write(visible=False):
                self.catalog.vectors.put(self.index.model_id, batch, vectors)
            self.counts["embedded"] += len(batch)
            self._tell("embed", len(batch))

    def _commit(self, document: Document, stamp: str | None, chunks: list[Chunk]) -> None:
        """Let the new version of a document answer in place of the old one, in one transaction.

        stamp: of its file; None where the document is stored already and only the index is new.
        """
        terms = [" ".join(chunk_terms(each, self.index.config.analyzer)) for each in chunks]
        hashes = [text_hash(each.embedded_text) for each in chunks]
        with self.catalog.write():
            self.catalog.vectors.renew(self.index.model_id, self.index.id, hashes)
            if stamp is not None:
                self._store(document, stamp)
            self.catalog.chunks.put(self.index.id, document.id, chunks, terms, content_hash(document))
        self.counts["pages"] += document.n_pages
        self.counts["chunks"] += len(chunks)
        self.counts["characters"] += len(document.text)

    def _store(self, document: Document, stamp: str) -> None:
        new = not self.catalog.chunks.held_by(document.id)
        self.catalog.documents.put(document, language=language.detect(document.text[:20_000]), stamp=stamp)
        self.catalog.chunks.delete([document.id])
        (self.added if new else self.changed).append(document.name)

    # -- the end ---------------------------------------------------------------------------

    def finish(self) -> None:
        """Drop what nothing uses, bring all of it to the disk, and bring Chroma up to date."""
        with self.timed("store"):
            with self.catalog.write(visible=False):
                dropped = self.catalog.vectors.delete_unused()
            self.catalog.database.checkpoint()
        if self.catalog.owes_purge():
            with self.timed("publish"):
                purge(self.catalog, self.dense)
        elif dropped or self.intake.deleted or self.intake.replaced or self.dense.unpublished(self.index):
            self._publish()
        self.dense.sweep()

    def _publish(self) -> None:
        with self.timed("publish"):
            self.dense.publish(self.catalog.indexes.get(self.index.id) or self.index)
        self.index = self.catalog.indexes.get(self.index.id) or self.index

    def _tell(self, stage: str, n: int, total: int | None = None) -> None:
        """Say that a stage has done n more, and of how many where that is known now."""
        self.done[stage] += n
        self.totals[stage] = self.totals[stage] if total is None else total
        self.progress(stage, self.done[stage], self.totals[stage] or None, self.seconds[stage])

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Count the time of the block towards a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start

    def report(self) -> IngestReport:
        """What has been done so far."""
        return IngestReport(
            added=tuple(name for name in self.added if name not in self.intake.replaced),
            changed=(*self.changed, *self.intake.replaced),
            unchanged=self.intake.unchanged,
            deleted=tuple(self.intake.deleted),
            moved=tuple(self.intake.moved),
            refused=tuple(self.intake.refused),
            n_pages=self.counts["pages"],
            n_chunks=self.counts["chunks"],
            n_characters=self.counts["characters"],
            n_embedded=self.counts["embedded"],
            seconds=dict(self.seconds),
            notes=tuple(self.intake.notes),
        )


def windows(
    documents: Iterable[tuple[Document, str | None]], n_characters: int = WINDOW_CHARACTERS
) -> Iterator[list[tuple[Document, str | None]]]:
    """Documents in groups of about so many characters, so that batches are full and memory is bounded.

    >>> [len(window) for window in windows([(Document(str(i), "", "x" * 4), "") for i in range(5)], 8)]
    [2, 2, 1]
    """
    window: list[tuple[Document, str | None]] = []
    held = 0
    for document, stamp in documents:
        window.append((document, stamp))
        held += len(document.text)
        if held >= n_characters:
            yield window
            window, held = [], 0
    if window:
        yield window
