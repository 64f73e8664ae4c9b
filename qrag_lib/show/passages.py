"""A passage as a person reads it: its paragraphs in clean form, and in them what is marked."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise, zip_longest
from typing import Final

from qrag_lib.language.quote_text import cell_spans, clean, clean_spans
from qrag_lib.types import Citation, Row

Span = tuple[int, int]
Form = Callable[[str], tuple[str, list[int]]]  # as clean_spans

AROUND: Final = 120  # characters kept on each side of the quote where a passage is shortened
# Where a paragraph ends: a blank line, or a line that begins as a heading, an item, a row, a field or an article does.
_BREAK = re.compile(
    r"\n[ \t]*(?:\n\s*|(?=#{1,6}[ \t]|[-*+•–][ \t]|\|[^\n]*\||>|[0-9]{1,3}[.)][ \t]|[a-z]\)[ \t]|§|Art\.[ \t]"
    r"|[IVXL]+[ \t][-–—]|[^\n\t]{1,300}\t[ \t]*\S|[A-Za-z-]{2,12}:[ \t]"
    r"|[^\n:;]{1,40}:[ \t][^\n]*;[ \t][^\n:;]+:[ \t]))|(?<=\|)[ \t]*\n"
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
    """The pieces of a paragraph, in order; together its clean text. row: the row of a table that it is."""

    pieces: tuple[Piece, ...]
    heading: bool = False
    row: Row | None = None

    def __str__(self) -> str:
        return "".join(piece.text for piece in self.pieces)


def read_quote(citation: Citation) -> list[Paragraph]:
    """The quote alone, in clean form; a row of a table under its title."""
    return list(_under_titles(_paragraphs(citation.quote, citation.start, citation)))


def read_passage(citation: Citation, whole: bool = True) -> list[Paragraph]:
    """The passage around the quote, in clean form; where it is not `whole`, some words on both sides of the quote.

    A citation whose passage does not hold its quote is read as the quote alone. A title that is its nearest
    heading is left out: whoever shows the passage names that.
    """
    text, start = citation.passage, citation.passage_start
    a, b = citation.start - start, citation.end - start
    if a < 0 or text[a:b] != citation.quote:
        return read_quote(citation)
    left, right = (
        (0, len(text)) if whole else _beyond_rows(_word(text, a - AROUND, 1), _word(text, b + AROUND, -1), citation)
    )
    shown = _with_dots(list(_paragraphs(text[left:right], start + left, citation)), text[left:right], start + left > 0)
    return list(_under_titles(shown, clean(citation.headings[-1]) if citation.headings else ""))


def read_text(text: str) -> str:
    """A text in clean form on one line, its paragraphs parted.

    >>> read_text("# Prazos\\n\\nTrinta\\ndias.\\n\\n- Sem **multa**.")
    'Prazos · Trinta dias. · Sem multa.'
    """
    parts = (" ".join(clean(part).split()) for part in _BREAK.split(text))
    return " · ".join(filter(None, parts))


def is_changed(text: str) -> bool:
    """Whether the clean form differs from the text in more than white space."""
    return " ".join(clean_spans(text)[0].split()) != " ".join(text.split())


def _paragraphs(text: str, offset: int, citation: Citation) -> Iterator[Paragraph]:
    """The paragraphs of a text that begins at character `offset` of the citation's document."""
    here = 0
    for row, below in zip_longest(citation.rows, citation.rows[1:]):
        start, end = row.start - offset, row.end - offset
        if here <= start and end <= len(text):
            yield from _prose(text[here:start], offset + here, citation)
            if not _says_nothing(row, below, citation):
                yield Paragraph(tuple(_cells(text[start:end], row, citation)), row=row)
            here = end
    yield from _prose(text[here:], offset + here, citation)


def _says_nothing(row: Row, below: Row | None, citation: Citation) -> bool:
    """Whether the row names columns, as the row below it does again beside each value; a quoted row always counts."""
    named = row.names and below is not None and any(cell.column for cell in below.cells)
    return named and not _is_quoted(row, citation)


def _is_quoted(row: Row, citation: Citation) -> bool:
    return row.start < citation.end and citation.start < row.end


def _prose(text: str, offset: int, citation: Citation) -> Iterator[Paragraph]:
    start = 0
    for end, after in [*(match.span() for match in _BREAK.finditer(text)), (len(text), len(text))]:
        pieces = tuple(_pieces(clean_spans, text[start:end], offset + start, _quote(citation), citation.answer))
        if any(piece.text.strip() for piece in pieces):
            paragraph = Paragraph(pieces)
            heads = _HEADING.match(text[start:end]) is not None or str(paragraph).strip() in _headings(citation)
            yield replace(paragraph, heading=heads)
        start = after


def _headings(citation: Citation) -> set[str]:
    """The headings that are known of a passage: those above its quote, and the titles of its tables."""
    return {*map(clean, citation.headings), *(row.title for row in citation.rows)}


def _cells(text: str, row: Row, citation: Citation) -> Iterator[Piece]:
    """The cells of a row with the names of their columns; a row that reads so by itself is left as it is."""
    quoted = _is_quoted(row, citation)
    quote = (row.start, row.end if quoted else row.start)
    if str(row) == clean(text):
        yield from _pieces(clean_spans, text, row.start, quote, citation.answer)
        return
    for before, cell in row.parts:
        yield Piece(before, quoted)
        value = text[cell.start - row.start : cell.end - row.start]
        yield from _pieces(cell_spans, value, cell.start, quote, citation.answer)


def _pieces(form: Form, text: str, offset: int, quote: Span, answer: Span | None) -> Iterator[Piece]:
    shown, origins = form(text)
    marks = [_found(shown, origins, span, offset) for span in (quote, answer or (offset, offset))]
    (a, b), (c, d) = marks
    edges = sorted({0, len(shown), a, b, c, d})
    for left, right in pairwise(edges):
        yield Piece(shown[left:right], a <= left < b, c <= left < d)


def _quote(citation: Citation) -> Span:
    return citation.start, citation.end


def _under_titles(shown: Iterable[Paragraph], known: str = "") -> Iterator[Paragraph]:
    """The paragraphs, and over the first row of a table its title, unless that stands above already."""
    said = [known]
    for paragraph in shown:
        title = paragraph.row.title if paragraph.row else ""
        if title and not any(each.endswith(title) for each in said):
            yield Paragraph((Piece(title),), heading=True)
            said.append(title)
        said.append(str(paragraph).rstrip(": "))
        yield paragraph


def _beyond_rows(left: int, right: int, citation: Citation) -> Span:
    """The stretch of the passage, widened by what it cuts of rows."""
    spans = [(row.start - citation.passage_start, row.end - citation.passage_start) for row in citation.rows]
    left = next((start for start, end in spans if start < left < end), left)
    return left, next((end for start, end in spans if start < right < end), right)


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
    if goes_before and text.lstrip()[:1].islower() and not shown[0].row:
        shown[0] = Paragraph((Piece("… "), *shown[0].pieces), shown[0].heading)
    if not _END.search(text) and not shown[-1].heading and not shown[-1].row:
        shown[-1] = Paragraph((*shown[-1].pieces, Piece(" …")))
    return shown
