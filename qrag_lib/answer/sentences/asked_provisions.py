"""A question that names a provision ("artigo 4", "inciso II do art. 3º", "section 4.2") is answered from it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from qrag_lib.answer.sentences.sentence_scoring import REACH, Candidate
from qrag_lib.language import fold, terms, words
from qrag_lib.language.law import stretches
from qrag_lib.language.references import references, without_references
from qrag_lib.search.named_provisions import OTHER, STOPS, Scores, known_paths, named_by, provisions_of, titles_of
from qrag_lib.types import Chunk, Hit

UNSURE: Final = 0.3  # confidence at most of what is about another text, year or thing than the question
SURE: Final = 0.9  # confidence where nothing but the provision itself is asked for, and one text has it
_STEP: Final = 0.1  # log odds between the sentences of a provision, in reading order
_FAR: Final = 8.0  # log odds between those and all others
_SAYING = re.compile(
    "diz(?:em)?|dispoem?|tratam?|falam?|preve(?:em)?|estabelecem?|determinam?|definem?|constam?|mostre|cite|transcreva|leia"
    "|texto|teor|conteudo|redacao|caput|integra"
    "|says?|states?|provides?|reads?|text|contents?|covers?|deals?|shows?|quote|defines?"
)
_NAMING = re.compile(  # a text, and the word after it
    r"\b((?P<general>lei|decreto|norma|portaria|resolucao|act|law)|codigo|estatuto|constituicao|regimento|regulamento"
    r"|consolidacao|convencao|edital|code|constitution|statute|treaty)\b"
    r"(?: (?:d[aeo]s? |of (?:the )?|n\S{0,2} )?[\w./-]+)?"
)


@dataclass(frozen=True)
class Asked:
    """What a question that names provisions asks of the candidates of an answer.

    inside: positions of the candidates that stand in them, in reading order. itself: nothing but what they say
    is asked for, and one text has them. elsewhere: the question names a text that these do not seem to be of.
    """

    inside: tuple[int, ...] = ()
    itself: bool = False
    elsewhere: bool = False

    def scores(self, n: int) -> Scores:
        """Log odds (n,) of the candidates where the provision itself is asked for: as they are read."""
        scores = np.full(n, -_FAR - _STEP * n)
        scores[list(self.inside)] = -_STEP * np.arange(len(self.inside))
        return scores


def asked_of(question: str, hits: Sequence[Hit], found: Sequence[Candidate], texts: Callable[[str], str]) -> Asked:
    """Which candidates of an answer stand in the provisions that the question names; none where it names none."""
    paths = references(question)
    if not paths or not found:
        return Asked()
    chunks = [hit.chunk for hit in hits]
    values = named_by(question, chunks)
    best = [chunk for chunk, value in zip(chunks, values, strict=True) if value > 0 and value > OTHER * values.max()]
    known = known_paths(paths, [provisions_of(chunk) for chunk in best])
    spans: dict[str, list[tuple[int, int]]] = {chunk.document_id: [] for chunk in best}
    for chunk in best:
        spans[chunk.document_id] += _stretches(chunk, [path[-1] for path in known], texts)
    inside = [i for i, c in enumerate(found) if any(a <= c.end - 1 < b for a, b in spans.get(c.document_id, ()))]
    inside.sort(key=lambda i: (found[i].document_id, found[i].start))
    whole = set(known) == set(paths) and len(spans) == 1
    itself = bool(inside) and whole and _asks_for_itself(question, best)
    return Asked(tuple(inside), itself, bool(inside) and _is_of_another_text(question, best))


def _stretches(chunk: Chunk, wanted: Sequence[str], texts: Callable[[str], str]) -> list[tuple[int, int]]:
    """Where the provisions stand in the document, as far as the chunk shows it."""
    text = texts(chunk.document_id)[chunk.start : chunk.end + REACH]
    found = (span for term in wanted for span in stretches(text, chunk.headings, term))
    return [(chunk.start + start, chunk.start + end) for start, end in found]


def _asks_for_itself(question: str, chunks: Sequence[Chunk]) -> bool:
    """Whether the question has no word but those that name the provision, its text, and that it says something."""
    rest = {term for word in words(without_references(question)) for term in _terms_unless_saying(word)}
    return not rest - set().union(*map(titles_of, chunks))


def _is_of_another_text(question: str, chunks: Sequence[Chunk]) -> bool:
    """Whether the question names a law or the like ("do código penal") by words that no chunk nor its titles have."""
    naming = _NAMING.search(fold(without_references(question).lower()))
    if naming is None:
        return False
    told = [term for term in terms(naming[0], "pt") if naming["general"] is None or term not in terms(naming[1], "pt")]
    held = set().union(*(titles_of(chunk) | set(terms(chunk.text, "pt")) for chunk in chunks))
    return any(term not in held for term in told if not _SAYING.fullmatch(term))


def _terms_unless_saying(word: str) -> Collection[str]:
    return [] if _SAYING.fullmatch(fold(word.lower())) or word.lower() in STOPS else terms(word, "pt")
