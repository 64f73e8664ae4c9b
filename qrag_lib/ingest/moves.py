"""Files that have another name or place now: known again by their content, so that nothing answers twice."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePath

from qrag_lib.catalog import Catalog, StoredDocument
from qrag_lib.catalog.stored_documents import content_hash
from qrag_lib.documents import unprinted
from qrag_lib.ingest.sources import file_id
from qrag_lib.types import Document


@dataclass
class Moves:
    """The moves of one ingest. paths: (before, now) of each document that was known again."""

    catalog: Catalog
    index_id: str
    paths: list[tuple[str, str]] = field(default_factory=list)

    def take(self, document: Document, stamp: str) -> bool:
        """Give a new file the document that it was before, with its chunks and vectors; False where it was none.

        That is one of the same text and metadata whose own file is gone; of several, the one of the same name.
        """
        twins = self._gone.get(content_hash(document), []) if document.path else []
        settled = [t for t in twins if self.catalog.chunks.holds(self.index_id, t.id, t.content)]
        if not settled or document.path is None:
            return False
        before = min(settled, key=lambda twin: -len(_common_end(twin.path or "", document.path or "")))
        twins.remove(before)
        with self.catalog.write():
            self.catalog.documents.move(before.id, document, stamp=stamp)
        self.paths.append((before.path or "", document.path))
        return True

    def superseded(self, seen: Collection[str]) -> Iterator[tuple[StoredDocument, StoredDocument]]:
        """(old, new) of the other files of a folder that was renamed: those of the same place in it, edited since.

        seen: ids that came in this ingest.
        """
        for folder, now in {pair for paths in self.paths if (pair := _renamed_folder(*paths))}:
            for old in self.catalog.documents.of_source(folder):
                new = self.catalog.documents.get(file_id(f"{now}/{(old.path or '').removeprefix(f'{folder}/')}"))
                if old.path and new and new.version and new.id in seen and not os.path.lexists(unprinted(old.path)):
                    yield old, new

    @cached_property
    def _gone(self) -> dict[str, list[StoredDocument]]:
        """The documents whose files are gone, by their content."""
        found = defaultdict(list)
        for stored in self.catalog.documents:
            if stored.path and stored.version and not os.path.lexists(unprinted(stored.path)):
                found[stored.content].append(stored)
        return found


def _common_end(one: str, other: str) -> tuple[str, ...]:
    """The parts of two paths that are the same, counted from the end."""
    same = []
    for part, twin in zip(reversed(PurePath(one).parts), reversed(PurePath(other).parts), strict=False):
        if part != twin:
            break
        same.append(part)
    return tuple(reversed(same))


def _renamed_folder(before: str, now: str) -> tuple[str, str] | None:
    """The topmost folder above a moved file that is gone, and what it is called now; None where it is still there.

    >>> _renamed_folder("/nowhere/fs/a/x.txt", "/nowhere/fs2/a/x.txt")
    ('/nowhere/fs', '/nowhere/fs2')
    """
    rest = list(_common_end(before, now))
    old = PurePath(*PurePath(before).parts[: len(PurePath(before).parts) - len(rest)])
    new = PurePath(*PurePath(now).parts[: len(PurePath(now).parts) - len(rest)])
    while rest and os.path.lexists(unprinted(str(old))):
        old, new = old / rest[0], new / rest.pop(0)
    return (str(old), str(new)) if rest else None
