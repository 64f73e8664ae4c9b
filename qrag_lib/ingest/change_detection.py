"""What of a source has to be indexed: the new and the changed; the rest is known, refused or vanished."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from qrag_lib.catalog import Catalog, StoredDocument
from qrag_lib.catalog.stored_documents import content_hash
from qrag_lib.documents import FoundFile, Reader, printable, refusal_of, unprinted
from qrag_lib.errors import DocumentRefused
from qrag_lib.i18n import _, ngettext
from qrag_lib.ingest.moves import Moves
from qrag_lib.ingest.sources import Item, Source, file_id
from qrag_lib.types import Document, Refusal, text_hash

READER = "1"  # part of every stamp: raise it when readers give other text than before
TICK_NS = 20_000_000  # more than the coarsest clock that Linux stamps files with, 10 ms
_SURROGATE = re.compile("[\ud800-\udfff]")  # cannot be stored; one character for one keeps offsets true

Changed = tuple[Document, str]  # and the stamp of its file


@dataclass
class Intake:
    """Goes through the items of one source. Refusals are stored at once; nothing else is written here
    but that a document is unchanged.

    seen: ids that came. unread: refusals that may hide documents.
    """

    catalog: Catalog
    index_id: str
    unchanged: int = 0
    seen: set[str] = field(default_factory=set)
    unread: list[Refusal] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)  # names that came in a renamed folder with another content
    moves: Moves = field(init=False)

    def __post_init__(self) -> None:
        self.moves = Moves(self.catalog, self.index_id)

    def look(self, item: Item, source: Source, reader: Reader) -> Changed | None:
        """The document and the stamp of its file where it has to be indexed, else None."""
        if isinstance(item, Refusal):
            self.unread.append(item)
            self._refuse(source.id_of(item), item, source.key)
            return None
        if isinstance(item, Document):
            return self._document(replace(item, text=_SURROGATE.sub("\ufffd", item.text)))
        return self._file(item, source, reader)

    def _file(self, file: FoundFile, source: Source, reader: Reader) -> Changed | None:
        path = printable(str(file.path))
        identity, stamp = file_id(path), stamp_of(file)
        if identity in self.seen:
            return None  # named twice: alone and by its folder
        under_limits = stamp and f"{stamp}:{text_hash(repr(reader.limits))[:8]}"  # a refusal may not hold under others
        stored = self.catalog.documents.get(identity)
        if stored and stamp and stored.stamp == (under_limits if stored.reason else stamp) and self._settled(stored):
            self._keep(stored)
            return None
        try:
            document = reader.read(file.path, name=file.name, id=identity, source=source.key)
        except DocumentRefused as error:
            self._refuse(identity, refusal_of(file.name, error), source.key, path, under_limits)
            return None
        return self._unless_known(document, stamp)

    def _document(self, document: Document) -> Changed | None:
        """The document, unless it is empty, came before, or another source that is still there has its id."""
        if document.id in self.seen:
            message = _("the id {id} came twice; the first one is kept").format(id=document.id)
            self.refused.append(Refusal(document.name, "broken", message))
            return None
        if not document.text.strip():
            message = _("the document {id} holds no text").format(id=document.id)
            self._refuse(document.id, Refusal(document.name, "empty", message), document.source)
            return None
        stored = self.catalog.documents.get(document.id)
        if stored and stored.source != document.source and _is_there(stored.source):
            message = _("the id {id} belongs to a document of {source}").format(id=document.id, source=stored.source)
            hint = _("give it another id, or forget that document first")
            self.refused.append(Refusal(document.name, "broken", message, hint))
            return None
        return self._unless_known(document, "")

    def _unless_known(self, document: Document, stamp: str) -> Changed | None:
        stored = self.catalog.documents.get(document.id)
        if stored is None and self.moves.take(document, stamp):
            self.seen.add(document.id)
            self.moved.append(document.name)
            return None
        if stored is None or stored.content != content_hash(document) or not self._settled(stored):
            self.seen.add(document.id)
            return document, stamp
        name = stored.name if stored.path else document.name  # a file keeps the name it was first found by
        if (stored.stamp, stored.reason, stored.name, stored.source) != (stamp, "", name, document.source):
            with self.catalog.write():
                self.catalog.documents.renew(stored.id, name=name, source=document.source, stamp=stamp)
        self._keep(replace(stored, reason=""))
        return None

    def _settled(self, stored: StoredDocument) -> bool:
        return bool(stored.reason) or self.catalog.chunks.holds(self.index_id, stored.id, stored.content)

    def _keep(self, stored: StoredDocument) -> None:
        self.seen.add(stored.id)
        if stored.refusal is not None:
            self.refused.append(stored.refusal)
        else:
            self.unchanged += 1

    def _refuse(self, identity: str, refusal: Refusal, source: str, path: str | None = None, stamp: str = "") -> None:
        self.seen.add(identity)
        self.refused.append(refusal)
        with self.catalog.write():
            self.catalog.documents.put_refusal(identity, refusal, source=source, path=path, stamp=stamp)

    def delete_superseded(self) -> None:
        """Delete the old versions of files that were edited in a folder that was renamed as well."""
        pairs = list(self.moves.superseded(self.seen))
        if pairs:
            with self.catalog.write():
                self.catalog.chunks.delete([old.id for old, _new in pairs])
                self.catalog.documents.delete([old.id for old, _new in pairs])
        self.replaced += [new.name for _old, new in pairs]

    def delete_missing(self, source: Source) -> None:
        """Delete what the workspace holds of the source and did not come; call when all of it has come.

        An empty source deletes nothing, and a folder or record that cannot be read nothing behind it.
        """
        missing = [stored for stored in self.catalog.documents.of_source(source.key) if stored.id not in self.seen]
        if missing and not self.seen:
            text = ngettext(
                "the source is empty; {n} document of it was kept: qrag forget removes it",
                "the source is empty; {n} documents of it were kept: qrag forget removes them",
                len(missing),
            )
            self.notes.append(text.format(n=len(missing)))
            return
        gone = [stored for stored in missing if not any(source.hides(refusal, stored) for refusal in self.unread)]
        if n_hidden := len(missing) - len(gone):
            text = ngettext(
                "{n} document was kept, for part of the source cannot be read: {names}",
                "{n} documents were kept, for part of the source cannot be read: {names}",
                n_hidden,
            )
            names = ", ".join(refusal.name for refusal in self.unread[:3])
            self.notes.append(text.format(n=n_hidden, names=names))
        with self.catalog.write():
            self.catalog.chunks.delete([stored.id for stored in gone])
            self.catalog.documents.delete([stored.id for stored in gone])
        self.deleted += [stored.name for stored in gone if stored.version]


def _is_there(source: str) -> bool:
    """Whether a source is a file or folder that exists."""
    return Path(source).is_absolute() and Path(unprinted(source)).exists()


def stamp_of(file: FoundFile) -> str:
    """What tells that a file is the one that was read: size, times and the readers' version.

    "" where it was written just now: the clock of a file system ticks every few milliseconds, and
    what is written within the same tick would look the same.
    """
    try:
        changed_ns = file.path.stat(follow_symlinks=False).st_ctime_ns
    except OSError:
        return ""
    return "" if time.time_ns() - changed_ns < TICK_NS else f"{file.size}:{file.mtime_ns}:{changed_ns}:{READER}"
