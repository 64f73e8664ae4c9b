"""What a question asks of, and the likeliest sentence says of something else: another year, number or thing."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from itertools import pairwise
from typing import Final

from qrag_lib.answer.sentences.claims import Statement, value
from qrag_lib.answer.sentences.question_analysis import Question
from qrag_lib.answer.sentences.sentence_scoring import Candidate
from qrag_lib.answer.sentences.tokens import Reading, Token

FRAME: Final = 2  # further words in common that make two sentences say the same of two things
_YEAR = re.compile(r"(?:1[5-9]|20)\d\d")
_OF: Final = frozenset(["de", "do", "da", "dos", "das", "of"])


def is_of_another(question: Question, candidate: Candidate) -> bool:
    """Whether the sentence speaks of another year, number or thing than the question.

    A year must be the sentence's own where it names any; that and other numbers must stand in its passage, its
    headings, the names of its columns or its document's name. A thing: "o preço da lagosta" is not "o preço da cavala".
    """
    chunk = candidate.hit.chunk
    said = Statement(candidate.text, candidate.language).numbers
    above = Statement(" ".join((chunk.document_name, *chunk.headings, candidate.columns)), candidate.language).numbers
    passage = Statement(chunk.text, candidate.language).numbers
    asked = {number for token in question.tokens if (number := value(token.text.rstrip("%")))[0].isdigit()}
    if not all(_holds(said | above | passage, number) for number in asked):
        return True
    other_year = bool(_years(said)) and not _years(asked) <= said | above
    return other_year or has_other_filler(question, candidate)


def has_other_filler(question: Question, candidate: Candidate | Statement) -> bool:
    """Whether the question's "a of b" stands in the sentence as "a of c", with b nowhere in it.

    >>> asked = Question("Qual era o preço do quilo da lagosta no cais?", "pt")
    >>> said = "O preço do quilo da cavala no cais era de R$ 14,00."
    >>> sentence = Statement(said, "pt")
    >>> has_other_filler(asked, sentence)
    True
    >>> has_other_filler(Question("Qual era o preço do quilo da cavala?", "pt"), sentence)
    False
    """
    held = set(candidate.stems)
    said = dict(_pairs(candidate))
    return any(
        head in said and filler not in held and said[head] not in question.known
        for head, filler in _pairs(question)
        if len(held & question.known - {head}) >= FRAME
    )


def _pairs(reading: Reading) -> Iterator[tuple[str, str]]:
    """Index terms of "a of b": (a, b)."""
    for (first, one), (second, other) in pairwise(_contents(reading.tokens)):
        between = reading.tokens[first + 1 : second]
        if between and between[0].text.lower() in _OF:
            yield one.stem, other.stem


def _contents(tokens: tuple[Token, ...]) -> list[tuple[int, Token]]:
    return [(n, token) for n, token in enumerate(tokens) if token.stem]


def _holds(numbers: Collection[str], number: str) -> bool:
    """Whether it is there; version 3 is where 3.8 is."""
    return any(each == number or each.startswith(number + ".") for each in numbers)


def _years(numbers: Iterable[str]) -> frozenset[str]:
    return frozenset(number for number in numbers if _YEAR.fullmatch(number))
