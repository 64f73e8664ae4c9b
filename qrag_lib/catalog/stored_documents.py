"""Documents and their text, as the catalogue keeps them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

from qrag_lib.catalog.database import Database
from qrag_lib.errors import NotFound
from qrag_lib.i18n import _, ngettext
from qrag_lib.types import Document, Refusal, Section, text_hash

COLUMNS = (
    "id, name, source, path, media_type, language, n_pages, n_characters, version, content,"
    " stamp, reason, message, hint"
)

SOURCES = "SELECT source, count(*) FROM documents WHERE version > 0 GROUP BY source ORDER BY source"


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document's row without its text. version 0: it has never been read with success.

    content: hash of text, sections and metadata. stamp: of the file when it was last read.
    """

    id: str
    name: str
    source: str
    path: str | None
    media_type: str
    language: str
    n_pages: int
    n_characters: int
    version: int
    content: str
    stamp: str
    reason: str
    message: str
    hint: str

    @property
    def refusal(self) -> Refusal | None:
        """Why the last read was refused, or None."""
        return Refusal(self.name, self.reason, self.message, self.hint) if self.reason else None


def content_hash(document: Document) -> str:
    """Name of everything in a document that its index depends on.

    >>> content_hash(Document("a", "a.txt", "x")) == content_hash(Document("b", "b.txt", "x"))
    True
    """
    sections = [(s.kind, s.label, s.start, s.end, s.level) for s in document.sections]
    return text_hash(json.dumps([document.text, sections, dict(document.metadata)], sort_keys=True, default=str))


class Documents:
    """The tables `documents` and `texts`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, document: Document, *, language: str, stamp: str = "") -> None:
        """Store a document in place of the one of the same id; its chunks are written beside it."""
        columns = (document.name, document.source, document.path, document.media_type, language)
        metadata = json.dumps(dict(document.metadata), ensure_ascii=False)
        counts = (document.n_pages, len(document.text), content_hash(document), stamp)
        self._database.run(
            "INSERT INTO documents (id, name, source, path, media_type, language, metadata, n_pages, n_characters,"
            " content, stamp, version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)"
            " ON CONFLICT (id) DO UPDATE SET name=excluded.name, source=excluded.source, path=excluded.path,"
            " media_type=excluded.media_type, language=excluded.language, metadata=excluded.metadata,"
            " n_pages=excluded.n_pages, n_characters=excluded.n_characters, content=excluded.content,"
            " stamp=excluded.stamp, version=version + 1, reason='', message='', hint=''",
            (document.id, *columns, metadata, *counts),
        )
        sections = json.dumps([asdict(section) for section in document.sections], ensure_ascii=False)
        self._database.run("INSERT OR REPLACE INTO texts VALUES (?, ?, ?)", (document.id, sections, document.text))

    def put_refusal(self, document_id: str, refusal: Refusal, *, source: str, path: str | None, stamp: str) -> None:
        """Note that a document was refused; a version read before it stays and answers."""
        self._database.run(
            "INSERT INTO documents (id, name, source, path, stamp, reason, message, hint)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET stamp=excluded.stamp,"
            " reason=excluded.reason, message=excluded.message, hint=excluded.hint",
            (document_id, refusal.name, source, path, stamp, refusal.reason, refusal.message, refusal.hint),
        )

    def renew(self, document_id: str, *, name: str, source: str, stamp: str) -> None:
        """Note that a document was touched, renamed or moved to another source without a change of its content."""
        self._database.run(
            "UPDATE documents SET name = ?, source = ?, stamp = ?, reason = '', message = '', hint = '' WHERE id = ?",
            (name, source, stamp, document_id),
        )

    def move(self, document_id: str, document: Document, *, stamp: str) -> None:
        """Give a stored document the id, name and place of another of the same content; text, chunks and vectors stay.

        Inside `write`; no document of the new id may be there.
        """
        self._database.run("PRAGMA defer_foreign_keys = ON", ())  # until the end of the transaction
        row = (document.id, document.name, document.source, document.path, document.media_type, stamp, document_id)
        self._database.run(
            "UPDATE documents SET id = ?, name = ?, source = ?, path = ?, media_type = ?, stamp = ?, reason = '',"
            " message = '', hint = '' WHERE id = ?",
            row,
        )
        for table in ("texts", "indexed", "chunks"):
            self._database.run(f"UPDATE {table} SET document_id = ? WHERE document_id = ?", (document.id, document_id))

    def delete(self, ids: Iterable[str]) -> None:
        """Remove documents and their text; `chunks.delete` removes what was made of them."""
        self._database.run_many("DELETE FROM documents WHERE id = ?", [(document_id,) for document_id in ids])

    def get(self, document_id: str) -> StoredDocument | None:
        """The row of that id."""
        rows = self._database.read(f"SELECT {COLUMNS} FROM documents WHERE id = ?", (document_id,))
        return StoredDocument(*rows[0]) if rows else None

    def find(self, name: str) -> StoredDocument:
        """The document of that id, or of that name where only one has it. Raises NotFound."""
        exact = self.get(name)
        if exact is not None:
            return exact
        rows = self._database.read(f"SELECT {COLUMNS} FROM documents WHERE name = ? OR path = ?", (name, name))
        if len(rows) == 1:
            return StoredDocument(*rows[0])
        if rows:
            ids = ", ".join(f"{each.id} ({each.path or each.source})" for each in (StoredDocument(*r) for r in rows))
            raise NotFound(
                ngettext("{n} document is named {name}", "{n} documents are named {name}", len(rows)).format(
                    n=len(rows), name=name
                ),
                hint=_("use one of their ids: {ids}").format(ids=ids),
            )
        raise NotFound(_("there is no document {name}").format(name=name), hint=self._nearest(name))

    def _nearest(self, name: str) -> str:
        import difflib

        names = [row[0] for row in self._database.read("SELECT name FROM documents")]
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
        return _("did you mean {names}?").format(names=", ".join(near)) if near else _("qrag documents lists them")

    def __iter__(self) -> Iterator[StoredDocument]:
        rows = self._database.read(f"SELECT {COLUMNS} FROM documents ORDER BY name, id")
        return iter([StoredDocument(*row) for row in rows])

    def of_source(self, source: str) -> list[StoredDocument]:
        """The documents of a source, or with files below it where it is a folder."""
        below = source.rstrip("/") + "/"
        rows = self._database.read(
            f"SELECT {COLUMNS} FROM documents WHERE source = ? OR substr(path, 1, ?) = ? ORDER BY name, id",
            (source, len(below), below),
        )
        return [StoredDocument(*row) for row in rows]

    def text(self, document_id: str) -> str:
        """The stored text. Raises NotFound."""
        rows = self._database.read("SELECT text FROM texts WHERE document_id = ?", (document_id,))
        if not rows:
            raise NotFound(_("there is no text of document {name}").format(name=document_id))
        return str(rows[0][0])

    def load(self, document_id: str) -> Document:
        """The whole document, as it was read. Raises NotFound."""
        row = self.get(document_id)
        rows = self._database.read(
            "SELECT t.text, t.sections, d.metadata FROM texts t JOIN documents d ON d.id = t.document_id"
            " WHERE d.id = ?",
            (document_id,),
        )
        if row is None or not rows:
            raise NotFound(_("there is no text of document {name}").format(name=document_id))
        text, sections, metadata = rows[0]
        return Document(
            id=row.id,
            name=row.name,
            text=text,
            sections=tuple(Section(**section) for section in json.loads(sections)),
            metadata=json.loads(metadata),
            media_type=row.media_type,
            source=row.source,
            path=row.path,
        )

    def rows_naming(self, ids: Sequence[str]) -> dict[str, int]:
        """How many rows of each table still name one of the documents."""
        listed = json.dumps(list(ids))
        columns = {"documents": "id", "texts": "document_id", "chunks": "document_id", "indexed": "document_id"}
        return {
            table: int(self._database.read(
                f"SELECT count(*) FROM {table} WHERE {column} IN (SELECT value FROM json_each(?))", (listed,)
            )[0][0])
            for table, column in columns.items()
        }  # fmt: skip

    def sources(self) -> list[tuple[str, int]]:
        """Every source, and the number of its documents that have text, by its name."""
        return [(str(source), int(n)) for source, n in self._database.read(SOURCES)]

    def metadata_keys(self) -> set[str]:
        """Every key that the metadata of some document has."""
        sql = "SELECT DISTINCT each.key FROM documents, json_each(documents.metadata) AS each"
        return {str(row[0]) for row in self._database.read(sql)}

    def count(self) -> int:
        """Documents that have text."""
        return int(self._database.read("SELECT count(*) FROM documents WHERE version > 0")[0][0])

    def count_refused(self) -> int:
        """Documents whose last read was refused."""
        return int(self._database.read("SELECT count(*) FROM documents WHERE reason != ''")[0][0])

    def count_languages(self) -> dict[str, int]:
        """How many documents that have text are in each language, the commonest first."""
        sql = "SELECT language, count(*) FROM documents WHERE version > 0 GROUP BY language ORDER BY 2 DESC, 1"
        return dict(self._database.read(sql))
