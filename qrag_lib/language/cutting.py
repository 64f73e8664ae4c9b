"""Stretches without a full stop in pieces that a person can read: transcripts, enumerations, text run together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

Span = tuple[int, int]

LONG: Final = 600  # characters; up to here a sentence stays whole
ROW: Final = 800  # characters; up to here a row of a table stays whole
_SHORTEST, _FAIR, _LONGEST = 80, 140, 300  # characters of a piece: at least, at a comma at least, at most
# Where a piece ends, strongest first; each match ends where the next piece begins.
_STRONG = re.compile(r"(?:[;:!?…]|(?<=[^\W\d_]{3})\.(?=[^\W\d_a-z])|\n)\s*")
_COMMA = re.compile(r"(?:,|\)| [-–—])\s+")
_WORDS = (
    "bom|e|mas|porém|porque|pois|então|aí|daí|agora|depois|quando|onde|enquanto|embora|portanto|além|ou|que|se|como"
    "|and|but|because|so|then|now|when|where|while|although|therefore|or|which|that|if|as"
)
_CONJUNCTION = re.compile(rf"\s+(?=(?:{_WORDS})\s)", re.IGNORECASE)
_SPACE = re.compile(r"\s+")
_PAIR = re.compile(r"(?:^|; )[^;:|\t]{1,80}: ")
_ENUMERATOR = re.compile(r"[ \t>]*(?:[-*+•▪◦‣·–—]|\(?[\w.]{1,8}[.)])[ \t]*\Z")


def is_row(line: str) -> bool:
    """True for one line of cells: `| a | b |`, cells parted by tabs, or `column: value; column: value`.

    >>> is_row("código: 1; preço: 3,50"), is_row("O prazo é de dez dias; a multa, de vinte.")
    (True, False)
    """
    line = line.strip()
    if "\n" in line or len(line) > ROW:
        return False
    if line.startswith("|"):
        return line.count("|") > 1
    first, tab, rest = line.partition("\t")
    return (bool(tab) and ("\t" in rest or not _ENUMERATOR.match(first))) or len(_PAIR.findall(line)) > 1


def cut_long(text: str, start: int, end: int) -> Iterator[Span]:
    """The stretch whole where it is short enough, else pieces of it that begin and end between words.

    A piece ends at a semicolon, a colon or a line end where it can, else at a comma, before a
    conjunction, at a space; what has no space stays whole.
    """
    longest = LONG
    while end - start > longest:
        stop, begin = _cut(text, start, end)
        if begin >= end:
            break
        yield start, stop
        start, longest = begin, _LONGEST
    yield start, end


def _cut(text: str, start: int, end: int) -> Span:
    """Where the first piece of the stretch ends, and the next begins."""
    latest = min(start + _LONGEST, end - _SHORTEST)
    found = _STRONG.search(text, start + _SHORTEST, latest) or _last(_COMMA, text, start + _FAIR, latest)
    found = found or _last(_CONJUNCTION, text, start + _FAIR, latest) or _last(_SPACE, text, start + _FAIR, latest)
    found = found or _SPACE.search(text, latest, end)
    if not found:
        return end, end
    return start + len(text[start : found.end()].rstrip()), found.end()


def _last(expression: re.Pattern[str], text: str, start: int, end: int) -> re.Match[str] | None:
    """The last match that lies in the stretch."""
    found = None
    for match in expression.finditer(text, start, end):
        found = match
    return found
