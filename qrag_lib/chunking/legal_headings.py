"""The provisions of a legal text as headings: título > capítulo > Art. 5º > § 1º, beside those that the file marks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from qrag_lib.chunking.outline import shorten
from qrag_lib.language.law import ARTICLE, Provision, provisions
from qrag_lib.types import Document, Section

ARTICLES: Final = 2  # fewer make no legal text
_MARKS = re.compile(r"[*_#>]+")
_NAME = re.compile(  # what a provision is called, without its words
    r"\s*(?:art(?:igo)?\.?\s*\d[\d.]*(?:\s?[º°ª]|o\b)?(?:-[A-Z]\b)?|cláusula\s+\S+|§\s*\d+(?:\s?[º°ª]|o\b)?(?:-[A-Z]\b)?"
    r"|parágrafo\s+[^\W\d]+|[IVXLC]+(?:-[A-Z]\b)?|[a-z]\))",
    re.IGNORECASE,
)


def outline_of(document: Document) -> tuple[Section, ...]:
    """The document's sections, and those of its articles and what they are divided into."""
    text = document.text
    found = list(provisions(text))
    if len({each.term for each in found if each.depth == ARTICLE}) < ARTICLES:
        return document.sections
    borders = sorted(s.start for s in document.sections if s.kind == "heading")
    marked = {_line_start(text, border) for border in borders}
    fresh = [each for each in found if each.depth >= ARTICLE or _line_start(text, each.start) not in marked]
    return (*document.sections, *_sections(text, fresh, borders))


def _sections(text: str, found: Sequence[Provision], borders: Sequence[int]) -> Iterator[Section]:
    """A section each; it reaches to the next that is not below it, or to a heading that the file marks."""
    open_: list[Provision] = []
    waiting = [(each.start, each.depth, each) for each in found] + [(border, -1, None) for border in borders]
    for start, depth, each in sorted(waiting, key=lambda w: w[:2]):
        while open_ and open_[-1].depth >= depth:
            yield _section(text, open_.pop(), start)
        open_ += [each] if each else []
    while open_:
        yield _section(text, open_.pop(), len(text))


def _section(text: str, provision: Provision, end: int) -> Section:
    level = min(provision.depth + 1, 3) if provision.depth < ARTICLE else provision.depth - 1
    return Section("heading", _label(text, provision), provision.start, end, level)


def _label(text: str, provision: Provision) -> str:
    """A division's line with its title; an article's name."""
    line, _, below = text[provision.start : provision.start + 400].partition("\n")
    line = _MARKS.sub("", line).strip()
    if provision.depth < ARTICLE:
        title = _MARKS.sub("", below.strip().partition("\n")[0]).strip()
        return f"{line} {title}" if len(line.split()) < 3 and title else line
    name = _NAME.match(line)
    return name[0].strip().rstrip(".") if name else shorten(line, 40)


def _line_start(text: str, offset: int) -> int:
    return text.rfind("\n", 0, offset) + 1
