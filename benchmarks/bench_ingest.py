"""How fast a folder becomes searchable, beside LlamaIndex's default pipeline and the bare embedding loop.

Each in a process of its own, in turns. A kilobyte counts when the model has read all of it and it
can be found. The clock of each begins when its model is loaded and has embedded a first text.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks.llamaindex import DefaultPipeline, timed_queries
from benchmarks.material import DOCUMENTS, find
from benchmarks.processes import Outcome, fresh
from benchmarks.report import Result
from qrag_lib.progress import quiet

if TYPE_CHECKING:
    from qrag_lib.rag.catalog import Index
    from qrag_lib.workspace import Workspace

QUICK_FILES = 60
ROUNDS = 3  # of ours and of the bare loop
N_QUESTIONS = 50


def run(*, quick: bool = False) -> list[Result]:
    """Figures of the three on the files of one folder."""
    folder = find(DOCUMENTS)
    with TemporaryDirectory(prefix="qrag-bench-") as scratch:
        files = Path(scratch) / "files"
        kilobytes = _copy(folder, files, QUICK_FILES if quick else None)
        workspace = str(Path(scratch) / "workspace")
        ours, bare = [], []
        for _round in range(1 if quick else ROUNDS):
            shutil.rmtree(workspace, ignore_errors=True)
            ours.append(fresh(ingest_with_ours, str(files), workspace))
            bare.append(fresh(embed_alone, workspace))
        theirs = fresh(ingest_with_llamaindex, str(files), workspace)
        again = fresh(ingest_with_ours, str(files), workspace)
    return _results(kilobytes, ours, bare, theirs, again)


def ingest_with_ours(folder: str, workspace: str) -> dict[str, Any]:
    """Seconds of `Workspace.ingest`, and what of the text the model has read."""
    from qrag_lib.workspace import Workspace

    with Workspace.open(workspace) as opened:
        opened.embedders.load(opened.settings.embedding_model).encode(["warm"])
        started = time.perf_counter()
        report = opened.ingest(folder, on_progress=quiet)
        seconds = time.perf_counter() - started
        index = opened.catalog.indexes.active()
        assert index is not None
        read, held = _coverage(opened, index)
        return {
            "seconds": seconds,
            "share": read / held,
            "chunks": opened.catalog.chunks.count(index.id),
            "embedded": report.n_embedded,
            "stages": dict(report.seconds),
        }


def embed_alone(workspace: str) -> dict[str, Any]:
    """Seconds of embedding the very texts of the workspace's chunks, and nothing else."""
    from qrag_lib.models.embedding import open_embedding
    from qrag_lib.rag.catalog import Catalog

    catalog = Catalog(Path(workspace) / "catalog.db", read_only=True)
    index = catalog.indexes.active()
    assert index is not None
    texts = {chunk.embedded_text for chunk in catalog.chunks.get(catalog.chunks.rows(index.id)).values()}
    catalog.close()
    embedding = open_embedding(index.config.model)
    embedding.encode(["warm"])
    started = time.perf_counter()
    embedding.encode(sorted(texts))
    return {"seconds": time.perf_counter() - started, "embedded": len(texts)}


def ingest_with_llamaindex(folder: str, workspace: str) -> dict[str, Any]:
    """Seconds of its default pipeline, what of the text its model has read, and the milliseconds of a query."""
    pipeline = DefaultPipeline()
    pipeline.embedding.get_text_embedding("warm")
    started = time.perf_counter()
    documents = pipeline.read(sorted(Path(folder).iterdir()))
    pipeline.build(documents)
    seconds = time.perf_counter() - started
    took = timed_queries(pipeline, _questions(workspace))
    return {
        "seconds": seconds,
        "share": pipeline.embedded_characters() / sum(len(document.text) for document in documents),
        "chunks": len(pipeline.chunks()),
        "query_ms": 1000 * median(took),
    }


def _copy(folder: Path, target: Path, most: int | None) -> float:
    """Copy the first files of a folder; returns their kB."""
    target.mkdir()
    files = sorted(path for path in folder.iterdir() if path.is_file())[:most]
    for file in files:
        shutil.copy(file, target)
    return sum(file.stat().st_size for file in files) / 1000


def _coverage(workspace: Workspace, index: Index) -> tuple[int, int]:
    """(characters that the model has read, characters that are not space) of all documents."""
    embedding = workspace.embedders.of(index)
    room = embedding.max_tokens - embedding.overhead_tokens
    read = held = 0
    for document in workspace.catalog.documents:
        if not document.version:
            continue
        text = workspace.catalog.documents.text(document.id)
        held += sum(not c.isspace() for c in text)
        chunks = [chunk for _row, chunk in workspace.catalog.chunks.of_document(index.id, document.id)]
        pieces = embedding.token_spans_many([chunk.embedded_text for chunk in chunks])
        whole = [chunk for chunk, spans in zip(chunks, pieces, strict=True) if len(spans) <= room]
        kept = _kept(text, [(chunk.start, chunk.end) for chunk in whole])
        read += sum(not c.isspace() for c in kept)
    return read, held


def _kept(text: str, spans: Sequence[tuple[int, int]]) -> str:
    parts, reached = [], 0
    for start, end in sorted(spans):
        parts.append(text[max(start, reached) : max(end, reached)])
        reached = max(reached, end)
    return "".join(parts)


def _questions(workspace: str) -> list[str]:
    from qrag_lib.workspace import Workspace

    with Workspace.open(workspace, read_only=True) as opened:
        return [question.text for question in opened.make_questions(N_QUESTIONS)]


def _results(
    kilobytes: float, ours: Sequence[Outcome], bare: Sequence[Outcome], theirs: Outcome, again: Outcome
) -> list[Result]:
    def add(case: str, measure: str, value: float, unit: str = "", target: str = "") -> None:
        results.append(Result("ingest", case, measure, value, unit, target))

    results: list[Result] = []
    walls = {"Q-RAG": median(o.wall_s for o in ours), "LlamaIndex default": theirs.wall_s}
    walls["embedding loop alone"] = median(o.wall_s for o in bare)
    seconds = {
        "Q-RAG": median(o.value["seconds"] for o in ours),
        "embedding loop alone": median(o.value["seconds"] for o in bare),
        "LlamaIndex default": theirs.value["seconds"],
    }
    shares = {"Q-RAG": ours[0].value["share"], "embedding loop alone": 1.0, "LlamaIndex default": theirs.value["share"]}
    peaks = {
        "Q-RAG": max(o.peak_mib for o in ours),
        "embedding loop alone": max(o.peak_mib for o in bare),
        "LlamaIndex default": theirs.peak_mib,
    }
    chunks = {"Q-RAG": ours[0].value["chunks"], "embedding loop alone": bare[0].value["embedded"]}
    chunks["LlamaIndex default"] = theirs.value["chunks"]
    rates = {case: kilobytes * shares[case] / seconds[case] for case in seconds}
    add(
        "ingest",
        "kB/s of text embedded whole, of LlamaIndex's",
        rates["Q-RAG"] / rates["LlamaIndex default"],
        "times",
        "≥ 4",
    )
    add(
        "ingest",
        "of the rate of the bare embedding loop",
        100 * seconds["embedding loop alone"] / seconds["Q-RAG"],
        "%",
        "≥ 85",
    )
    for case in seconds:
        add(case, "embedded and searchable", rates[case], "kB/s")
        add(case, "of the text embedded", 100 * shares[case], "%")
        add(case, "time", seconds[case], "s")
        add(case, "with start-up and check", walls[case], "s")
        add(case, "peak memory", peaks[case], "MiB")
        add(case, "chunks", chunks[case])
    add("LlamaIndex default", "a query, p50", theirs.value["query_ms"], "ms")
    add("Q-RAG, nothing changed", "time", again.value["seconds"], "s")
    for stage, spent in ours[-1].value["stages"].items():
        add(f"of that: {stage}", "time", spent, "s")
    return results
