"""What a forked process does to a workspace; each job gives a value that JSON can hold."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from qrag_lib.errors import NotFound
from qrag_lib.settings import Settings
from qrag_lib.workspace import Workspace

MODEL = ""
EMBEDDED = ""  # file that every text which enters the network is counted in


def load(model: str) -> None:
    """Load the libraries and the model; forked processes have them."""
    global MODEL
    import torch

    torch.set_num_threads(1)
    import chromadb  # noqa: F401

    MODEL = model
    loaded(model)


def loaded(model: str) -> Any:
    from qrag_lib.models import embedding

    if model not in _EMBEDDINGS:
        _EMBEDDINGS[model] = embedding.open_embedding(model)
        _EMBEDDINGS[model].loaded.network.register_forward_pre_hook(_count, with_kwargs=True)
    return _EMBEDDINGS[model]


_EMBEDDINGS: dict[str, Any] = {}
_stage = ""


def _count(_network: Any, _positional: Any, named: dict[str, Any]) -> None:
    """Before each batch: how many texts are in it, while passages are embedded."""
    if EMBEDDED and _stage == "embed":
        append(EMBEDDED, f"{len(named['input_ids'])}\n")


def append(path: str, line: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, line.encode())
    os.close(descriptor)


def opened(workspace: str, **settings: Any) -> Workspace:
    """The workspace with the model that is loaded already."""
    values = {"chunk_size": 48, "chunk_overlap": 8, "embedding_model": MODEL} | settings
    found = Workspace.open(workspace, settings=Settings(workspace=Path(workspace), **values))
    found.embedders._loaded |= _EMBEDDINGS
    return found


def ingest(
    workspace: str, source: Any, embedded: str = "", mark: str = "", mark_at: str = "", pause: float = 0, **settings: Any
) -> dict[str, Any]:
    """Ingest, counting embedded texts; at the first word of stage `mark_at`, write `mark` and pause."""
    global EMBEDDED
    EMBEDDED = embedded

    def tell(stage: str, done: int, total: int | None = None, seconds: float | None = None) -> None:
        global _stage
        _stage = stage
        if mark and stage == mark_at and done and not Path(mark).exists():
            Path(mark).touch()
            time.sleep(pause)

    with opened(workspace, **settings) as w:
        report = w.ingest(source, on_progress=tell)
        return {
            "added": list(report.added),
            "changed": list(report.changed),
            "deleted": list(report.deleted),
            "unchanged": report.unchanged,
            "embedded": report.n_embedded,
            "refused": [(r.name, r.reason) for r in report.refused],
            "digest": w.catalog.digest(),
        }


def reindex(workspace: str, **settings: Any) -> dict[str, Any]:
    with opened(workspace, **settings) as w:
        report = w.reindex(on_progress=lambda *_told: None)
        return {"embedded": report.n_embedded, "digest": w.catalog.digest()}


def forget(workspace: str, names: list[str]) -> dict[str, Any]:
    with opened(workspace) as w:
        receipt = w.forget(names)
        return {"chunks": receipt.n_chunks, "vectors": receipt.n_vectors, "remaining": receipt.remaining}


def repair(workspace: str) -> list[str]:
    with opened(workspace) as w:
        return [finding.code for finding in w.doctor(repair=True).findings if finding.mended]


def search(workspace: str, questions: list[str], k: int = 5) -> list[Any]:
    """For each question the hits: name, text, score."""
    with opened(workspace) as w:
        return [[(h.chunk.document_name, h.chunk.text, round(h.score, 6)) for h in w.search(q, k)] for q in questions]


def look(workspace: str) -> dict[str, Any]:
    """What a person sees who opens it."""
    with opened(workspace) as w:
        diagnosis = w.doctor()
        return {
            "healthy": diagnosis.healthy,
            "codes": [finding.code for finding in diagnosis.findings],
            "names": [row.name for row in w.documents()],
            "read_only": w.catalog.database.read_only,
        }


def hold(workspace: str, mark: str) -> None:
    """Write to the workspace until killed."""
    from qrag_lib.rag.lock import writer

    with opened(workspace) as w, writer(w.path, "testing"):
        Path(mark).touch()
        time.sleep(600)


def watch(workspace: str, questions: list[str], stop: str) -> dict[str, Any]:
    """Search until `stop` exists, and check every hit against the catalogue of that very moment."""
    n_searches, wrong, seen = 0, [], set()
    with opened(workspace) as w:
        while not Path(stop).exists():
            for question in questions:
                hits = w.search(question, 5)
                n_searches += 1
                for hit in hits:
                    seen.add(hit.chunk.document_name)
                    with suppress(NotFound):  # it may be forgotten between the search and this look
                        if hit.chunk.text not in w.catalog.documents.text(hit.chunk.document_id):
                            wrong.append(hit.chunk.id)
    return {"searches": n_searches, "wrong": wrong, "seen": sorted(seen)}
