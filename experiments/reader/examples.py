"""What the reader is trained on: questions with the passages that answer them, and passages that nearly do.

Every example is a question, a passage under its headings, and the spans of the passage that answer; none
where it does not. Passages that nearly answer come from searches: the nearest by the embedder's cosine
that hold no accepted answer.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from local_models.embedding.embedder import Embedder
from qrag_lib.settings import Settings
from qrag_lib.workspace import Workspace

Span = tuple[int, int]
NEAR = 20  # passages that a search brings, to choose wrong ones from


@dataclass(frozen=True)
class Example:
    """A question and a passage. spans: of the passage's text; none where it does not answer. source: the set."""

    question: str
    headings: str
    text: str
    spans: tuple[Span, ...]
    source: str


@dataclass(frozen=True)
class Posed:
    """A question with all that may be read for it: passages that answer, and wrong ones, the nearest first."""

    right: tuple[Example, ...]
    wrong: tuple[Example, ...]
    source: str
    document: str = ""


def lines(path: Path) -> list[dict[str, Any]]:
    """The records of a `.jsonl` file."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


# -- sets of questions over passages ----------------------------------------------------------


def from_passages(folder: Path, embedding: Embedder) -> list[Posed]:
    """The questions of a set {corpus, queries, qrels}, its unanswerable ones with the passage that comes nearest."""
    corpus = {record["id"]: record for record in lines(folder / "corpus.jsonl")}
    rows = (line.split("\t") for line in (folder / "qrels.tsv").read_text("utf-8").splitlines()[1:])
    gold = {row[0]: row[1] for row in rows}
    asked = [q for q in lines(folder / "queries.jsonl") if q["id"] in gold or q.get("near")]
    near = nearest([q["text"] for q in asked], list(corpus.values()), embedding)
    posed = []
    for query, found in zip(asked, near, strict=True):
        make = maker(query["text"], folder.name)
        relevant = gold.get(query["id"])
        spans = [(a, b) for a, b in query.get("spans", ()) if b > a]
        right = (make(corpus[relevant], spans),) if relevant and spans else ()
        first = [corpus[query["near"]]] if query.get("near") in corpus else []
        others = [r for r in found if r["id"] != relevant and not _holds(r["text"], query.get("answers") or ())]
        if right or first:
            posed.append(Posed(right, tuple(make(r, ()) for r in [*first, *others]), folder.name, relevant or ""))
    return posed


def across(english: Path, portuguese: Path, embedding: Embedder) -> list[Posed]:
    """Each question of two sets of the same questions, over the passage and the passages of the other language."""
    sides = [from_passages(folder, embedding) for folder in (english, portuguese)]
    ids = [{q["text"]: q["id"] for q in lines(folder / "queries.jsonl")} for folder in (english, portuguese)]
    named = [{ids[n][p.right[0].question]: p for p in side if p.right} for n, side in enumerate(sides)]
    both = named[0].keys() & named[1].keys()
    return [
        _asked_in(named[a][name].right[0].question, named[b][name])
        for name in sorted(both)
        for a, b in ((0, 1), (1, 0))
    ]


def _asked_in(question: str, posed: Posed) -> Posed:
    def again(examples: Sequence[Example]) -> tuple[Example, ...]:
        return tuple(Example(question, e.headings, e.text, e.spans, "across") for e in examples)

    return Posed(again(posed.right), again(posed.wrong), "across", posed.document)


def nearest(
    questions: Sequence[str], records: Sequence[dict[str, Any]], embedding: Embedder
) -> list[list[dict[str, Any]]]:
    """For each question the NEAR records whose vectors are nearest."""
    passages = embedding.encode([f"{r.get('title', '')}\n{r['text']}" for r in records])
    scores = embedding.encode(list(questions), kind="query") @ passages.T
    return [[records[i] for i in np.argsort(-row)[:NEAR]] for row in scores]


def maker(question: str, source: str) -> Callable[[dict[str, Any], Sequence[Span]], Example]:
    """Makes examples of one question from records {title, text}."""
    return lambda record, spans: Example(question, record.get("title", ""), record["text"], tuple(spans), source)


# -- questions over documents, with evidence ----------------------------------------------------


def from_documents(questions: Sequence[dict[str, Any]], paths: Sequence[Path], folder: Path) -> list[Posed]:
    """Questions {text, document, evidence, answers, answerable}, over the chunks that the library's search finds."""
    settings = Settings(workspace=folder, embedding_model="e5-pt-en")
    name = folder.name.removeprefix("ws-")
    with Workspace.open(folder, settings=settings) as workspace:
        workspace.ingest(paths[0] if len(paths) == 1 else list(paths))
        return [p for q in questions if (p := _over_documents(q, workspace, name)) is not None]


def _over_documents(query: dict[str, Any], workspace: Workspace, source: str) -> Posed | None:
    hits = [hit.chunk for hit in workspace.search(query["text"], k=NEAR)]
    right, wrong = [], []
    for chunk in hits:
        record = {"title": " > ".join(chunk.headings), "text": chunk.text}
        spans = find_spans(chunk.text, query) if query["answerable"] else []
        (right if spans else wrong).append(maker(query["text"], source)(record, spans))
    if query["answerable"] and not right:
        chunk = _holding(query, workspace)
        if chunk is None:
            return None
        record = {"title": " > ".join(chunk.headings), "text": chunk.text}
        right = [maker(query["text"], source)(record, find_spans(chunk.text, query))]
    return Posed(tuple(right), tuple(wrong), source, query["document"])


def _holding(query: dict[str, Any], workspace: Workspace) -> Any:
    hits = workspace.search(query["evidence"][:400], k=NEAR)
    return next((hit.chunk for hit in hits if find_spans(hit.chunk.text, query)), None)


def find_spans(text: str, query: dict[str, Any]) -> list[Span]:
    """Where the answers stand within the evidence in a text, or the evidence itself; white space and marks folded."""
    evidence = _find(text, query["evidence"])
    found = [(a + c, a + d) for a, b in evidence for answer in query["answers"] for c, d in _find(text[a:b], answer)]
    return found or evidence


def _find(text: str, wanted: str) -> list[Span]:
    words = [re.escape(word) for word in re.split(r"[\s*_`]+", wanted) if word]
    return [m.span() for m in re.finditer(r"[\s*_`]+".join(words), text, re.IGNORECASE)] if words else []


def _holds(text: str, answers: Sequence[str]) -> bool:
    folded = " ".join(text.casefold().split())
    return any(" ".join(answer.casefold().split()) in folded for answer in answers)


# -- what an epoch sees -------------------------------------------------------------------------


def draw(posed: Posed, n_wrong: int, rng: random.Random) -> list[Example]:
    """One passage that answers, and `n_wrong` that do not, nearer ones more often; sometimes without the headings."""
    right = [rng.choice(posed.right)] if posed.right else []
    weights = [1 / (2 + place) for place in range(len(posed.wrong))]
    wrong = rng.choices(posed.wrong, weights, k=n_wrong) if posed.wrong and n_wrong else []
    if not posed.right and posed.wrong and n_wrong:
        wrong[0] = posed.wrong[0]
    bare = rng.random() < 0.25
    return [Example(e.question, "" if bare else e.headings, e.text, e.spans, e.source) for e in [*right, *wrong]]
