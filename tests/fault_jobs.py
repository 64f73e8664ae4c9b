"""What a forked process does to a workspace; each job gives a value that JSON can hold."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

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
    from local_models.embedding import sentence_embedding

    if model not in _EMBEDDINGS:
        opened = sentence_embedding.open_embedding(model)
        opened._transformer = replace(opened.loaded, network=_Counted(opened.loaded.network))
        _EMBEDDINGS[model] = opened
    return _EMBEDDINGS[model]


_EMBEDDINGS: dict[str, Any] = {}
_stage = ""


class _Counted:
    """A network, and before each batch how many texts are in it, while passages are embedded."""

    def __init__(self, network: Any) -> None:
        self.network, self.device = network, network.device

    def __call__(self, **named: Any) -> Any:
        if EMBEDDED and _stage == "embed":
            append(EMBEDDED, f"{len(named['input_ids'])}\n")
        return self.network(**named)


def append(path: str, line: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, line.encode())
    os.close(descriptor)


def opened(workspace: str, **settings: Any) -> Workspace:
    """The workspace with the model that is loaded already."""
    values = {"chunk_size": 48, "chunk_overlap": 8, "embedding_model": MODEL} | settings
    found = Workspace.open(workspace, settings=Settings(workspace=Path(workspace), **values))
    found.embedders._loaded |= {(address, "", ""): model for address, model in _EMBEDDINGS.items()}
    return found


def ingest(
    workspace: str,
    source: Any,
    embedded: str = "",
    mark: str = "",
    mark_at: str = "",
    pause: float = 0,
    **settings: Any,
) -> dict[str, Any]:
    """Ingest, counting embedded texts; at the first word of stage `mark_at`, write `mark` and pause."""
    global EMBEDDED
    EMBEDDED = embedded
    with opened(workspace, **settings) as w:
        report = w.ingest(source, on_progress=telling(mark, mark_at, pause))
        return {
            "added": list(report.added),
            "changed": list(report.changed),
            "deleted": list(report.deleted),
            "unchanged": report.unchanged,
            "embedded": report.n_embedded,
            "refused": [(r.name, r.reason) for r in report.refused],
            "digest": w.catalog.digest(),
        }


def ingest_through_interrupts(workspace: str, source: Any, mark: str) -> dict[str, Any]:
    """Ingest as a person in a notebook would: after Ctrl-C, run the cell again in the same kernel."""
    n_interrupts = 0
    with opened(workspace) as w:
        Path(mark).touch()
        while True:
            try:
                w.ingest(source, on_progress=lambda *_told: None)
                return {"digest": w.catalog.digest(), "interrupts": n_interrupts}
            except KeyboardInterrupt:
                n_interrupts += 1


def telling(mark: str, mark_at: str, pause: float) -> Callable[..., None]:
    """What is told of progress: notes the stage; when `mark_at` has done something, writes `mark` and pauses."""

    def tell(stage: str, done: int, total: int | None = None, seconds: float | None = None) -> None:
        global _stage
        _stage = stage
        if mark and stage == mark_at and done and not Path(mark).exists():
            Path(mark).touch()
            time.sleep(pause)

    return tell


def reindex(workspace: str, mark: str = "", mark_at: str = "", pause: float = 0, **settings: Any) -> dict[str, Any]:
    with opened(workspace, **settings) as w:
        report = w.reindex(on_progress=telling(mark, mark_at, pause))
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


def quotes(workspace: str, questions: list[str]) -> list[list[str]]:
    """For each question what an answer quotes, however unsure."""
    with opened(workspace) as w:
        return [[c.quote for c in w.ask(q, threshold=0).citations] for q in questions]


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
    from qrag_lib.ingest.writer_lock import writer

    with opened(workspace) as w, writer(w.path, "testing"):
        Path(mark).touch()
        time.sleep(600)


def watch(workspace: str, questions: list[str], stop: str) -> dict[str, Any]:
    """Search and ask until `stop` exists, six times at least; where nobody committed meanwhile, check each quote."""
    n_checked, wrong, seen = 0, [], set()
    with opened(workspace) as w:
        while n_checked < 6 or not Path(stop).exists():
            for question in questions:
                before = w.catalog.generation()
                hits, citations = w.search(question, 5), w.ask(question, threshold=0).citations
                seen |= {hit.chunk.document_name for hit in hits}
                quoted = [(h.chunk.document_id, h.chunk.start, h.chunk.end, h.chunk.text) for h in hits]
                quoted += [(c.document_id, c.start, c.end, c.quote) for c in citations]
                with w.catalog.snapshot():
                    if w.catalog.generation() == before:
                        n_checked += 1
                        wrong += [each for each in quoted if not stands(w, *each)]
    return {"checked": n_checked, "wrong": wrong, "seen": sorted(seen)}


def stands(w: Workspace, document_id: str, start: int, end: int, quote: str) -> bool:
    """Whether the document is there and holds the quote in that place."""
    return w.catalog.documents.get(document_id) is not None and w.passage(document_id, start, end) == quote
