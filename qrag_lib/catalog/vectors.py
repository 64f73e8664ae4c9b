"""Vectors by the text they stand for, so that nothing is embedded twice."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrag_lib.catalog.chunks import JOIN
from qrag_lib.catalog.database import Database
from qrag_lib.catalog.filters import condition
from qrag_lib.types import Filter

Vectors32 = NDArray[np.float32]
LIVE = "text_hash IN (SELECT text_hash FROM chunks WHERE index_id = ?)"


class Vectors:
    """The table `vectors`: unit rows as float16, by (model, hash of the embedded text)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, model_id: str, hashes: Sequence[str], vectors: Vectors32) -> None:
        """Store vectors (n, d) for n texts. Raises ValueError for rows that are not finite."""
        if not np.isfinite(vectors).all():
            raise ValueError("a vector holds NaN or infinity")
        blobs = vectors.astype("<f2")
        rows = [(model_id, hashed, blob.tobytes()) for hashed, blob in zip(hashes, blobs, strict=True)]
        self._database.run_many("INSERT OR IGNORE INTO vectors (model_id, text_hash, vector) VALUES (?, ?, ?)", rows)

    def renew(self, model_id: str, index_id: str, hashes: Sequence[str]) -> None:
        """Number those of the texts anew that the index does not use yet, though they have a vector.

        Call before their chunks are written: what was published up to a number holds all that the
        index used up to it, so a vector that comes into use late must count as a late one.
        """
        # inserted, not updated: AUTOINCREMENT then gives a number that no vector of any model ever had
        self._database.run(
            "INSERT OR REPLACE INTO vectors (model_id, text_hash, vector)"
            " SELECT model_id, text_hash, vector FROM vectors v"
            " WHERE model_id = ? AND text_hash IN (SELECT value FROM json_each(?))"
            " AND seq <= (SELECT published_seq FROM indexes WHERE id = ?)"
            " AND NOT EXISTS (SELECT 1 FROM chunks c WHERE c.index_id = ? AND c.text_hash = v.text_hash)",
            (model_id, json.dumps(list(hashes)), index_id, index_id),
        )

    def known(self, model_id: str, hashes: Sequence[str]) -> set[str]:
        """Those of the texts that have a vector."""
        sql = "SELECT text_hash FROM vectors WHERE model_id = ? AND text_hash IN (SELECT value FROM json_each(?))"
        return {row[0] for row in self._database.read(sql, (model_id, json.dumps(list(hashes))))}

    def get(self, model_id: str, hashes: Sequence[str]) -> tuple[list[str], Vectors32]:
        """(hashes found, their vectors (n, d)), in no particular order."""
        sql = (
            "SELECT text_hash, vector FROM vectors WHERE model_id = ? AND text_hash IN (SELECT value FROM json_each(?))"
        )
        return _matrix(self._database.read(sql, (model_id, json.dumps(list(hashes)))))

    def live_batches(
        self, model_id: str, index_id: str, after: int, size: int
    ) -> Iterator[tuple[list[str], Vectors32]]:
        """(hashes, vectors) of what the index uses beyond `after`, `size` at a time."""
        sql = (
            "SELECT text_hash, vector, seq FROM vectors"
            f" WHERE model_id = ? AND seq > ? AND {LIVE} ORDER BY seq LIMIT {size}"
        )
        while rows := self._database.read(sql, (model_id, after, index_id)):
            after = rows[-1][2]
            yield _matrix([row[:2] for row in rows])

    def of_chunks_beyond(self, model_id: str, index_id: str, row: int, after: int) -> tuple[list[str], Vectors32]:
        """(text hashes, vectors) of the chunks beyond `row` whose vectors have numbers beyond `after`."""
        return _matrix(
            self._database.read(
                "SELECT DISTINCT v.text_hash, v.vector FROM chunks c JOIN vectors v ON v.model_id = ?"
                " AND v.text_hash = c.text_hash AND v.seq > ? WHERE c.index_id = ? AND c.row > ?",
                (model_id, after, index_id, row),
            )
        )

    def of_rows(
        self, model_id: str, index_id: str, filters: Sequence[Filter], limit: int
    ) -> tuple[list[int], Vectors32]:
        """(chunk rows that meet the filters, their vectors), at most `limit` of them."""
        where = condition(filters)
        sql = (
            f"SELECT c.row, v.vector FROM {JOIN} JOIN vectors v ON v.model_id = ? AND v.text_hash = c.text_hash"
            f" WHERE c.index_id = ?{where.sql and ' AND ' + where.sql} ORDER BY c.row LIMIT ?"
        )
        return _matrix(self._database.read(sql, (model_id, index_id, *where.parameters, limit)))

    def count_live(self, model_id: str, index_id: str, after: int = 0) -> int:
        """How many vectors beyond `after` the index uses."""
        sql = f"SELECT count(*) FROM vectors WHERE model_id = ? AND seq > ? AND {LIVE}"
        return int(self._database.read(sql, (model_id, after, index_id))[0][0])

    def missing(self, model_id: str, index_id: str) -> list[tuple[int, str]]:
        """(row, hash) of the chunks of an index that have no vector."""
        return self._database.read(
            "SELECT c.row, c.text_hash FROM chunks c LEFT JOIN vectors v"
            " ON v.model_id = ? AND v.text_hash = c.text_hash WHERE c.index_id = ? AND v.seq IS NULL",
            (model_id, index_id),
        )

    def last(self, model_id: str) -> int:
        """The highest number given to a vector of the model; 0 where there is none."""
        sql = "SELECT coalesce(max(seq), 0) FROM vectors WHERE model_id = ?"
        return int(self._database.read(sql, (model_id,))[0][0])

    def live_hashes(self, model_id: str, index_id: str, up_to: int) -> set[str]:
        """Texts that the index uses and whose vectors have numbers up to `up_to`."""
        sql = f"SELECT text_hash FROM vectors WHERE model_id = ? AND seq <= ? AND {LIVE}"
        return {row[0] for row in self._database.read(sql, (model_id, up_to, index_id))}

    def count_unused(self) -> int:
        """Vectors that no chunk of any index uses."""
        sql = "SELECT count(*) FROM vectors WHERE text_hash NOT IN (SELECT text_hash FROM chunks)"
        return int(self._database.read(sql)[0][0])

    def delete_unused(self) -> int:
        """Remove vectors that no chunk of any index uses; returns how many."""
        return self._database.run("DELETE FROM vectors WHERE text_hash NOT IN (SELECT text_hash FROM chunks)")


def _matrix(rows: list[tuple[Any, ...]]) -> tuple[list[Any], Vectors32]:
    keys = [row[0] for row in rows]
    if not rows:
        return keys, np.zeros((0, 0), np.float32)
    vectors = np.frombuffer(b"".join(row[1] for row in rows), "<f2").reshape(len(rows), -1)
    return keys, vectors.astype(np.float32)
