"""A question that names a provision ("artigo 4", "inciso II do art. 3º", "section 4.2") is answered from it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePath
from typing import Final

import numpy as np
from numpy.typing import NDArray

from qrag_lib.language import STOP_WORDS, fold, terms, words
from qrag_lib.language.law import numbered_sections, provisions, stretches
from qrag_lib.language.references import references, without_references
from qrag_lib.rag.evidence import REACH, Candidate
from qrag_lib.types import Chunk, Hit

Scores = NDArray[np.float64]
Path = tuple[str, ...]

WEIGHT: Final = 0.5  # of what a passage lacks of the full score, for one that the named provision begins in
INSIDE: Final = 0.9  # of that, where the provision began in a passage before
OTHER: Final = 0.5  # of that, for a provision of the same number that another text or a later count of it has
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
_STOPS = STOP_WORDS["pt"] | STOP_WORDS["en"]


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


def weighed(scores: Scores, named: Scores) -> Scores:
    """The scores (n,), raised where the passage holds what the question names.

    >>> weighed(np.array([0.8, 0.4]), np.array([0.0, 1.0])).tolist()
    [0.8, 0.7]
    """
    return np.where(named > 0, scores + WEIGHT * named * (1 - scores), scores)


def named_by(question: str, chunks: Sequence[Chunk]) -> Scores:
    """How far each chunk (n,) is of a provision that the question names: 0 for no, 1 where the provision begins.

    Of several with one number those lead whose text or division the question names too; then, in a text that
    counts anew (transitional provisions, annexes), those of its first count.
    """
    values = np.zeros(len(chunks))
    paths = references(question)
    if not paths:
        return values
    held = [_provisions(chunk) for chunk in chunks]
    called = _called(question, chunks)
    for path in _known(paths, held):
        holders = [i for i, known in enumerate(held) if known.keys() >= set(path)]
        most = max((called[i] for i in holders), default=0)
        later = _later(path[-1], [i for i in holders if called[i] == most], held, chunks)
        for i in holders:
            other = called[i] < most or i in later
            values[i] = max(values[i], (1.0 if held[i][path[-1]] >= 0 else INSIDE) * (OTHER if other else 1.0))
    return values


def asked_of(question: str, hits: Sequence[Hit], found: Sequence[Candidate], texts: Callable[[str], str]) -> Asked:
    """Which candidates of an answer stand in the provisions that the question names; none where it names none."""
    paths = references(question)
    if not paths or not found:
        return Asked()
    chunks = [hit.chunk for hit in hits]
    values = named_by(question, chunks)
    best = [chunk for chunk, value in zip(chunks, values, strict=True) if value > 0 and value > OTHER * values.max()]
    known = _known(paths, [_provisions(chunk) for chunk in best])
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
    return not rest - set().union(*map(_titles, chunks))


def _is_of_another_text(question: str, chunks: Sequence[Chunk]) -> bool:
    """Whether the question names a law or the like ("do código penal") by words that no chunk nor its titles have."""
    naming = _NAMING.search(fold(without_references(question).lower()))
    if naming is None:
        return False
    told = [term for term in terms(naming[0], "pt") if naming["general"] is None or term not in terms(naming[1], "pt")]
    held = set().union(*(_titles(chunk) | set(terms(chunk.text, "pt")) for chunk in chunks))
    return any(term not in held for term in told if not _SAYING.fullmatch(term))


def _terms_unless_saying(word: str) -> Collection[str]:
    return [] if _SAYING.fullmatch(fold(word.lower())) or word.lower() in _STOPS else terms(word, "pt")


def _provisions(chunk: Chunk) -> dict[str, int]:
    """The provisions that a chunk holds, each with the offset in the document where it begins, -1 for before it."""
    held: dict[str, int] = {}
    for each in (*provisions(chunk.text, chunk.headings), *numbered_sections(chunk.text, chunk.headings)):
        at = chunk.start + each.start if each.start >= 0 else -1
        held[each.term] = at if held.get(each.term, -1) < 0 else held[each.term]
    return held


def _known(paths: Sequence[Path], held: Sequence[Mapping[str, int]]) -> list[Path]:
    """The paths as far as the texts have them: what is below an article may be missing, the article may not."""
    everywhere = set().union(*held)
    return [path for path in (_shortened(path, everywhere) for path in paths) if path]


def _shortened(path: Path, known: Collection[str]) -> Path:
    while path and path[-1] not in known and "/" in path[-1]:
        path = path[:-1]
    return tuple(term for term in path if term in known) if path[-1] in known else ()


def _called(question: str, chunks: Sequence[Chunk]) -> list[int]:
    """How many words of the question stand in each chunk's headings and its document's name."""
    asked = {
        term for word in words(without_references(question)) if word.lower() not in _STOPS for term in terms(word, "pt")
    }
    return [len(asked & _titles(chunk)) for chunk in chunks]


def _titles(chunk: Chunk) -> frozenset[str]:
    """The terms of what a chunk stands under: its document's name, its headings, the line that it begins with."""
    first = chunk.text.lstrip().partition("\n")[0]
    begins = [first] if first.startswith("#") or chunk.start == 0 else []
    return frozenset().union(*map(_title_terms, (PurePath(chunk.document_name).stem, *chunk.headings, *begins)))


@lru_cache(maxsize=2_000)
def _title_terms(title: str) -> frozenset[str]:
    """The terms of a title, and its initials: Ato das Disposições Constitucionais Transitórias is the ADCT."""
    initials = "".join(word[0] for word in words(title) if word[0].isupper() and word.lower() not in _STOPS)
    return frozenset((*terms(title, "pt"), *([initials.lower()] if len(initials) > 1 else [])))


def _later(term: str, holders: Sequence[int], held: Sequence[Mapping[str, int]], chunks: Sequence[Chunk]) -> set[int]:
    """Those of the holders that stand in a later count of their document: after the term began a second time."""
    begun: dict[str, set[int]] = {}
    for i in holders:
        if held[i][term] >= 0:
            begun.setdefault(chunks[i].document_id, set()).add(held[i][term])
    second = {document: sorted(at)[1] for document, at in begun.items() if len(at) > 1}
    at = {i: max(held[i][term], chunks[i].start) for i in holders}
    return {i for i in holders if at[i] >= second.get(chunks[i].document_id, at[i] + 1)}
