"""Where in a document a chunk stands: the headings above it, and its page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from qrag_lib.types import Section

_PAGED = ("page", "sheet", "slide")
_LONGEST_LABEL = 120  # characters of one heading that are carried along

Headings = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Headings from the outermost to the nearest, and the page, sheet or slide."""

    headings: Headings = ()
    page: str | None = None


def places(sections: Iterable[Section], offsets: Sequence[int]) -> list[Place]:
    """The place of each offset. A heading that begins at the offset itself is no heading above it.

    >>> places([Section("heading", "A", 0, 9, 1), Section("page", "2", 4, 9)], [0, 5])
    [Place(headings=(), page=None), Place(headings=('A',), page='2')]
    """
    waiting = sorted(sections, key=lambda s: (-s.start, -s.level))
    open_: list[Section] = []
    found: dict[int, Place] = {}
    for offset in sorted(set(offsets)):
        while waiting and waiting[-1].start <= offset:
            open_.append(waiting.pop())
        open_ = [s for s in open_ if s.end > offset]
        headings = tuple(shorten(s.label) for s in open_ if s.kind == "heading" and s.start < offset and s.label)
        pages = [s.label for s in open_ if s.kind in _PAGED]
        found[offset] = Place(headings, pages[-1] if pages else None)
    return [found[offset] for offset in offsets]


def shorten(label: str, longest: int = _LONGEST_LABEL) -> str:
    """The label in at most `longest` characters, on one line, cut at a word where it can be."""
    label = " ".join(label[: 4 * longest].split())
    if len(label) <= longest:
        return label
    kept = label[: longest - 1]
    return (kept.rsplit(" ", 1)[0] if " " in kept[longest // 2 :] else kept) + "…"


def fit_headings(headings: Headings, most: int, count: Callable[[str], int]) -> Headings:
    """The headings in at most `most` word pieces: outer ones go first, then the end of the nearest."""
    while headings and count(" > ".join(headings)) > most:
        headings = headings[1:] if len(headings) > 1 else _halved(headings[0])
    return headings


def _halved(label: str) -> Headings:
    return (shorten(label, len(label) // 2),) if len(label) > 8 else ()
