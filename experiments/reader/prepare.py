"""Make the examples that the reader is trained on: `python experiments/reader/prepare.py DATA CACHE` (20 minutes)."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

from examples import Posed, across, from_documents, from_passages, lines, maker, nearest

from local_models.embedding.sentence_embedding import open_embedding

FRESH = 1827  # lines of questions.jsonl before those that the last run asked more often
PASSAGES = ("qa-train/squad2-pt", "qa/squad1-pt-sample", "qa/xquad-en", "qa-train/clapnq-en")


def main(data: Path, cache: Path) -> None:
    """Write `qa.pkl`, `written.pkl` and `documents.pkl` into the cache."""
    cache.mkdir(parents=True, exist_ok=True)
    embedding = open_embedding("e5-pt-en")
    sets = {Path(name).name: from_passages(data / name, embedding) for name in PASSAGES}
    sets["across"] = across(data / "qa/xquad-en", data / "qa-train/squad2-pt", embedding)
    (cache / "qa.pkl").write_bytes(pickle.dumps(sets))
    written = {f"written-{language}": from_written(data, language, embedding) for language in ("pt", "en")}
    fresh = {each["text"] for each in lines(Path(__file__).parent / "questions.jsonl")[FRESH:]}
    written |= {
        name.replace("written", "fresh"): [p for p in posed if _text(p) in fresh] for name, posed in written.items()
    }
    (cache / "written.pkl").write_bytes(pickle.dumps(written))
    natural = lines(data / "natural-train/questions.jsonl")
    paths = [data / name for name in sorted({each["document"] for each in natural})]
    documents = {"natural-train": from_documents(natural, paths, cache / "ws-natural-train")}
    general = from_documents(_general(data), [data / "chunking/general-en/docs"], cache / "ws-general-en")
    documents["general-en"] = general
    (cache / "documents.pkl").write_bytes(pickle.dumps(documents))


def from_written(data: Path, language: str, embedding: Any) -> list[Posed]:
    """The questions written for the reader, over their passages; near misses begin with the passage that they miss."""
    questions = lines(Path(__file__).parent / "questions.jsonl")
    mine = [q for q in questions if (q["lang"] == language)]
    passages = {repr((q["source"], q["passage"])): _passage(data, q) for q in mine}
    found = nearest([q["text"] for q in mine], list(passages.values()), embedding)
    posed = []
    for query, near in zip(mine, found, strict=True):
        make, own = maker(query["text"], f"written-{language}"), passages[repr((query["source"], query["passage"]))]
        spans = [(query["answer"][0] - own["at"], query["answer"][1] - own["at"])] if query["answer"] else []
        right = (make(own, spans),) if spans else ()
        wrong = [*([] if right else [own]), *(record for record in near if record is not own)]
        posed.append(Posed(right, tuple(make(record, ()) for record in wrong), f"written-{language}"))
    return posed


def _text(posed: Posed) -> str:
    return (posed.right or posed.wrong)[0].question


def _passage(data: Path, query: dict[str, Any]) -> dict[str, Any]:
    """{title, text, at}: the passage, and where it begins in what its answer's characters count from."""
    if isinstance(query["passage"], str):
        corpus = {record["id"]: record for record in lines(data / query["source"] / "corpus.jsonl")}
        return {**corpus[query["passage"]], "at": 0}
    start, end = query["passage"]
    text = (data / query["source"]).read_text("utf-8", "replace")[start:end]
    return {"title": Path(query["source"]).stem.replace("-", " "), "text": text, "at": start}


def _general(data: Path) -> list[dict[str, Any]]:
    texts = {path.name: path.read_text("utf-8") for path in (data / "chunking/general-en/docs").glob("*.md")}
    asked = []
    for query in lines(data / "chunking/general-en/queries.jsonl"):
        answers = [texts[query["doc"]][start:end] for start, end in query["spans"]]
        about = {"document": query["doc"], "answerable": True, "evidence": answers[0], "answers": answers}
        asked.append({"text": query["text"], **about})
    return asked


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
