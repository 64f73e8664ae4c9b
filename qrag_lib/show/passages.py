"""A passage as a person reads it: its paragraphs in clean form, and in them what is marked."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from qrag_lib.show.clean import clean_spans

if TYPE_CHECKING:
    from qrag_lib.types import Citation

Span = tuple[int, int]

AROUND: Final = 120  # characters kept on each side of the quote where a passage is shortened
# Where a paragraph ends: a blank line, or a line that begins as a heading, an item, a row, a field or an article does.
_BREAK = re.compile(
    r"\n[ \t]*(?:\n\s*|(?=#{1,6}[ \t]|[-*+•–][ \t]|\|[^\n]*\||>|[0-9]{1,3}[.)][ \t]|[a-z]\)[ \t]|§|Art\.[ \t]"
    r"|[IVXL]+[ \t][-–—]|[A-Za-z-]{2,12}:[ \t]|[^\n:;]{1,40}:[ \t][^\n]*;[ \t][^\n:;]+:[ \t]))|(?<=\|)[ \t]*\n"
)
_HEADING = re.compile(r"\s*#{1,6}[ \t]")
_END = re.compile(r"[.!?…:;|]\W*$")


@dataclass(frozen=True, slots=True)
class Piece:
    """Some text of a paragraph. quoted: it is part of the quote; answers: it is the answer itself."""

    text: str
    quoted: bool = False
    answers: bool = False


@dataclass(frozen=True, slots=True)
class Paragraph:
    """The pieces of a paragraph, in order; together its clean text."""

    pieces: tuple[Piece, ...]
    heading: bool = False

    def __str__(self) -> str:
        return "".join(piece.text for piece in self.pieces)


def read_quote(citation: Citation) -> list[Paragraph]:
    """The quote alone, in clean form."""
    return list(_paragraphs(citation.quote, citation.start, (citation.start, citation.end), citation.answer))


def read_passage(citation: Citation, whole: bool = True) -> list[Paragraph]:
    """The passage around the quote, in clean form; where it is not `whole`, some words on both sides of the quote.

    A citation whose passage does not hold its quote is read as the quote alone.
    """
    text, start = citation.passage, citation.passage_start
    a, b = citation.start - start, citation.end - start
    if a < 0 or text[a:b] != citation.quote:
        return read_quote(citation)
    left, right = (0, len(text)) if whole else (_word(text, a - AROUND, 1), _word(text, b + AROUND, -1))
    shown = list(_paragraphs(text[left:right], start + left, (citation.start, citation.end), citation.answer))
    return _with_dots(shown, text[left:right], start + left > 0)


def is_changed(text: str) -> bool:
    """Whether the clean form differs from the text in more than white space."""
    return " ".join(clean_spans(text)[0].split()) != " ".join(text.split())


def _paragraphs(text: str, offset: int, quote: Span, answer: Span | None) -> Iterator[Paragraph]:
    """The paragraphs of a text that begins at character `offset` of its document."""
    start = 0
    for end, after in [*(match.span() for match in _BREAK.finditer(text)), (len(text), len(text))]:
        pieces = tuple(_pieces(text[start:end], offset + start, quote, answer))
        if any(piece.text.strip() for piece in pieces):
            yield Paragraph(pieces, _HEADING.match(text[start:end]) is not None)
        start = after


def _pieces(text: str, offset: int, quote: Span, answer: Span | None) -> Iterator[Piece]:
    shown, origins = clean_spans(text)
    marks = [_found(shown, origins, span, offset) for span in (quote, answer or (offset, offset))]
    (a, b), (c, d) = marks
    edges = sorted({0, len(shown), a, b, c, d})
    for left, right in pairwise(edges):
        yield Piece(shown[left:right], a <= left < b, c <= left < d)


def _found(shown: str, origins: list[int], span: Span, offset: int) -> Span:
    """Where a span of the document stands in the clean text, without white space at its ends."""
    left, right = bisect_left(origins, span[0] - offset), bisect_left(origins, span[1] - offset)
    inside = shown[left:right]
    start = left + len(inside) - len(inside.lstrip())
    return start, max(start, right - (len(inside) - len(inside.rstrip())))


def _word(text: str, place: int, step: int) -> int:
    """The nearest place to `place`, going by `step`, where no word is cut; the ends of the text beyond them."""
    while 0 < place < len(text) and not text[place - (step > 0)].isspace():
        place += step
    return min(max(place, 0), len(text))


def _with_dots(shown: list[Paragraph], text: str, goes_before: bool) -> list[Paragraph]:
    """Dots where the passage begins or ends inside a sentence."""
    if not shown:
        return shown
    if goes_before and text.lstrip()[:1].islower():
        shown[0] = Paragraph((Piece("… "), *shown[0].pieces), shown[0].heading)
    if not _END.search(text) and not shown[-1].heading:
        shown[-1] = Paragraph((*shown[-1].pieces, Piece(" …")))
    return shown
