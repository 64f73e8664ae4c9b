"""Blocks (paragraphs, list items, rows, headings, code lines) and sentences, as spans of the text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from qrag_lib.language.cutting import cut_long, is_row
from qrag_lib.language.stops import ends_sentence

Span = tuple[int, int]

_LINE = re.compile(r"[^\n\r\x85\u2028\u2029]*(?:\r\n|[\n\r\x85\u2028\u2029]|\Z)")
# A line that begins a block of its own: heading, list item, quote, fence, rule.
_OPENS = re.compile(
    r"[ \t>]*(?:#{1,6}[ \t]|[-*+•▪◦‣·–—][ \t]|\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})[.)][ \t]|```|~~~|\|)"
)
_HEADING = re.compile(r" {0,3}#{1,6}[ \t]")
_FENCE = re.compile(r"[ \t>]*(?:```|~~~)")
# A table row, a key: value, a rule.
_ROW = re.compile(r"[ \t]*\||[^\t]*\t[^\t]*\S|[\w-]{1,30}:[ \t]|(?:[-=*_~+|:][ \t]?){3,}$")
_SHORT = 0.6  # a line under this share of the block's longest ends it, if what follows begins like a sentence
_RULE = re.compile(r"[ \t]*(?:[-=*_~+|:][ \t]?){3,}$")
# What a title does not end with.
_UNFINISHED = re.compile(
    r"(?:[,;-]|\b(?:[oae]|[oa]s|d[eoa]s?|n[oa]s?|em|com|por|para|que|ou|the|an?|of|in|to|for|and|or|by))$",
    re.IGNORECASE,
)

# A stop with what closes behind it, before a space or the end. The look-behind and the possessive
# quantifiers keep a million dots linear.
_CANDIDATE = re.compile(r"(?<![.!?…])[.!?…]++(?:\[\d{1,3}\]|[\"'”’»)\]*_`}]){0,8}+(?=\s|\Z)|[。！？]++[」』”]?")


def sentences(text: str, language: str = "und") -> list[Span]:
    """Spans of the sentences, in order, without surrounding space; they cover all that is not space.

    A table row is one sentence; what goes on for more than 600 characters is cut where it can be read.
    language: "pt" or "en"; abbreviations of both are known in any case, so it only settles
    the few that are a word in the other ("no.").

    >>> text = "O Sr. Dr. João citou o art. 5º. V. Exa. leu fls. 3?"
    >>> [text[start:end] for start, end in sentences(text, "pt")]
    ['O Sr. Dr. João citou o art. 5º.', 'V. Exa. leu fls. 3?']
    """
    return [span for block in paragraphs(text, language) for span in block]


def paragraphs(text: str, language: str = "und") -> list[list[Span]]:
    """The sentences of each block of the text."""
    return [list(_split(text, start, end, language)) for start, end in blocks(text)]


def blocks(text: str) -> list[Span]:
    """Spans of paragraphs, list items, table rows, headings and lines of code, without surrounding space.

    Lines that only wrap belong together; a blank line always ends a block.
    """
    spans: list[Span] = []
    for start, end in _joined_lines(text):
        piece = text[start:end]
        if stripped := piece.strip():
            start += len(piece) - len(piece.lstrip())
            spans.append((start, start + len(stripped)))
    return spans


def _joined_lines(text: str) -> Iterator[Span]:
    """Runs of lines that make one block."""
    start = end = 0
    previous = ""
    longest = 0
    fenced = False
    for match in _LINE.finditer(text):
        line = match[0]
        fence = _FENCE.match(line) is not None
        if fenced or fence or _breaks(previous, line, longest):
            yield start, end
            start, longest = match.start(), 0
        fenced ^= fence
        end, previous, longest = match.end(), line, max(longest, len(line))
    yield start, end


def _breaks(previous: str, line: str, longest: int) -> bool:
    """True where `line` does not go on with the block that `previous` ended."""
    if not line or line.isspace() or not previous or previous.isspace() or "\f" in previous[-2:]:
        return True
    if _OPENS.match(line) or _HEADING.match(previous) or _FENCE.match(previous):
        return True
    if _ROW.match(line) and (_ROW.match(previous) or not line.strip(" \t\r\n-=*_~+|:")):
        return True
    body, first = previous.rstrip(), line.lstrip()[:1]
    if _RULE.match(body):
        return True
    begins = (first.isupper() or first.isdigit()) and not _UNFINISHED.search(body[-20:])
    return begins and (len(body) < _SHORT * max(longest, len(line)) or (body.isupper() and not line.isupper()))


def _split(text: str, start: int, end: int, language: str) -> Iterator[Span]:
    """Sentences of one block, long ones in pieces; a row of a table is one."""
    if is_row(text[start:end]):
        yield start, end
        return
    for span in _sentences(text, start, end, language):
        yield from cut_long(text, *span)


def _sentences(text: str, start: int, end: int, language: str) -> Iterator[Span]:
    """Sentences of one block, however long."""
    lower_case = None
    for match in _CANDIDATE.finditer(text, start, end):
        stop = match.end()
        if stop >= end:
            break
        if lower_case is None:
            lower_case = text[start:end].islower()
        if ends_sentence(text, start, match.start(), stop, end, language, lower_case):
            yield start, stop
            start = stop
            while text[start].isspace():
                start += 1
    if start < end:
        yield start, end
