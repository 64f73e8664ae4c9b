"""Sentences packed into chunks: how much fits, and where it is best to cut. Spans and numbers only."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from qrag_lib.language import paragraphs
from qrag_lib.types import Section

Span = tuple[int, int]

SENTENCE, LINE, PARAGRAPH = 0, 1, 2  # what ends between two units, by strength
# Shares of a full chunk from which it may end at a paragraph, at a line of a list, table or code.
_ENOUGH = {PARAGRAPH: 0.5, LINE: 0.66}
_APART = ("sheet", "slide", "record")
_DEEPEST = 3  # headings of this level and above are not crossed
_TINY = 0.25  # of a chunk: a smaller section joins its neighbour
_FENCE = re.compile(r"^[ \t>]*(?:```|~~~)", re.MULTILINE)
_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Ruler:
    """Measures stretches of a text in word pieces.

    starts: where each word piece begins, in characters, ascending.
    """

    starts: Sequence[int]

    def tokens(self, start: int, end: int) -> int:
        """Word pieces that begin in the stretch."""
        return bisect_left(self.starts, end) - bisect_left(self.starts, start)


@dataclass(frozen=True, slots=True)
class Room:
    """What one chunk may hold: at most so many word pieces and so many characters; and the overlap."""

    tokens: int
    characters: int
    overlap_tokens: int
    overlap_characters: int

    def within(self, tokens: int) -> Room:
        """The same, in at most `tokens` word pieces."""
        tokens = max(1, min(self.tokens, tokens))
        return Room(tokens, self.characters, min(self.overlap_tokens, tokens // 2), self.overlap_characters)


@dataclass(frozen=True, slots=True)
class Unit:
    """A sentence, or a piece of one that is too long; `after` is what ended before it."""

    start: int
    end: int
    after: int


def fits(ruler: Ruler, room: Room, start: int, end: int) -> bool:
    """True where the stretch can be one chunk."""
    return end - start <= room.characters and ruler.tokens(start, end) <= room.tokens


def split_long(text: str, span: Span, ruler: Ruler, room: Room) -> list[Span]:
    """The span in pieces that fit: cut between words, and inside a word that is too long by itself."""
    if fits(ruler, room, *span):
        return [span]
    pieces: list[Span] = []
    start, end = span[0], span[0]
    for match in _WORD.finditer(text, *span):
        if fits(ruler, room, start, match.end()):
            end = match.end()
            continue
        if end > start:
            pieces.append((start, end))
        *whole, (start, end) = _split_word(match.span(), ruler, room)
        pieces += whole
    pieces.append((start, end))
    return pieces


def _split_word(span: Span, ruler: Ruler, room: Room) -> list[Span]:
    """Pieces of one word, cut where word pieces begin or, failing that, at a number of characters."""
    pieces = []
    start, end = span
    while not fits(ruler, room, start, end):
        first = bisect_left(ruler.starts, start + 1)
        after = first + room.tokens - 1
        cut = ruler.starts[after] if after < len(ruler.starts) else end
        cut = min(cut, start + room.characters, end - 1)
        pieces.append((start, cut))
        start = cut
    return [*pieces, (start, end)]


def units_of(text: str, ruler: Ruler, room: Room, language: str) -> Iterator[Unit]:
    """Sentences, long ones split, each with what ended before it."""
    fences = [match.start() for match in _FENCE.finditer(text)]
    previous = 0
    for block in paragraphs(text, language):
        start = block[0][0]
        in_code = bisect_right(fences, previous) % 2 == 1
        after = PARAGRAPH if text.count("\n", previous, start) > 1 and not in_code else LINE
        for span in block:
            for piece in split_long(text, span, ruler, room):
                yield Unit(*piece, after)
                after = SENTENCE
        previous = block[-1][1]


def regions(units: Sequence[Unit], sections: Sequence[Section], ruler: Ruler, room: Room) -> Iterator[Sequence[Unit]]:
    """Runs of units between headings, sheets, slides and records; a tiny run joins its neighbour."""
    borders = {s.start for s in sections if s.kind in _APART or (s.kind == "heading" and s.level <= _DEEPEST)}
    starts = [unit.start for unit in units]
    begins = sorted({0, len(units), *(bisect_left(starts, border) for border in borders)})
    first = 0
    for begin, end in pairwise(begins):
        if begin > first and not _may_join(units, first, begin, end, ruler, room):
            yield units[first:begin]
            first = begin
    if first < len(units):
        yield units[first:]


def _may_join(units: Sequence[Unit], first: int, begin: int, end: int, ruler: Ruler, room: Room) -> bool:
    """True where one of two neighbouring runs is tiny and both are one chunk."""
    left = ruler.tokens(units[first].start, units[begin - 1].end)
    right = ruler.tokens(units[begin].start, units[end - 1].end)
    return min(left, right) < _TINY * room.tokens and fits(ruler, room, units[first].start, units[end - 1].end)


def pack(units: Sequence[Unit], ruler: Ruler, room: Room) -> Iterator[Span]:
    """Spans of chunks over units that each fit; all units are covered, in order, with overlap in whole units."""
    first = 0
    while first < len(units):
        begin = _overlap_start(units, first, ruler, room)
        last = _last_that_fits(units, begin, first, ruler, room)
        if last < first:  # not even one beside the overlap
            begin, last = first, _last_that_fits(units, first, first, ruler, room)
        last = _best_end(units, first, max(last, first), ruler, room)
        yield units[begin].start, units[last].end
        first = last + 1


def _overlap_start(units: Sequence[Unit], first: int, ruler: Ruler, room: Room) -> int:
    """The earliest unit before `first` from which the overlap is within its size."""
    begin = first
    while begin > 0:
        start, end = units[begin - 1].start, units[first - 1].end
        if end - start > room.overlap_characters or ruler.tokens(start, end) > room.overlap_tokens:
            break
        begin -= 1
    return begin


def _last_that_fits(units: Sequence[Unit], begin: int, first: int, ruler: Ruler, room: Room) -> int:
    """The last unit with which a chunk from `begin` still fits; `first - 1` where none does."""
    last = first - 1
    while last + 1 < len(units) and fits(ruler, room, units[begin].start, units[last + 1].end):
        last += 1
    return last


def _best_end(units: Sequence[Unit], first: int, last: int, ruler: Ruler, room: Room) -> int:
    """The unit to end with: before a paragraph or a line where the chunk is full enough, and no tiny rest."""
    if last == len(units) - 1:
        return last
    most = ruler.tokens(units[first].start, units[last].end) or 1
    rest = ruler.tokens(units[last].end, units[-1].end)
    if rest < most:  # two chunks are left: make them alike
        most = (most + rest + 1) // 2 + 1
    start = units[first].start
    for strength, share in _ENOUGH.items():
        for end in range(last, first - 1, -1):
            size = ruler.tokens(start, units[end].end)
            if size < share * most:
                break
            if units[end + 1].after >= strength:
                return end
    return last
