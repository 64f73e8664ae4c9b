"""What there is and what it takes: the workspace's state, disk and memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_models.planning.memory import MACHINE
from qrag_lib import show
from qrag_lib.catalog import FILE, Catalog
from qrag_lib.i18n import _
from qrag_lib.ingest.writer_lock import holder
from qrag_lib.settings import Settings
from qrag_lib.stores.dense import DenseIndex
from qrag_lib.types import IndexConfig


@dataclass(frozen=True)
class Status:
    """A workspace in figures. bytes: on the disk, by part. memory_mib: resident in this process.

    index: what the answering index was made with; None in an empty workspace.
    dense_weights: by language, as fitted to the corpus.
    chroma: "" where the vector index is usable, else why it is not; an exact scan then answers.
    writer: who writes at present, "" for nobody.
    model: the address of the language model, as set. models: those on the disk, in bytes.
    workers: the processes that hold a model, in words.
    free_memory_mib: what a model may take; memory_limit: the control group that sets it, or "machine".
    """

    path: str
    read_only: bool
    n_documents: int
    n_refused: int
    n_chunks: int
    generation: int
    index: dict[str, Any] | None
    kept_indexes: int
    dense_weights: dict[str, float]
    chroma: str
    writer: str
    bytes: dict[str, int]
    free_bytes: int
    memory_mib: int
    model: str
    models: dict[str, int]
    workers: tuple[str, ...]
    free_memory_mib: int
    memory_limit: str

    def _pairs(self) -> list[tuple[str, object]]:
        index = self.index or {}
        return [
            (_("workspace"), self.path + (_(" (read only)") if self.read_only else "")),
            (_("documents"), self.n_documents),
            (_("refused"), self.n_refused),
            (_("chunks"), self.n_chunks),
            (_("embedding model"), index.get("model_id", "-")),
            (
                _("chunk size and overlap"),
                "{chunk_size} / {chunk_overlap} {chunk_unit}".format(**index) if index else "-",
            ),
            (_("index made by"), _made_by(index)),
            (_("weight of the dense side"), ", ".join(_weights(self.dense_weights)) or "-"),
            (_("vector index"), self.chroma or _("in order")),
            (_("being written by"), self.writer or _("nobody")),
            (_("commits"), self.generation),
            *((_("disk: {part}").format(part=part), show.size(size)) for part, size in self.bytes.items()),
            (_("disk: free"), show.size(self.free_bytes)),
            (_("memory of this process"), show.size(self.memory_mib << 20)),
            (_("memory that a model may take"), self._free_memory()),
            (_("language model"), self.model),
            *((_("model: {name}").format(name=name), show.size(size)) for name, size in self.models.items()),
            *((_("model in memory"), worker) for worker in self.workers),
        ]

    def _free_memory(self) -> str:
        free = show.size(self.free_memory_mib << 20)
        return free if self.memory_limit == MACHINE else f"{free} ({self.memory_limit})"

    def __str__(self) -> str:
        return show.table_text(["", ""], self._pairs())

    def _repr_html_(self) -> str:
        return show.panel_html(_("Workspace"), show.rows_html(self._pairs()), calm=True)._repr_html_()


def _weights(weights: dict[str, float]) -> list[str]:
    return [f"{language} {show.number(weight, 2)}" for language, weight in weights.items()]


def _made_by(index: dict[str, Any]) -> str:
    if index and IndexConfig(**index).outdated:
        return _("an earlier version: qrag reindex renews it")
    return _("this version") if index else "-"


def status(folder: Path, catalog: Catalog, dense: DenseIndex, settings: Settings) -> Status:
    """The state of a workspace as of its last commit, and of the language models that it may use."""
    import shutil
    from dataclasses import asdict

    from local_models.clients.registry import running
    from local_models.planning.memory import available_memory
    from local_models.planning.plan import allowed
    from qrag_lib.catalog.stored_documents import StoredDocument

    index = catalog.indexes.active()
    stored: list[StoredDocument] = list(catalog.documents)
    memory = available_memory()
    parts = {name: folder / name for name in (FILE, "chroma", "uploads")}
    parts |= {_("models"): settings.models_folder, _("computed prompts"): settings.computed_folder}
    return Status(
        path=str(folder),
        read_only=catalog.database.read_only,
        n_documents=sum(each.version > 0 for each in stored),
        n_refused=sum(bool(each.reason) for each in stored),
        n_chunks=catalog.chunks.count(index.id) if index else 0,
        generation=catalog.generation(),
        index=asdict(index.config) if index else None,
        kept_indexes=max(0, len(catalog.indexes.all()) - 1),
        dense_weights=index.fit["weights"] if index and index.fit else {},
        chroma=dense.problem(index) if index else "",
        writer=holder(folder),
        bytes={name: _size(path) for name, path in parts.items() if path.exists()},
        free_bytes=shutil.disk_usage(folder).free,
        memory_mib=resident_mib(),
        model=settings.model,
        models=dict(_models(settings)),
        workers=tuple(str(worker) for worker in running(settings.models_folder)),
        free_memory_mib=allowed(memory, settings.engine) >> 20,
        memory_limit=memory.place,
    )


def _models(settings: Settings) -> Iterator[tuple[str, int]]:
    """(name, bytes of its files) of each language model on the disk; the embedding model is not one."""
    from local_models.engines.model_choice import installed, name_of

    for path in installed(settings.engine):
        with suppress(OSError):
            files = [path] if path.is_file() else [file for file in path.iterdir() if file.is_file()]
            yield name_of(path), sum(file.stat().st_size for file in files)


def resident_mib() -> int:
    """Resident memory of this process in MiB."""
    import psutil

    return int(psutil.Process().memory_info().rss) >> 20


def _size(path: Path) -> int:
    """Bytes of a file (with its WAL) or of all files below a folder; a writer may remove some meanwhile."""
    with suppress(FileNotFoundError):
        if path.is_dir():
            return sum(_size(entry) for entry in path.iterdir() if not entry.is_symlink())
        wal = path.with_name(path.name + "-wal")
        return path.stat().st_size + (wal.stat().st_size if wal.exists() else 0)
    return 0
