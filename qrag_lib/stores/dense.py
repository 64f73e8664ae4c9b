"""Nearest vectors: the cheaper of an exact scan and Chroma, always over the last commit."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qrag_lib.catalog import Catalog, Index
from qrag_lib.stores.chroma import BATCH, ChromaFolder, TornFolder, build, check_files, delete_others
from qrag_lib.types import Filter

Vectors32 = NDArray[np.float32]

# An exact scan of 20,000 x 384 takes about 2 ms and 30 MB; importing chromadb alone 1.6 s and 97 MB.
EXACT_UP_TO = 20_000
# A folder with more dead entries than this share is built anew, for Chroma never gives room back.
DEAD_SHARE = 0.3


@dataclass
class _Scan:
    """Vectors held in memory for an exact scan: those the index uses beyond number `after`.

    What is no longer used stays until the next reload; it names no chunk and is dropped later.
    """

    index_id: str
    after: int
    generation: int = -1
    n_chunks: int = 0
    last_row: int = 0
    held: dict[str, None] = field(default_factory=dict)  # in the order of the rows of `vectors`
    vectors: Vectors32 = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def refresh(self, catalog: Catalog, model_id: str) -> None:
        generation = catalog.generation()
        if generation == self.generation:
            return
        self.n_chunks = catalog.chunks.count(self.index_id)
        if generation < self.generation or len(self.held) > 1.5 * self.n_chunks:
            self.last_row, self.held, self.vectors = 0, {}, self.vectors[:0]
        last_row = catalog.chunks.last_row(self.index_id)
        hashes, vectors = catalog.vectors.of_chunks_beyond(model_id, self.index_id, self.last_row, self.after)
        new = [i for i, hashed in enumerate(hashes) if hashed not in self.held]
        if new:
            held = self.held | dict.fromkeys(hashes[i] for i in new)
            vectors = np.concatenate([self.vectors.reshape(-1, vectors.shape[1]), vectors[new]])
            self.held, self.vectors = held, vectors  # together: Ctrl-C in a notebook must not part them
        self.generation, self.last_row = generation, last_row

    def nearest(self, vector: Vectors32, limit: int) -> list[tuple[str, float]]:
        if not self.held:
            return []
        scores = self.vectors @ vector  # (n,)
        limit = min(limit, len(scores))
        best = np.argpartition(-scores, limit - 1)[:limit]
        hashes = list(self.held)
        return [(hashes[i], float(scores[i])) for i in best[np.argsort(-scores[best], kind="stable")]]


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
        self._counted = ("", -1, 0)  # index, generation, number of chunks
        self._lock = threading.RLock()

    def search(
        self, index: Index, vector: Vectors32, limit: int, filters: Sequence[Filter] = ()
    ) -> list[tuple[int, float]]:
        """(chunk row, cosine) of the nearest chunks that meet the filters, best first.

        vector: (d,), unit length. Chunks of the same text share a place in the ranking.
        """
        with self._lock, self.catalog.snapshot():
            if filters and (exact := self._exact_rows(index, vector, limit, filters)) is not None:
                return exact
            wanted = limit
            while True:
                found, exhausted = self._nearest_texts(index, vector, wanted)
                rows = self._rows(index, found, filters)
                if len(rows) >= limit or exhausted:
                    return rows[:limit]
                wanted *= 4

    def _exact_rows(
        self, index: Index, vector: Vectors32, limit: int, filters: Sequence[Filter]
    ) -> list[tuple[int, float]] | None:
        """The answer by an exact scan of what meets the filters; None where that is too much."""
        rows, vectors = self.catalog.vectors.of_rows(index.model_id, index.id, filters, EXACT_UP_TO + 1)
        if not rows or len(rows) > EXACT_UP_TO:
            return None if rows else []
        return _ranked(zip(rows, vectors @ vector, strict=True))[:limit]

    def _nearest_texts(self, index: Index, vector: Vectors32, limit: int) -> tuple[list[tuple[str, float]], bool]:
        """((text hash, cosine), best first; whether there is no more to be had)."""
        folder = self._open_folder(index)
        scan = self._scan_beyond(index, index.published_seq if folder else 0)
        found = dict(scan.nearest(vector, limit))
        exhausted = limit >= len(scan.held)
        if folder:
            try:
                near = folder.search(vector, limit)
            except TornFolder as error:
                self._give_up_on_folder(str(error))
                return self._nearest_texts(index, vector, limit)
            hashes, vectors = self.catalog.vectors.get(index.model_id, near)
            found |= (
                {hashed: float(score) for hashed, score in zip(hashes, vectors @ vector, strict=True)} if near else {}
            )
            exhausted = exhausted and limit >= folder.count
        return sorted(found.items(), key=lambda pair: -pair[1])[:limit], exhausted

    def _rows(
        self, index: Index, found: Sequence[tuple[str, float]], filters: Sequence[Filter]
    ) -> list[tuple[int, float]]:
        rows = self.catalog.chunks.rows_of_texts(index.id, [hashed for hashed, _ in found], filters)
        return _ranked((row, score) for hashed, score in found for row in rows.get(hashed, ()))

    def _scan_beyond(self, index: Index, after: int) -> _Scan:
        if self._scan is None or (self._scan.index_id, self._scan.after) != (index.id, after):
            self._scan = _Scan(index.id, after)
        self._scan.refresh(self.catalog, index.model_id)
        return self._scan

    def _open_folder(self, index: Index) -> ChromaFolder | None:
        if not index.published or self._n_chunks(index) <= EXACT_UP_TO:
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

    def _n_chunks(self, index: Index) -> int:
        generation = self.catalog.generation()
        if self._counted[:2] != (index.id, generation):
            self._counted = (index.id, generation, self.catalog.chunks.count(index.id))
        return self._counted[2]

    def _give_up_on_folder(self, why: str) -> None:
        self.close()
        self.degraded = why

    def problem(self, index: Index) -> str:
        """Why Chroma's folder cannot be used, "" where it can or where there is none yet."""
        try:
            if index.published:
                check_files(self.root / index.published)
        except TornFolder as error:
            return str(error)
        return self.degraded if index.published and self.degraded.startswith(index.published) else ""

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
        self.degraded = ""
        self.sweep()
        return count

    def sweep(self) -> list[str]:
        """Remove what belongs to no index, such as folders that a killed writer left; returns the names."""
        return delete_others(self.root, [each.published for each in self.catalog.indexes.all()])

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


def _ranked(pairs: Iterable[tuple[int, float]]) -> list[tuple[int, float]]:
    """Best first, equal scores by row; rounded, for a sum's last bits depend on how it was computed."""
    return sorted(((int(row), round(float(score), 6)) for row, score in pairs), key=lambda pair: (-pair[1], pair[0]))
