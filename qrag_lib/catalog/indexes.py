"""Indexes by what made them: one answers, others are built or kept beside it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from qrag_lib.catalog.chunks import FTS, terms_table
from qrag_lib.catalog.database import Database
from qrag_lib.types import IndexConfig

COLUMNS = "id, config, active, fit, published, published_seq"


@dataclass(frozen=True, slots=True)
class Index:
    """An index as the catalogue knows it.

    fit: what was fitted to the corpus (weight of the dense side and how it was found), or None.
    published: folder of the vector index that holds the vectors up to number `published_seq`.
    """

    id: str
    config: IndexConfig
    active: bool
    fit: dict[str, Any] | None
    published: str
    published_seq: int

    @property
    def model_id(self) -> str:
        """The embedding model by its content."""
        return self.config.model_id


class Indexes:
    """The tables `indexes` and `indexed`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def active(self) -> Index | None:
        """The index that answers; None in a workspace without documents."""
        rows = self._database.read(f"SELECT {COLUMNS} FROM indexes WHERE active = 1")
        return _index(rows[0]) if rows else None

    def all(self) -> list[Index]:
        """Every index, the active one first."""
        rows = self._database.read(f"SELECT {COLUMNS} FROM indexes ORDER BY active DESC, rowid DESC")
        return [_index(row) for row in rows]

    def get(self, index_id: str) -> Index | None:
        """The index of that id."""
        rows = self._database.read(f"SELECT {COLUMNS} FROM indexes WHERE id = ?", (index_id,))
        return _index(rows[0]) if rows else None

    def create(self, config: IndexConfig) -> Index:
        """The index of that configuration, made empty where it is new; the first one is active at once."""
        first = not self._database.read("SELECT 1 FROM indexes LIMIT 1")
        self._database.run(
            "INSERT OR IGNORE INTO indexes (id, config, active) VALUES (?, ?, ?)",
            (config.id, json.dumps(asdict(config)), int(first)),
        )
        self._database.run(FTS.format(table=terms_table(config.id)))
        found = self.get(config.id)
        assert found is not None
        return found

    def activate(self, index_id: str) -> None:
        """Let this index answer from now on."""
        self._database.run("UPDATE indexes SET active = (id = ?)", (index_id,))

    def delete(self, index_id: str) -> None:
        """Remove an index with its chunks and terms."""
        self._database.run(f"DROP TABLE IF EXISTS {terms_table(index_id)}")
        for table, key in (("chunks", "index_id"), ("indexed", "index_id"), ("indexes", "id")):
            self._database.run(f"DELETE FROM {table} WHERE {key} = ?", (index_id,))

    def pending(self, index_id: str) -> list[str]:
        """Ids of the documents whose present version is not in the index yet."""
        sql = (
            "SELECT d.id FROM documents d LEFT JOIN indexed i ON i.index_id = ? AND i.document_id = d.id"
            " WHERE d.version > 0 AND i.content IS NOT d.content ORDER BY d.name, d.id"
        )
        return [row[0] for row in self._database.read(sql, (index_id,))]

    def set_fit(self, index_id: str, fit: dict[str, Any]) -> None:
        """Store what was fitted to the corpus."""
        self._database.run("UPDATE indexes SET fit = ? WHERE id = ?", (json.dumps(fit), index_id))

    def set_published(self, index_id: str, folder: str, seq: int) -> None:
        """Note which folder holds the vectors up to which number."""
        sql = "UPDATE indexes SET published = ?, published_seq = ? WHERE id = ?"
        self._database.run(sql, (folder, seq, index_id))


def _index(row: tuple[Any, ...]) -> Index:
    index_id, config, active, fit, published, seq = row
    return Index(index_id, IndexConfig(**json.loads(config)), bool(active), fit and json.loads(fit), published, seq)
