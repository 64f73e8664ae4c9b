"""Chunks and their index terms, as the catalogue keeps them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Sequence

from qrag_lib.catalog.database import Database
from qrag_lib.catalog.filters import Condition, condition
from qrag_lib.types import Chunk, Filter, text_hash

# FTS5 gets terms, not text: whatever stands between two spaces is one token.
FTS = (
    "CREATE VIRTUAL TABLE IF NOT EXISTS {table} USING fts5(terms,"
    " tokenize=\"unicode61 remove_diacritics 0 categories 'L* N* M* P* S* C*'\")"
)
COLUMNS = (
    'c.row, c.document_id, d.name, c.ordinal, c.text, c.start, c."end", c.headings, c.page, c.language, d.metadata'
)
JOIN = "chunks c JOIN documents d ON d.id = c.document_id"


def terms_table(index_id: str) -> str:
    """Name of the FTS5 table of an index."""
    return f"terms_{index_id}"


class Chunks:
    """The table `chunks` and one FTS5 table an index. `row` is the chunk's number in both."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, index_id: str, document_id: str, chunks: Sequence[Chunk], terms: Sequence[str], content: str) -> None:
        """Put a document's chunks into an index in place of the ones it had.

        terms: for each chunk, its index terms joined by spaces. content: the document's content hash.
        """
        self.delete([document_id], index_id)
        table = terms_table(index_id)
        for chunk, line in zip(chunks, terms, strict=True):
            row = self._database.insert(
                "INSERT INTO chunks (index_id, document_id, ordinal, text_hash, start, \"end\", page, language,"
                " headings, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (index_id, document_id, chunk.ordinal, text_hash(chunk.embedded_text), chunk.start, chunk.end,
                 chunk.page, chunk.language, json.dumps(chunk.headings, ensure_ascii=False), chunk.text),
            )  # fmt: skip
            self._database.run(f"INSERT INTO {table} (rowid, terms) VALUES (?, ?)", (row, line))
        self._database.run("INSERT OR REPLACE INTO indexed VALUES (?, ?, ?)", (index_id, document_id, content))

    def delete(self, document_ids: Iterable[str], index_id: str | None = None) -> None:
        """Remove documents' chunks and terms from one index, or from all."""
        for document_id in document_ids:
            for held_id in self.held_by(document_id) if index_id is None else [index_id]:
                place = (held_id, document_id)
                where = "index_id = ? AND document_id = ?"
                self._database.run(
                    f"DELETE FROM {terms_table(held_id)} WHERE rowid IN (SELECT row FROM chunks WHERE {where})", place
                )
                self._database.run(f"DELETE FROM chunks WHERE {where}", place)
                self._database.run(f"DELETE FROM indexed WHERE {where}", place)

    def holds(self, index_id: str, document_id: str, content: str) -> bool:
        """Whether the index holds that content of the document."""
        sql = "SELECT 1 FROM indexed WHERE index_id = ? AND document_id = ? AND content = ?"
        return bool(self._database.read(sql, (index_id, document_id, content)))

    def held_by(self, document_id: str) -> list[str]:
        """Ids of the indexes that hold some version of the document."""
        sql = (
            "SELECT id FROM indexes WHERE EXISTS"
            " (SELECT 1 FROM indexed WHERE index_id = indexes.id AND document_id = ?)"
        )
        return [row[0] for row in self._database.read(sql, (document_id,))]

    def purge(self, index_id: str) -> None:
        """Merge the index terms into one segment, so that those of deleted chunks are gone from the file."""
        table = terms_table(index_id)
        with self._database.write(visible=False):
            self._database.run(f"INSERT INTO {table} ({table}) VALUES ('optimize')")

    def terms_off(self, index_id: str) -> int:
        """How many chunks have no index terms, or terms no chunk."""
        table = terms_table(index_id)
        if not self._database.read("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)):
            return self.count(index_id)
        sql = (
            f"SELECT (SELECT count(*) FROM chunks WHERE index_id = ? AND row NOT IN (SELECT rowid FROM {table}))"
            f" + (SELECT count(*) FROM {table} WHERE rowid NOT IN (SELECT row FROM chunks WHERE index_id = ?))"
        )
        return int(self._database.read(sql, (index_id, index_id))[0][0])

    def rebuild_terms(self, index_id: str, terms: Callable[[Chunk], str]) -> None:
        """Make the index terms of all chunks anew, inside `write`."""
        table = terms_table(index_id)
        self._database.run(f"DROP TABLE IF EXISTS {table}")
        self._database.run(FTS.format(table=table))
        for row, chunk in self.get(self.rows(index_id)).items():
            self._database.run(f"INSERT INTO {table} (rowid, terms) VALUES (?, ?)", (row, terms(chunk)))

    def out_of_place(self, index_id: str) -> list[int]:
        """Rows of chunks whose text is not `text[start:end]` of their document."""
        wrong = []
        for (document_id,) in self._database.read("SELECT document_id FROM indexed WHERE index_id = ?", (index_id,)):
            found = self._database.read("SELECT text FROM texts WHERE document_id = ?", (document_id,))
            text = found[0][0] if found else ""
            wrong += [row for row, c in self.of_document(index_id, document_id) if text[c.start : c.end] != c.text]
        return wrong

    def match(
        self, index_id: str, terms: Sequence[str], limit: int, filters: Sequence[Filter] = ()
    ) -> list[tuple[int, float]]:
        """(row, BM25) of the chunks that hold any of the terms, best first; higher is better."""
        if not terms:
            return []
        table, where = terms_table(index_id), condition(filters)
        query = " OR ".join('"' + term.replace('"', '""') + '"' for term in dict.fromkeys(terms))
        joined = (
            f" JOIN chunks c ON c.row = {table}.rowid JOIN documents d ON d.id = c.document_id" if where.sql else ""
        )
        rows = self._database.read(
            f"SELECT {table}.rowid, bm25({table}) AS score FROM {table}{joined}"
            f" WHERE {table} MATCH ?{where.sql and ' AND ' + where.sql} ORDER BY score, {table}.rowid LIMIT ?",
            (query, *where.parameters, limit),
        )
        return [(int(row), -float(score)) for row, score in rows]

    def rows_of_texts(
        self, index_id: str, hashes: Sequence[str], filters: Sequence[Filter] = ()
    ) -> dict[str, list[int]]:
        """Rows of the chunks with those text hashes that meet the filters."""
        where = condition(filters)
        found: dict[str, list[int]] = {}
        for hashed, row in self._database.read(
            f"SELECT c.text_hash, c.row FROM {JOIN} WHERE c.index_id = ?"
            f" AND c.text_hash IN (SELECT value FROM json_each(?)){where.sql and ' AND ' + where.sql} ORDER BY c.row",
            (index_id, json.dumps(list(hashes)), *where.parameters),
        ):
            found.setdefault(hashed, []).append(row)
        return found

    def rows(self, index_id: str, filters: Sequence[Filter] = ()) -> list[int]:
        """Rows of an index that meet the filters, in order."""
        where = condition(filters)
        sql = f"SELECT c.row FROM {JOIN} WHERE c.index_id = ?{where.sql and ' AND ' + where.sql} ORDER BY c.row"
        return [row for (row,) in self._database.read(sql, (index_id, *where.parameters))]

    def of_document(self, index_id: str, document_id: str) -> list[tuple[int, Chunk]]:
        """A document's chunks with their rows, in the order of the text."""
        sql = f"SELECT {COLUMNS} FROM {JOIN} WHERE c.index_id = ? AND c.document_id = ? ORDER BY c.ordinal"
        return [(row[0], _chunk(row)) for row in self._database.read(sql, (index_id, document_id))]

    def get(self, rows: Sequence[int]) -> dict[int, Chunk]:
        """The chunks of those rows; a row that is gone is left out."""
        sql = f"SELECT {COLUMNS} FROM {JOIN} WHERE c.row IN (SELECT value FROM json_each(?))"
        return {row[0]: _chunk(row) for row in self._database.read(sql, (json.dumps(list(rows)),))}

    def sample(self, index_id: str, n: int, seed: int = 0) -> list[tuple[int, Chunk]]:
        """At most n chunks, drawn without regard to their order and the same for the same index."""
        rows = self.rows(index_id)
        drawn = sorted(random.Random(seed).sample(rows, min(n, len(rows))))
        return sorted(self.get(drawn).items())

    def counts_by_document(self, index_id: str) -> dict[str, int]:
        """Number of chunks of each document."""
        sql = "SELECT document_id, count(*) FROM chunks WHERE index_id = ? GROUP BY document_id"
        return dict(self._database.read(sql, (index_id,)))

    def last_row(self, index_id: str) -> int:
        """The highest row of an index; 0 where it is empty."""
        sql = "SELECT coalesce(max(row), 0) FROM chunks WHERE index_id = ?"
        return int(self._database.read(sql, (index_id,))[0][0])

    def count(self, index_id: str, filters: Sequence[Filter] = ()) -> int:
        """Number of chunks in an index that meet the filters."""
        where: Condition = condition(filters)
        source = JOIN if where.sql else "chunks c"
        sql = f"SELECT count(*) FROM {source} WHERE c.index_id = ?{where.sql and ' AND ' + where.sql}"
        return int(self._database.read(sql, (index_id, *where.parameters))[0][0])


def _chunk(row: tuple[object, ...]) -> Chunk:
    _row, document_id, name, ordinal, text, start, end, headings, page, language, metadata = row
    return Chunk(
        id=f"{document_id}#{ordinal}",
        document_id=str(document_id),
        document_name=str(name),
        ordinal=int(str(ordinal)),
        text=str(text),
        start=int(str(start)),
        end=int(str(end)),
        headings=tuple(json.loads(str(headings))),
        page=None if page is None else str(page),
        language=str(language),
        metadata=json.loads(str(metadata)),
    )
