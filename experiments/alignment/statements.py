"""Statements made mechanically from questions and gold answers: what the documents bear, and what they do not."""

from __future__ import annotations

import json
import random
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qrag_lib.answer.sentences.claims import Statement
from qrag_lib.language import sentences, terms, words
from qrag_lib.types import Filter, Hits
from qrag_lib.workspace import Workspace

TRAIN = "squad1-pt-sample"
TEST = ("faquad-pt", "xquad-en")
QUESTIONS = 120  # a set, drawn
SEED = 20

GOOD = ("statement", "terse", "reworded", "two sentences")
BAD = (
    "other passages",
    "other answer",
    "answer from the passage",
    "terse from the passage",
    "number changed",
    "name changed",
    "denied",
)

_ASKED = {
    "pt": re.compile(
        r"(?:em |de |a |com |por |para |desde |até )?(?:quem|quant[oa]s?(?: \w+)?|qual(?: é| era| foi)?|"
        r"quais(?: são)?|quando|onde|(?:o )?que(?: \w+)?)\b",
        re.IGNORECASE,
    ),
    "en": re.compile(
        r"(?:in |on |at |of |for |to |from |by )?(?:who|whom|whose|when|where|how (?:many|much)(?: \w+)?|"
        r"(?:what|which)(?: (?:is|was|are|were)(?: the)?| \w+)?)\b",
        re.IGNORECASE,
    ),
}


@dataclass(frozen=True)
class Case:
    """A statement, the passages it is held against, and whether they bear it."""

    kind: str
    question: str
    text: str
    hits: Hits

    @property
    def borne(self) -> bool:
        """True where the passages bear the statement."""
        return self.kind in GOOD


@dataclass(frozen=True)
class Asked:
    """A question with its gold answer, the sentence that holds it, and its hits with and without the gold.

    others: gold answers of other questions of the passage, which this sentence does not hold.
    """

    text: str
    gold: str
    sentence: str
    following: str
    passage: str
    others: tuple[str, ...]
    hits: Hits
    without: Hits


def lines(path: Path) -> list[dict[str, Any]]:
    """The records of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def folded(text: str) -> str:
    """NFKC, case and white space folded."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def asked(data: Path, name: str, cache: Path, n: int = QUESTIONS) -> list[Asked]:
    """Questions of a set whose gold answer stands in a sentence of their passage, drawn by SEED."""
    folder = data / "qa" / name
    passages = {r["id"]: r for r in lines(folder / "corpus.jsonl")}
    gold = dict(line.split("\t")[:2] for line in (folder / "qrels.tsv").read_text("utf-8").splitlines()[1:])
    questions = [q for q in lines(folder / "queries.jsonl") if q["answers"] and _held(q, passages[gold[q["id"]]])]
    drawn = random.Random(SEED).sample(questions, min(n, len(questions)))
    answers: dict[str, list[str]] = {}
    for each in questions:
        answers.setdefault(gold[each["id"]], []).append(_held(each, passages[gold[each["id"]]]))
    with Workspace.open(cache / name) as workspace:
        workspace.ingest(list(passages.values()))
        return [_asked(workspace, q, gold[q["id"]], passages, answers[gold[q["id"]]]) for q in drawn]


def _held(question: dict[str, Any], passage: dict[str, Any]) -> str:
    """The shortest gold answer that a sentence of the passage holds; "" where none does."""
    held = [a for a in question["answers"] if any(folded(a) in folded(s) for s in _split(passage["text"]))]
    return min(held, key=len, default="") if all(len(words(a)) <= 8 for a in held) else ""


def _split(text: str) -> list[str]:
    return [text[a:b] for a, b in sentences(text)]


def _asked(
    workspace: Workspace, question: dict[str, Any], id: str, passages: dict[str, Any], answers: Sequence[str]
) -> Asked:
    answer, said = _held(question, passages[id]), _split(passages[id]["text"])
    place = next(i for i, s in enumerate(said) if folded(answer) in folded(s))
    following = said[place + 1] if place + 1 < len(said) else ""
    others = tuple(a for a in answers if folded(a) not in folded(said[place]))
    holding = [p["id"] for p in passages.values() if p["id"] == id or folded(answer) in folded(p["text"])]
    known = {workspace.catalog.documents.find(each).id for each in holding}
    hits = workspace.search(question["text"], 10)
    without = workspace.search(question["text"], 10, [Filter("document", "nin", tuple(known))])
    return Asked(question["text"], answer, said[place], following, id, others, hits, without)


def cases(found: Sequence[Asked], language: str) -> Iterator[Case]:
    """The statements of all questions, those that the gold passage was not found for left out."""
    draw = random.Random(SEED)
    names = sorted({n for each in found for n in _names(each.gold)})
    for each in found:
        if not any(each.sentence in hit.chunk.text for hit in each.hits):
            continue  # retrieval missed it: nothing to be aligned with
        good = stated(each.text, each.gold, language)
        yield Case("statement", each.text, good, each.hits)
        yield Case("terse", each.text, f"{each.gold}.", each.hits)
        yield Case("reworded", each.text, reworded(each.sentence, each.gold, draw), each.hits)
        if each.following:
            yield Case("two sentences", each.text, f"{each.sentence.rstrip('.')} {each.following}", each.hits)
        yield Case("other passages", each.text, good, each.without)
        yield from _wrong(each, found, names, language, draw)
        yield from _denied(each, language)


def _wrong(
    each: Asked, found: Sequence[Asked], names: Sequence[str], language: str, draw: random.Random
) -> Iterator[Case]:
    other = draw.choice([o for o in found if folded(o.gold) != folded(each.gold) and o.passage != each.passage])
    if folded(other.gold) not in folded(each.sentence):
        yield Case("other answer", each.text, stated(each.text, other.gold, language), each.hits)
    if each.others:
        wrong = draw.choice(each.others)
        yield Case("answer from the passage", each.text, stated(each.text, wrong, language), each.hits)
        yield Case("terse from the passage", each.text, f"{wrong}.", each.hits)
    sentence = reworded(each.sentence, each.gold, draw)
    if numbers := list(re.finditer(r"\d+", sentence)):
        at = draw.choice(numbers)
        changed = f"{sentence[: at.start()]}{int(at[0]) + draw.choice([1, 2, 7, 10])}{sentence[at.end() :]}"
        if at[0] != changed[at.start() : at.end()]:
            yield Case("number changed", each.text, changed, each.hits)
    if own := _names(sentence):
        gone, put = draw.choice(own), draw.choice([n for n in names if n not in each.sentence])
        yield Case("name changed", each.text, sentence.replace(gone, put), each.hits)


def _names(text: str) -> list[str]:
    known = Statement(text, "pt").names
    return sorted({w for w in words(text)[1:] if w[0].isupper() and len(w) > 3 and set(terms(w, "pt")) & known})


def _denied(each: Asked, language: str) -> Iterator[Case]:
    """The sentence with its first common auxiliary denied."""
    pattern = r" (é|foi|são|foram|era|pode|tem|está|deve) " if language == "pt" else r" (is|was|are|were|can|has|had) "
    said, n = re.subn(pattern, r" não \1 " if language == "pt" else r" \1 not ", each.sentence, count=1)
    if n and not Statement(each.sentence, language).denied:
        yield Case("denied", each.text, said, each.hits)


def stated(question: str, answer: str, language: str) -> str:
    """The question as a statement: the answer in the place of the question word, or behind it all.

    >>> stated("Quem fundou a escola?", "Ana Prado", "pt")
    'Ana Prado fundou a escola.'
    """
    bare = question.strip().rstrip("?").strip()
    match = _ASKED[language].match(bare)
    if match:
        return f"{answer}{bare[match.end() :]}."
    return f"{bare}: {answer}."


def reworded(sentence: str, gold: str, draw: random.Random) -> str:
    """The sentence with its clauses in another order and a fifth of the words left out that are not the answer's."""
    clauses = [c for c in re.split(r"[,;] ", sentence.rstrip(".")) if c]
    clauses = clauses[1:] + clauses[:1]
    kept = set(words(gold))
    said = [w for w in ", ".join(clauses).split() if set(words(w)) & kept or _matters(w) or draw.random() > 0.2]
    return " ".join(said) + "."


def _matters(word: str) -> bool:
    """Denials, numbers and names stay."""
    return word[0].isupper() or any(c.isdigit() for c in word) or word.lower() in ("não", "not", "no", "sem", "without")
