"""Documents out: gone from text, chunks, vectors, index terms and Chroma, with a receipt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from qrag_lib import show
from qrag_lib.i18n import _
from qrag_lib.rag.catalog import Catalog, StoredDocument
from qrag_lib.rag.stores.dense import DenseIndex


@dataclass(frozen=True)
class Receipt:
    """What was removed, and what was looked for afterwards and not found.

    files: originals removed from the workspace. left: originals outside of it, which are not ours.
    remaining: rows that still name one of the documents, by table; all 0.
    """

    documents: tuple[tuple[str, str], ...]
    n_chunks: int
    n_vectors: int
    files: tuple[str, ...]
    left: tuple[str, ...]
    remaining: dict[str, int]
    at: str

    def _pairs(self) -> list[tuple[str, object]]:
        return [
            (_("documents"), ", ".join(f"{name} ({identity})" for identity, name in self.documents)),
            (_("chunks and their index terms"), self.n_chunks),
            (_("vectors that nothing else used"), self.n_vectors),
            (_("files removed"), ", ".join(self.files) or "-"),
            (_("files left, they are yours"), ", ".join(self.left) or "-"),
            (_("rows that still name them"), sum(self.remaining.values())),
            (_("when"), self.at),
        ]

    def __str__(self) -> str:
        return "\n".join([_("Forgotten"), *(f"  {name}: {show.line(value)}" for name, value in self._pairs())])

    def _repr_html_(self) -> str:
        return show.panel_html(_("Forgotten"), show.rows_html(self._pairs()))._repr_html_()


def forget(catalog: Catalog, dense: DenseIndex, names: Sequence[str], uploads: Path) -> Receipt:
    """Remove the documents of those ids or names wholly; only the writer may call this.

    Chroma's folders are built anew, index terms merged, and the catalogue's free pages overwritten
    (SQLite's secure_delete), so that no file of the workspace holds them. Raises NotFound before
    anything is removed.
    """
    found = [catalog.documents.find(name) for name in dict.fromkeys(names)]
    ids = [stored.id for stored in found]
    n_chunks = sum(len(catalog.chunks.of_document(index.id, each)) for index in catalog.indexes.all() for each in ids)
    with catalog.write():
        catalog.chunks.delete(ids)
        catalog.documents.delete(ids)
        n_vectors = catalog.vectors.delete_unused()
    for index in catalog.indexes.all():
        catalog.chunks.purge(index.id)
        if index.published:
            dense.publish(index, anew=True)
    catalog.database.checkpoint()
    files, left = _remove_originals(found, uploads)
    return Receipt(
        documents=tuple((stored.id, stored.name) for stored in found),
        n_chunks=n_chunks,
        n_vectors=n_vectors,
        files=files,
        left=left,
        remaining=catalog.documents.rows_naming(ids),
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _remove_originals(found: Sequence[StoredDocument], uploads: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(removed from the workspace's own uploads, left where they are)."""
    removed, left = [], []
    for path in (Path(stored.path) for stored in found if stored.path):
        if path.resolve().is_relative_to(uploads.resolve()):
            path.unlink(missing_ok=True)
            removed.append(str(path))
        elif path.exists():
            left.append(str(path))
    return tuple(removed), tuple(left)
