"""The bookmarks of a PDF, as the headings that they name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_MOST = 2_000
_NUMBERING = re.compile(r"(?:\d+(?:\.\d+)*\.?|[IVXLC]+[.)]|[A-Z]\.)\s+")

Bookmarks = dict[tuple[int, str], int]


def read_bookmarks(document: Any) -> Bookmarks:
    """(page from 0, key of the title) -> level of each bookmark; damaged ones are left out."""
    found: Bookmarks = {}
    try:
        for level, mark in _flat(document.outline):
            if key := title_key(str(mark.title)):
                found.setdefault((document.get_destination_page_number(mark), key), level)
            if len(found) >= _MOST:
                break
    except (MemoryError, RecursionError):
        raise
    except Exception:  # pypdf raises many kinds on damaged outlines; the text does not need them
        return found
    return found


def _flat(outline: Any) -> Iterator[tuple[int, Any]]:
    stack = [(1, iter(outline))]
    while stack:
        level, marks = stack[-1]
        mark = next(marks, None)
        if mark is None:
            stack.pop()
        elif isinstance(mark, list):
            stack.append((level + 1, iter(mark)))
        else:
            yield level, mark


def title_key(title: str) -> str:
    """A title as it can be compared with a line: without numbering, spaces and case.

    >>> title_key("2.1  Da C OMPETÊNCIA") == title_key("Da competência")
    True
    """
    return "".join(_NUMBERING.sub("", title.strip(), count=1).split()).casefold()
