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
    from qrag_lib.catalog import Index
    from qrag_lib.workspace import Workspace

QUICK_FILES = 60
FILES = 150  # evenly drawn, for the comparison; ours and the bare loop then take all of them once more
ROUNDS = 2  # of ours and of the bare loop
N_QUESTIONS = 50


def run(*, quick: bool = False) -> list[Result]:
    """Figures of the three on some files of one folder, and of ours and the bare loop on all of them."""
    with TemporaryDirectory(prefix="qrag-bench-") as scratch:
        results = _compared(Path(scratch) / "some", QUICK_FILES if quick else FILES, 1 if quick else ROUNDS)
        return results if quick else [*results, *_whole(Path(scratch) / "all")]


def _compared(scratch: Path, n_files: int, rounds: int) -> list[Result]:
    kilobytes = _copy(find(DOCUMENTS), scratch / "files", n_files)
    files, workspace = str(scratch / "files"), str(scratch / "workspace")
    ours, bare, theirs = [], [], []
    for _round in range(rounds):
        shutil.rmtree(workspace, ignore_errors=True)
        ours.append(fresh(ingest_with_ours, files, workspace))
        bare.append(fresh(embed_alone, workspace))
        theirs.append(fresh(ingest_with_llamaindex, files, workspace))
    again = fresh(ingest_with_ours, files, workspace)
    return _results(kilobytes, ours, bare, theirs, again)


def _whole(scratch: Path) -> list[Result]:
    kilobytes = _copy(find(DOCUMENTS), scratch / "files", None)
    ours = fresh(ingest_with_ours, str(scratch / "files"), str(scratch / "workspace"))
    bare = fresh(embed_alone, str(scratch / "workspace"))
    seconds, loop = ours.value["seconds"], bare.value["seconds"]
    return [
        Result("ingest", "all files", "of the rate of the bare embedding loop", 100 * loop / seconds, "%", "≥ 85"),
        Result("ingest", "all files", "embedded and searchable", kilobytes * ours.value["share"] / seconds, "kB/s"),
        Result("ingest", "all files", "time", seconds, "s"),
        Result("ingest", "all files", "chunks", ours.value["chunks"], ""),
        Result("ingest", "all files", "peak memory", ours.peak_mib, "MiB"),
    ]


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
    from local_models.embedding.sentence_embedding import open_embedding
    from qrag_lib.catalog import Catalog

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
    """Copy so many files of a folder, evenly drawn, or all; returns their kB."""
    target.mkdir(parents=True)
    found = sorted(path for path in folder.iterdir() if path.is_file())
    files = found[:: max(1, len(found) // most)][:most] if most else found
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
    kilobytes: float, ours: Sequence[Outcome], bare: Sequence[Outcome], theirs: Sequence[Outcome], again: Outcome
) -> list[Result]:
    def add(case: str, measure: str, value: float, unit: str = "", target: str = "") -> None:
        results.append(Result("ingest", case, measure, value, unit, target))

    results: list[Result] = []
    walls = {"Q-RAG": median(o.wall_s for o in ours), "LlamaIndex default": median(o.wall_s for o in theirs)}
    walls["embedding loop alone"] = median(o.wall_s for o in bare)
    seconds = {
        "Q-RAG": median(o.value["seconds"] for o in ours),
        "embedding loop alone": median(o.value["seconds"] for o in bare),
        "LlamaIndex default": median(o.value["seconds"] for o in theirs),
    }
    shares = {
        "Q-RAG": ours[0].value["share"],
        "embedding loop alone": 1.0,
        "LlamaIndex default": theirs[0].value["share"],
    }
    peaks = {
        "Q-RAG": max(o.peak_mib for o in ours),
        "embedding loop alone": max(o.peak_mib for o in bare),
        "LlamaIndex default": max(o.peak_mib for o in theirs),
    }
    chunks = {"Q-RAG": ours[0].value["chunks"], "embedding loop alone": bare[0].value["embedded"]}
    chunks["LlamaIndex default"] = theirs[0].value["chunks"]
    rates = {case: kilobytes * shares[case] / seconds[case] for case in seconds}
    add(
        "ingest",
        "kB/s of text embedded whole, of LlamaIndex's",
        rates["Q-RAG"] / rates["LlamaIndex default"],
        "times",
        "≥ 4",
    )
    read = {case: kilobytes / seconds[case] for case in seconds}
    add("ingest", "kB/s of source text, of LlamaIndex's", read["Q-RAG"] / read["LlamaIndex default"], "times")
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
    add("LlamaIndex default", "a query, p50", median(o.value["query_ms"] for o in theirs), "ms")
    add("Q-RAG, nothing changed", "time", again.value["seconds"], "s")
    for stage, spent in ours[-1].value["stages"].items():
        add(f"of that: {stage}", "time", spent, "s")
    return results
