"""The documents of a set as a workspace that is kept, and what it shows for a question."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.machine import ROOT
from benchmarks.natural_counts import Piece, Shown
from benchmarks.natural_sets import document_names, document_path

if TYPE_CHECKING:
    from qrag_lib.settings import Settings
    from qrag_lib.types import Answer, Hits
    from qrag_lib.workspace import Workspace

VECTORS = 1_000  # taken over at a time
FOUND = 10  # passages of the search that are looked at
INDEXED = ("embedding_model", "embedding_query_prefix", "embedding_passage_prefix")
CUT = ("chunk_size", "chunk_overlap", "chunk_unit")
# What an index is made by: a change in it makes another workspace.
SEARCH = ("fusion_weight", "fusion", "lexical", "candidates")
MAKING = ("language", "documents", "catalog", "chunking", "ingest/ingest.py", *(f"search/{n}.py" for n in SEARCH))


def workspace_key(settings: Settings) -> str:
    """12 hexadecimal digits: of the settings of the index, and of the code that makes one."""
    asked = "\n".join(f"{name}={getattr(settings, name)}" for name in (*INDEXED, *CUT))
    return sha256(asked.encode() + b"".join(file.read_bytes() for file in _making())).hexdigest()[:12]


def _making() -> Iterator[Path]:
    for name in MAKING:
        path = ROOT / "qrag_lib" / name
        yield from sorted(path.rglob("*.py")) if path.is_dir() else [path]


@contextmanager
def open_set(name: str, cache: Path) -> Iterator[tuple[Workspace, dict[str, str]]]:
    """The set's documents, ingested once for each key; and the name of each document by its id.

    It is built aside and moved into place when it is whole, so that several runs may share a cache.
    """
    from qrag_lib.settings import load_settings
    from qrag_lib.workspace import Workspace

    paths = {document_path(document): document for document in document_names(name)}
    folder = cache / f"{name}-{workspace_key(load_settings())}"
    if not folder.exists():
        _build(folder, list(paths))
    with Workspace.open(folder, read_only=True) as workspace:
        yield workspace, documents_by_id(workspace, paths)


def _build(folder: Path, paths: list[Path]) -> None:
    from qrag_lib.workspace import Workspace

    aside = folder.with_name(f"{os.getpid()}.{folder.name}")
    with Workspace.open(aside) as workspace:
        for other in folder.parent.glob(f"{folder.name.rpartition('-')[0]}-*"):
            take_vectors(workspace, other)
        workspace.ingest(paths)
    try:
        aside.rename(folder)
    except OSError:  # another run was first
        shutil.rmtree(aside)


def take_vectors(workspace: Workspace, other: Path) -> None:
    """The vectors of another workspace, by model and text: what it has embedded need not be embedded again."""
    from qrag_lib.workspace import Workspace

    with Workspace.open(other, read_only=True) as known, workspace.catalog.write():
        if index := known.catalog.indexes.active():
            for hashes, vectors in known.catalog.vectors.live_batches(index.model_id, index.id, 0, VECTORS):
                workspace.catalog.vectors.put(index.model_id, hashes, vectors)


def documents_by_id(workspace: Workspace, names: Mapping[Path, str]) -> dict[str, str]:
    """The name of each document in the set, by its id in the workspace."""
    wanted = {os.path.realpath(path): name for path, name in names.items()}
    return {each.id: wanted.get(os.path.realpath(each.path or ""), each.name) for each in workspace.catalog.documents}


def ask(workspace: Workspace, question: str, names: Mapping[str, str]) -> Shown:
    """What the workspace shows for the question. names: of the documents, by their ids."""
    started = time.perf_counter()
    answer = workspace.ask(question)
    seconds = time.perf_counter() - started
    return shown(answer, workspace.search(question, FOUND), names, seconds)


def shown(answer: Answer, hits: Hits, names: Mapping[str, str], seconds: float = 0.0) -> Shown:
    """The texts that a person sees."""
    every = [(each.document_id, text) for each in answer.citations for text in (each.quote, each.passage)]
    return Shown(
        outcome=answer.outcome,
        confidence=answer.confidence,
        first=tuple(Piece(names[id], text) for id, text in first_quotes(answer)),
        every=tuple(Piece(names[id], text) for id, text in every),
        found=tuple(_passages(hits, names)),
        seconds=seconds,
    )


def first_quotes(answer: Answer) -> Iterator[tuple[str, str]]:
    """The first sentence of the answer as it is written, and as it is quoted; else the quote marked first."""
    first = answer.sentences[0] if answer.sentences else None
    for each in answer.citations:
        if first is None or each.number in first.citations:
            yield each.document_id, each.quote
            if first is None:
                return
            yield each.document_id, first.text


def _passages(hits: Hits, names: Mapping[str, str]) -> Iterator[tuple[Piece, ...]]:
    """Each passage; one that stands for others with the same text comes from their documents too."""
    for hit in hits:
        ids = (hit.chunk.document_id, *(duplicate.rpartition("#")[0] for duplicate in hit.duplicates))
        yield tuple(Piece(names[id], hit.chunk.text) for id in ids)
