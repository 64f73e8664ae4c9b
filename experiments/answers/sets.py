"""Questions with their hits from the real pipeline, and again with every passage that holds the answer left out."""

from __future__ import annotations

import json
import pickle
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qrag_lib.answer.sentences.sentence_scoring import Candidate
from qrag_lib.types import Chunk, Filter, Hits
from qrag_lib.workspace import Workspace

TRAIN = ("squad1-pt-sample",)
TEST = ("faquad-pt", "xquad-en")
K = 10  # passages that `ask` is given
EVERY = {"squad1-pt-sample": 2, "general-en": 1, "faquad-pt": 1, "xquad-en": 1}  # every n-th question, for time


@dataclass(frozen=True)
class Asked:
    """A question, what is gold, its hits, and its hits from a corpus without the gold."""

    id: str
    text: str
    golds: tuple[str, ...]
    relevant: str
    spans: tuple[tuple[int, int], ...]
    hits: Hits
    hits_without: Hits | None

    def holds(self, candidate: Candidate) -> bool:
        """True where the sentence holds the gold answer, or (spans) overlaps half of the gold evidence or itself."""
        if self.golds:
            return holds(candidate.text, self.golds)
        if candidate.document_id != self.relevant:
            return False
        lengths = [(min(candidate.end, end) - max(candidate.start, start), end - start) for start, end in self.spans]
        return any(shared >= 0.5 * min(candidate.end - candidate.start, length) for shared, length in lengths)


def folded(text: str) -> str:
    """NFKC, case and white space folded: how gold answers are compared."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def holds(text: str, golds: tuple[str, ...]) -> bool:
    """True where any gold answer is a substring."""
    return any(gold in folded(text) for gold in golds)


def corpus(data: Path, name: str) -> list[dict[str, Any]]:
    """Records {id, text, title} of a set."""
    if name == "general-en":
        files = sorted((data / "chunking" / name / "docs").glob("*.md"))
        return [{"id": f.name, "text": f.read_text("utf-8"), "metadata": {"title": f.stem}} for f in files]
    return list(_lines(data / "qa" / name / "corpus.jsonl"))


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    yield from map(json.loads, path.read_text("utf-8").splitlines())


def questions(data: Path, name: str) -> list[dict[str, Any]]:
    """Questions of a set with `relevant`; those whose gold answer is in no passage are left out (squad1-pt-sample)."""
    if name == "general-en":
        return [{**q, "relevant": q["doc"]} for q in _lines(data / "chunking" / name / "queries.jsonl")]
    folder = data / "qa" / name
    rows = (line.split("\t") for line in (folder / "qrels.tsv").read_text("utf-8").splitlines()[1:])
    relevant = {row[0]: row[1] for row in rows}
    texts = {record["id"]: record["text"] for record in corpus(data, name)}
    found = [{**q, "relevant": relevant[q["id"]]} for q in _lines(folder / "queries.jsonl")]
    return [q for q in found if holds(texts[q["relevant"]], tuple(map(folded, q["answers"])))][:: EVERY[name]]


def open_set(data: Path, name: str, cache: Path) -> Workspace:
    """The set's corpus, ingested."""
    workspace = Workspace.open(cache / name)
    workspace.ingest(corpus(data, name))
    return workspace


def searched(data: Path, name: str, cache: Path) -> list[Asked]:
    """All questions of a set with their hits; kept in the cache."""
    kept = cache / f"{name}.pickle"
    if kept.exists():
        return list(pickle.loads(kept.read_bytes()))
    with open_set(data, name, cache) as workspace:
        ids = {folded(r["text"]): _id(workspace, r) for r in corpus(data, name)}
        texts = {id: text for text, id in ids.items()}
        named = {r["id"]: ids[folded(r["text"])] for r in corpus(data, name)}
        found = [_asked(workspace, q, named, texts) for q in questions(data, name)]
    kept.write_bytes(pickle.dumps(found))
    return found


def _id(workspace: Workspace, record: dict[str, Any]) -> str:
    return workspace.catalog.documents.find(record["id"]).id


def _asked(workspace: Workspace, question: dict[str, Any], named: dict[str, str], texts: dict[str, str]) -> Asked:
    golds = tuple(map(folded, question.get("answers", ())))
    relevant, spans = named[question["relevant"]], tuple((a, b) for a, b in question.get("spans") or ())
    if not golds:  # evidence is a stretch of a long document: chunks that touch it are left out
        found = workspace.search(question["text"], 4 * K)
        clear = [h for h in found if h.chunk.document_id != relevant or not _touches(h.chunk, spans)]
        hits, without = replace(found, hits=found.hits[:K]), replace(found, hits=tuple(clear[:K]))
        return Asked(question["id"], question["text"], golds, relevant, spans, hits, without)
    hits = workspace.search(question["text"], K)
    holding = [id for id, text in texts.items() if id == relevant or any(gold in text for gold in golds)]
    without = workspace.search(question["text"], K, [Filter("document", "nin", tuple(holding))])
    return Asked(question["id"], question["text"], golds, relevant, spans, hits, without)


def _touches(chunk: Chunk, spans: tuple[tuple[int, int], ...]) -> bool:
    return any(chunk.start < end and chunk.end > start for start, end in spans)


def texts_of(workspace: Workspace) -> Callable[[str], str]:
    """Stored text by document id, read once."""
    known: dict[str, str] = {}

    def text(document_id: str) -> str:
        if document_id not in known:
            known[document_id] = workspace.catalog.documents.text(document_id)
        return known[document_id]

    return text
