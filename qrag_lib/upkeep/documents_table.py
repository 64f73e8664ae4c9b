"""The documents of a workspace as a table."""

from __future__ import annotations

from dataclasses import dataclass

from qrag_lib import show
from qrag_lib.catalog import Catalog, StoredDocument
from qrag_lib.i18n import _, ngettext
from qrag_lib.show.shown_rows import ShownRows


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """One document. state: "ready", "refused", or "stale" (a newer version was refused; the old one answers)."""

    id: str
    name: str
    state: str
    media_type: str
    language: str
    pages: int
    chunks: int
    characters: int
    reason: str = ""
    hint: str = ""


class DocumentTable(ShownRows[DocumentRow]):
    """All documents by name, the refused ones too."""

    def _columns(self) -> list[str]:
        return [_("id"), _("name"), _("state"), _("language"), _("pages"), _("chunks"), _("note")]

    def _cells(self) -> list[tuple[object, ...]]:
        return [(r.id, r.name, _STATES[r.state](), r.language, r.pages, r.chunks, r.reason) for r in self.rows]

    def _title(self) -> str:
        return ngettext("{n} document", "{n} documents", len(self)).format(n=show.number(len(self)))


_STATES = {"ready": lambda: _("ready"), "refused": lambda: _("refused"), "stale": lambda: _("old version")}


def list_documents(catalog: Catalog) -> DocumentTable:
    """Every document that was ever taken or refused and not forgotten."""
    index = catalog.indexes.active()
    counts = catalog.chunks.counts_by_document(index.id) if index else {}
    return DocumentTable(tuple(_row(stored, counts.get(stored.id, 0)) for stored in catalog.documents))


def _row(stored: StoredDocument, n_chunks: int) -> DocumentRow:
    state = ("stale" if stored.version else "refused") if stored.reason else "ready"
    return DocumentRow(
        stored.id,
        stored.name,
        state,
        stored.media_type,
        stored.language,
        stored.n_pages,
        n_chunks,
        stored.n_characters,
        stored.message,
        stored.hint,
    )
