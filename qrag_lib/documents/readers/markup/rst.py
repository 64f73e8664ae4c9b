"""reStructuredText: the text as written, titles found by their adornment."""

from __future__ import annotations

import re
from collections.abc import Iterator

from qrag_lib.documents.limits import Limits
from qrag_lib.documents.text.draft import Extract
from qrag_lib.documents.text.encoding import decode
from qrag_lib.documents.text.heading_sections import heading_sections
from qrag_lib.documents.text.tidy import clean, squeeze

_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1{2,}$")


def read(data: bytes, limits: Limits) -> Extract:
    """The text of the file with its titles as sections."""
    decoded, encoding = decode(data)
    text = clean(decoded)
    return Extract(text, heading_sections(rst_headings(text), len(text)), {}, "text/x-rst", encoding)


def rst_headings(text: str) -> Iterator[tuple[int, int, str]]:
    """(start, level, title) of each title; levels count adornments in the order of their first use.

    >>> list(rst_headings("Guia\\n====\\n\\nPasso\\n-----\\n"))
    [(0, 1, 'Guia'), (11, 2, 'Passo')]
    """
    styles: list[str] = []
    lines = text.split("\n")
    start = 0
    for i, line in enumerate(lines[:-1]):
        mark = _ADORNMENT.match(lines[i + 1])
        if mark and line.strip() and len(lines[i + 1]) >= len(line.strip()) and not _ADORNMENT.match(line):
            above = lines[i - 1] if i else ""
            style = mark.group(1) * (2 if above == lines[i + 1] else 1)
            if style not in styles:
                styles.append(style)
            yield start, styles.index(style) + 1, squeeze(line)
        start += len(line) + 1
