"""Headings that a text marks by itself, as sections."""

from __future__ import annotations

from collections.abc import Iterable

from qrag_lib.types import Section


def heading_sections(headings: Iterable[tuple[int, int, str]], end: int) -> tuple[Section, ...]:
    """Sections of headings given as (start, level, title) in order; each reaches to the next of its level or above.

    >>> [(s.label, s.end) for s in heading_sections([(0, 1, "A"), (5, 2, "B"), (9, 1, "C")], 12)]
    [('A', 9), ('B', 9), ('C', 12)]
    """
    sections: list[Section] = []
    open_: list[tuple[int, int, str]] = []

    def close(level: int, at: int) -> None:
        while open_ and open_[-1][1] >= level:
            start, depth, title = open_.pop()
            sections.append(Section("heading", title, start, at, depth))

    for start, level, title in headings:
        close(level, start)
        open_.append((start, level, title))
    close(0, end)
    return tuple(sorted(sections, key=lambda s: (s.start, s.level)))
