"""Documents out: gone from text, chunks, vectors, index terms and Chroma, with a receipt."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from qrag_lib import show
from qrag_lib.catalog import Catalog, StoredDocument
from qrag_lib.documents import printable, unprinted
from qrag_lib.errors import NotFound, WorkspaceReadOnly
from qrag_lib.i18n import _
from qrag_lib.ingest.sources import located
from qrag_lib.stores.dense import DenseIndex


@dataclass(frozen=True)
class Receipt:
    """What was removed, and what was looked for afterwards and not found.

    files: originals removed from the workspace. left: originals outside of it, which are not ours.
    remaining: rows that still name one of the documents, by table, and bytes of SQLite's log that an
    open reader keeps until it is done; all 0.
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
    """Remove the documents of those ids or names, or of those folders, wholly; only the writer may call this.

    Chroma's folders are built anew, index terms merged, and the catalogue's free pages overwritten
    (SQLite's secure_delete), so that no file of the workspace holds them. Raises NotFound before
    anything is removed.
    """
    found = list({stored.id: stored for name in names for stored in _named(catalog, name)}.values())
    ids = [stored.id for stored in found]
    n_chunks = sum(len(catalog.chunks.of_document(index.id, each)) for index in catalog.indexes.all() for each in ids)
    files, left = _remove_originals(found, uploads)
    with catalog.write():
        catalog.chunks.delete(ids)
        catalog.documents.delete(ids)
        n_vectors = catalog.vectors.delete_unused()
        catalog.owe(purge=True)
    in_log = purge(catalog, dense)
    return Receipt(
        documents=tuple((stored.id, stored.name) for stored in found),
        n_chunks=n_chunks,
        n_vectors=n_vectors,
        files=files,
        left=left,
        remaining={**catalog.documents.rows_naming(ids), "log": in_log},
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _named(catalog: Catalog, name: str) -> list[StoredDocument]:
    """The document of that id or name, or those that came from the folder of that path, gone or not."""
    try:
        return [catalog.documents.find(name)]
    except NotFound:
        below = catalog.documents.of_source(printable(str(located(name))))
        if not below:
            raise
        return below


def purge(catalog: Catalog, dense: DenseIndex) -> int:
    """Remove every byte of what was deleted; returns bytes of the log that a reader kept from being emptied.

    The next writer calls it again where it was stopped.
    """
    for index in catalog.indexes.all():
        catalog.chunks.purge(index.id)
        if index.published:
            dense.publish(index, anew=True)
    in_log = catalog.database.checkpoint()
    if not in_log:
        with catalog.write(visible=False):
            catalog.owe(purge=False)
    return in_log


def _remove_originals(found: Sequence[StoredDocument], uploads: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(removed from the workspace's own uploads, left where they are), before anything else: a forget that is
    stopped can be run again, while an original that stays behind would come back.
    """
    removed, left = [], []
    for name, path in ((stored.path, Path(unprinted(stored.path))) for stored in found if stored.path):
        if path.parent.resolve().is_relative_to(uploads.resolve()):
            _unlink(path)
            removed.append(name)
        elif os.path.lexists(path):
            left.append(name)
    return tuple(removed), tuple(left)


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise WorkspaceReadOnly(
            _("{path} cannot be removed: {error}").format(path=printable(str(path)), error=error.strerror),
            hint=_("give yourself the right to remove it, then run this again"),
        ) from error
