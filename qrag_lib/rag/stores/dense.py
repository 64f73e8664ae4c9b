"""Nearest vectors: the cheaper of an exact scan and Chroma, always over the last commit."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qrag_lib.rag.catalog import Catalog, Index
from qrag_lib.rag.stores.chroma import BATCH, ChromaFolder, TornFolder, build, check_files, delete_others
from qrag_lib.types import Filter

Vectors32 = NDArray[np.float32]

# An exact scan of 20,000 x 384 takes about 2 ms and 30 MB; importing chromadb alone 1.6 s and 97 MB.
EXACT_UP_TO = 20_000
# A folder with more dead entries than this share is built anew, for Chroma never gives room back.
DEAD_SHARE = 0.3


@dataclass
class _Scan:
    """Vectors held in memory for an exact scan: those the index uses beyond number `after`."""

    index_id: str
    after: int
    generation: int = -1
    hashes: list[str] = field(default_factory=list)
    vectors: Vectors32 = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def refresh(self, catalog: Catalog, model_id: str) -> None:
        generation = catalog.generation()
        if generation != self.generation:
            self.hashes, self.vectors = catalog.vectors.live(model_id, self.index_id, self.after)
            self.generation = generation

    def nearest(self, vector: Vectors32, limit: int) -> list[tuple[str, float]]:
        if not self.hashes:
            return []
        scores = self.vectors @ vector  # (n,)
        limit = min(limit, len(scores))
        best = np.argpartition(-scores, limit - 1)[:limit]
        return [(self.hashes[i], float(scores[i])) for i in best[np.argsort(-scores[best], kind="stable")]]


class DenseIndex:
    """Vector search over a catalogue, with Chroma folders under `root` for large indexes.

    What Chroma's folder does not hold yet is scanned exactly; what it holds but the catalogue no
    longer does is dropped: an answer is never older than the last commit of any process.
    degraded: why Chroma cannot be used at present, "" where it can.
    """

    def __init__(self, catalog: Catalog, root: Path) -> None:
        self.catalog = catalog
        self.root = root
        self.degraded = ""
        self._scan: _Scan | None = None
        self._folder: ChromaFolder | None = None
        self._lock = threading.RLock()

    def search(
        self, index: Index, vector: Vectors32, limit: int, filters: Sequence[Filter] = ()
    ) -> list[tuple[int, float]]:
        """(chunk row, cosine) of the nearest chunks that meet the filters, best first.

        vector: (d,), unit length. Chunks of the same text share a place in the ranking.
        """
        with self._lock, self.catalog.snapshot():
            if filters and self.catalog.chunks.count(index.id, filters) <= EXACT_UP_TO:
                return self._exact_rows(index, vector, limit, filters)
            wanted = limit
            while True:
                found, exhausted = self._nearest_texts(index, vector, wanted)
                rows = self._rows(index, found, filters)
                if len(rows) >= limit or exhausted:
                    return rows[:limit]
                wanted *= 4

    def _exact_rows(
        self, index: Index, vector: Vectors32, limit: int, filters: Sequence[Filter]
    ) -> list[tuple[int, float]]:
        rows, vectors = self.catalog.vectors.of_rows(index.model_id, index.id, filters)
        if not rows:
            return []
        scores = vectors @ vector
        order = np.argsort(-scores, kind="stable")[:limit]
        return [(int(rows[i]), float(scores[i])) for i in order]

    def _nearest_texts(self, index: Index, vector: Vectors32, limit: int) -> tuple[list[tuple[str, float]], bool]:
        """((text hash, cosine), best first; whether there is no more to be had)."""
        folder = self._open_folder(index)
        scan = self._scan_beyond(index, index.published_seq if folder else 0)
        found = dict(scan.nearest(vector, limit))
        exhausted = limit >= len(scan.hashes)
        if folder:
            try:
                near = folder.search(vector, limit)
            except TornFolder as error:
                self._give_up_on_folder(str(error))
                return self._nearest_texts(index, vector, limit)
            hashes, vectors = self.catalog.vectors.get(index.model_id, near)
            found |= {hashed: float(score) for hashed, score in zip(hashes, vectors @ vector, strict=True)} if near else {}
            exhausted = exhausted and limit >= folder.count
        return sorted(found.items(), key=lambda pair: -pair[1])[:limit], exhausted

    def _rows(
        self, index: Index, found: Sequence[tuple[str, float]], filters: Sequence[Filter]
    ) -> list[tuple[int, float]]:
        rows = self.catalog.chunks.rows_of_texts(index.id, [hashed for hashed, _ in found], filters)
        return [(row, score) for hashed, score in found for row in rows.get(hashed, ())]

    def _scan_beyond(self, index: Index, after: int) -> _Scan:
        if self._scan is None or (self._scan.index_id, self._scan.after) != (index.id, after):
            self._scan = _Scan(index.id, after)
        self._scan.refresh(self.catalog, index.model_id)
        return self._scan

    def _open_folder(self, index: Index) -> ChromaFolder | None:
        if not index.published or self.catalog.chunks.count(index.id) <= EXACT_UP_TO:
            return None
        path = self.root / index.published
        if self._folder is not None and self._folder.path == path:
            return self._folder
        if self.degraded.startswith(path.name):
            return None
        self.close()
        try:
            self._folder = ChromaFolder(path)
            self.degraded = ""
        except TornFolder as error:
            self._give_up_on_folder(str(error))
        return self._folder

    def _give_up_on_folder(self, why: str) -> None:
        self.close()
        self.degraded = why

    def unpublished(self, index: Index) -> int:
        """Vectors of the index that Chroma's folder does not hold."""
        return self.catalog.vectors.count_live(index.model_id, index.id, index.published_seq if index.published else 0)

    def publish(self, index: Index, *, anew: bool = False) -> int:
        """Build the Chroma folder of the index as it is now and let readers use it; returns its size.

        Starts from a copy of the present folder unless that is torn, holds much that is dead, or
        `anew` asks for one that holds nothing else. Only the writer of the workspace may call this.
        """
        self.root.mkdir(exist_ok=True)
        last = self.catalog.vectors.last(index.model_id)
        path = self.root / f"{index.id}-{uuid.uuid4().hex[:8]}"
        base = None if anew else self._reusable(index)
        try:
            count = self._build(index, path, base)
        except TornFolder:
            count = self._build(index, path, None)
        with self.catalog.write():
            self.catalog.indexes.set_published(index.id, path.name, last)
        self.close()
        delete_others(self.root, [each.published for each in self.catalog.indexes.all()])
        return count

    def _build(self, index: Index, path: Path, base: Path | None) -> int:
        after = index.published_seq if base else 0
        return build(path, self.catalog.vectors.live_batches(index.model_id, index.id, after, BATCH), base=base)

    def _reusable(self, index: Index) -> Path | None:
        if not index.published:
            return None
        path = self.root / index.published
        try:
            held = check_files(path)
        except TornFolder:
            return None
        live = self.catalog.vectors.count_live(index.model_id, index.id) - self.unpublished(index)
        return path if held and (held - live) / held <= DEAD_SHARE else None

    def close(self) -> None:
        """Let go of Chroma's files; the next search opens them again."""
        with self._lock:
            if self._folder is not None:
                self._folder.close()
            self._folder = None
