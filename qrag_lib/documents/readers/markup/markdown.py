"""Markdown: the text as written, headings found outside code, front matter moved to the metadata."""

from __future__ import annotations

import re
from collections.abc import Iterator

from qrag_lib.documents.limits import Limits
from qrag_lib.documents.text.draft import Extract
from qrag_lib.documents.text.encoding import decode
from qrag_lib.documents.text.heading_sections import heading_sections
from qrag_lib.documents.text.tidy import clean, squeeze
from qrag_lib.types import Value

_FRONT = re.compile(r"---[ \t]*\n(.{0,20000}?)\n(?:---|\.\.\.)[ \t]*(?:\n|$)", re.S)
_PAIR = re.compile(r"([A-Za-z][\w-]{0,60}):[ \t]+(\S.*)$", re.M)
_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*))?$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_MARKS = re.compile(r"[*`]+|</?[a-zA-Z][^<>]{0,1000}>|!?\[([^\]]{0,300})\]\([^)]{0,1000}\)|\{\s*#[^}]{0,100}\}|\s#+$")


def read(data: bytes, limits: Limits) -> Extract:
    """The text without its front matter; the title of the front matter heads it if the text has no such heading."""
    text, encoding = decode(data)
    body, metadata = _front_matter(clean(text))
    headings = list(markdown_headings(body))
    title = squeeze(str(metadata.get("title", "")))
    if title and not any(level == 1 for _start, level, _title in headings):
        body = f"{title}\n\n{body}"
        headings = [(0, 1, title), *((start + len(title) + 2, level, name) for start, level, name in headings)]
    return Extract(body, heading_sections(headings, len(body)), metadata, "text/markdown", encoding)


def _front_matter(text: str) -> tuple[str, dict[str, Value]]:
    """The text after the front matter, and the front matter's simple `name: value` lines."""
    match = _FRONT.match(text)
    if not match:
        return text, {}
    pairs = {m.group(1).lower(): m.group(2).strip().strip("\"'") for m in _PAIR.finditer(match.group(1))}
    return text[match.end() :].strip("\n"), dict(pairs)


def markdown_headings(text: str) -> Iterator[tuple[int, int, str]]:
    """(start, level, title) of each heading outside fenced code, marked by # or underlined by = or -.

    >>> list(markdown_headings("# Um\\n```\\n# dois\\n```\\nTrês\\n---"))
    [(0, 1, 'Um'), (20, 2, 'Três')]
    """
    fence, before, start = "", "", 0
    for line in text.split("\n"):
        if fence:
            if line.strip().startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
            before = ""
        elif opening := _FENCE.match(line):
            fence, before = opening.group(1), ""
        elif (atx := _ATX.match(line)) and (title := plain_title(atx.group(2) or "")):
            yield start, len(atx.group(1)), title
            before = ""
        elif before and len(line) > 1 and line.strip("-=") == "" and len(set(line)) == 1:
            yield start - len(before) - 1, 1 if line[0] == "=" else 2, plain_title(before)
            before = ""
        else:
            before = line if line.strip() and line[0] not in " \t>-*+|<0123456789" else ""
        start += len(line) + 1


def plain_title(title: str) -> str:
    """A heading without emphasis, code marks, HTML tags, link targets and anchors.

    >>> plain_title("O `id` de [um](x.md) *item* { #id }")
    'O id de um item'
    """
    return squeeze(_MARKS.sub(lambda m: m.group(1) or "", title[:500]))
