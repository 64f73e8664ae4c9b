"""Folders that documents came from and that are gone: what `ingest` and `doctor` say of them, in the same words."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from qrag_lib.catalog import Catalog
from qrag_lib.documents import printable, unprinted
from qrag_lib.i18n import _, ngettext
from qrag_lib.ingest.sources import located
from qrag_lib.settings import Settings


@dataclass(frozen=True)
class Vanished:
    """A folder or file that is gone, and the number of its documents, which still answer."""

    source: str
    n: int
    workspace: Path

    @property
    def message(self) -> str:
        """What is the case."""
        text = ngettext(
            "{source} is gone; {n} document of it still answers",
            "{source} is gone; {n} documents of it still answer",
            self.n,
        )
        return text.format(source=self.source, n=self.n)

    @property
    def hint(self) -> str:
        """What can be done about it; the command works as it is written."""
        where = "" if self.workspace == Settings.workspace else f" -w {shlex.quote(str(self.workspace))}"
        return _("ingest it at its new place, or remove them: qrag forget {source}").format(
            source=shlex.quote(self.source) + where
        )


def vanished(catalog: Catalog) -> list[Vanished]:
    """Every source that is gone and has documents that answer, by its name."""
    folder = catalog.database.path.parent
    return [Vanished(source, n, folder) for source, n in catalog.documents.sources() if is_gone(source)]


def find_vanished(catalog: Catalog, path: str | Path) -> Vanished | None:
    """What is gone at a path, None where something is there or no document came from it."""
    source = printable(str(located(path)))
    n = sum(bool(stored.version) for stored in catalog.documents.of_source(source)) if is_gone(source) else 0
    return Vanished(source, n, catalog.database.path.parent) if n else None


def is_gone(source: str) -> bool:
    """Whether there is no file or folder where this one was; a source that names neither is never gone."""
    return Path(source).is_absolute() and not os.path.lexists(unprinted(source))
