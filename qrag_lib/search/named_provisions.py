"""A question that names a provision ("artigo 4", "inciso II do art. 3º", "section 4.2") finds it first."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from pathlib import PurePath
from typing import Final

import numpy as np
from numpy.typing import NDArray

from qrag_lib.language import STOP_WORDS, terms, words
from qrag_lib.language.law import numbered_sections, provisions
from qrag_lib.language.references import references, without_references
from qrag_lib.types import Chunk

Scores = NDArray[np.float64]
Path = tuple[str, ...]

WEIGHT: Final = 0.5  # of what a passage lacks of the full score, for one that the named provision begins in
INSIDE: Final = 0.9  # of that, where the provision began in a passage before
OTHER: Final = 0.5  # of that, for a provision of the same number that another text or a later count of it has
STOPS: Final = STOP_WORDS["pt"] | STOP_WORDS["en"]


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
    held = [provisions_of(chunk) for chunk in chunks]
    called = _called(question, chunks)
    for path in known_paths(paths, held):
        holders = [i for i, known in enumerate(held) if known.keys() >= set(path)]
        most = max((called[i] for i in holders), default=0)
        later = _later(path[-1], [i for i in holders if called[i] == most], held, chunks)
        for i in holders:
            other = called[i] < most or i in later
            values[i] = max(values[i], (1.0 if held[i][path[-1]] >= 0 else INSIDE) * (OTHER if other else 1.0))
    return values


def provisions_of(chunk: Chunk) -> dict[str, int]:
    """The provisions that a chunk holds, each with the offset in the document where it begins, -1 for before it."""
    held: dict[str, int] = {}
    for each in (*provisions(chunk.text, chunk.headings), *numbered_sections(chunk.text, chunk.headings)):
        at = chunk.start + each.start if each.start >= 0 else -1
        held[each.term] = at if held.get(each.term, -1) < 0 else held[each.term]
    return held


def known_paths(paths: Sequence[Path], held: Sequence[Mapping[str, int]]) -> list[Path]:
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
        term for word in words(without_references(question)) if word.lower() not in STOPS for term in terms(word, "pt")
    }
    return [len(asked & titles_of(chunk)) for chunk in chunks]


def titles_of(chunk: Chunk) -> frozenset[str]:
    """The terms of what a chunk stands under: its document's name, its headings, the line that it begins with."""
    first = chunk.text.lstrip().partition("\n")[0]
    begins = [first] if first.startswith("#") or chunk.start == 0 else []
    return frozenset().union(*map(_title_terms, (PurePath(chunk.document_name).stem, *chunk.headings, *begins)))


@lru_cache(maxsize=2_000)
def _title_terms(title: str) -> frozenset[str]:
    """The terms of a title, and its initials: Ato das Disposições Constitucionais Transitórias is the ADCT."""
    initials = "".join(word[0] for word in words(title) if word[0].isupper() and word.lower() not in STOPS)
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
