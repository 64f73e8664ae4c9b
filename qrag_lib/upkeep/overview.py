"""A workspace at a glance: what a cell that ends in it shows. A few counts, no model, no error."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from qrag_lib import show
from qrag_lib.catalog import Catalog
from qrag_lib.errors import QragError
from qrag_lib.i18n import _
from qrag_lib.settings import Settings
from qrag_lib.types import IndexConfig


@dataclass(frozen=True)
class Overview:
    """A workspace in a few figures.

    languages: documents by language, the commonest first. index: what made the index that answers; None without
    one. n_pending: documents that it does not hold yet. problem: why nothing could be counted, "" where it could.
    """

    path: str
    embedding_model: str
    n_documents: int = 0
    n_refused: int = 0
    n_chunks: int = 0
    languages: dict[str, int] = field(default_factory=dict)
    index: IndexConfig | None = None
    n_pending: int = 0
    read_only: bool = False
    problem: str = ""

    def _pairs(self) -> list[tuple[str, object]]:
        folder = (_("folder"), self.path + (_(" (read only)") if self.read_only else ""))
        if self.problem:
            return [folder, (_("state"), self.problem)]
        refused = [(_("refused"), self.n_refused)] if self.n_refused else []
        return [
            folder,
            (_("documents"), self.n_documents),
            *refused,
            (_("chunks"), self.n_chunks),
            (_("languages"), ", ".join(_in_words(*each) for each in self.languages.items()) or "-"),
            (_("index"), self._index()),
            (_("embedding model"), self.index.model_id if self.index else self.embedding_model),
            *([] if self.n_documents else [(_("next step"), _next())]),
        ]

    def _index(self) -> str:
        if self.index is None:
            return "-"
        made = f"{self.index.chunk_size} / {self.index.chunk_overlap} {self.index.chunk_unit}"
        if not self.n_pending:
            return made
        return f"{made}; " + _("still to be indexed: {n}").format(n=show.number(self.n_pending))

    def __str__(self) -> str:
        return "\n".join([_("Workspace"), show.table_text(["", ""], self._pairs())])

    def _repr_html_(self) -> str:
        return show.panel_html(_("Workspace"), show.rows_html(self._pairs()), calm=True)._repr_html_()


def overview(path: Path, catalog: Catalog, settings: Settings) -> Overview:
    """A workspace as of its last commit; a closed or damaged one is said to be so."""
    if catalog.database.closed:
        return Overview(str(path), settings.embedding_model, problem=_("closed; Workspace.open opens it again"))
    try:
        return _counted(path, catalog, settings)
    except QragError as error:
        return Overview(str(path), settings.embedding_model, problem=error.message)


def _counted(path: Path, catalog: Catalog, settings: Settings) -> Overview:
    index = catalog.indexes.active()
    return Overview(
        str(path),
        settings.embedding_model,
        n_documents=catalog.documents.count(),
        n_refused=catalog.documents.count_refused(),
        n_chunks=catalog.chunks.count(index.id) if index else 0,
        languages=catalog.documents.count_languages(),
        index=index.config if index else None,
        n_pending=len(catalog.indexes.pending(index.id)) if index else 0,
        read_only=catalog.database.read_only,
    )


def _in_words(language: str, n: int) -> str:
    names = {"pt": _("Portuguese"), "en": _("English"), "und": _("not known")}
    return f"{names.get(language, language)} ({show.number(n)})"


def _next() -> str:
    return _('workspace.ingest("FOLDER") reads the documents of a folder; then workspace.ask("...") asks them')
