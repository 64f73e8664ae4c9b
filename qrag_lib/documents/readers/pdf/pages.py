"""Lines of PDF pages to paragraphs: running headers out, words and sentences whole again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from qrag_lib.documents.readers.pdf.bookmarks import Bookmarks, title_key

Page = list[str]  # its lines, stripped; an empty line parts blocks

_EDGE = 3  # lines at the top and at the bottom where headers and footers stand
_NARROWEST = 40  # characters of a full line of text at least; shorter ones are titles, lists, tables
_NUMBER = re.compile(
    r"[-–—\[( ]*(?:(?:page|página|pagina|pág\.?|pag\.?|p\.|fls?\.)\s*)?\d{1,4}(?:\s*(?:/|of|de)\s*\d{1,4})?[-–—\]) ]*",
    re.I,
)
_NUMBERED = re.compile(r"(?:page|página|pagina|pág\.|pag\.)\s*\d+\s*(?:of|de|/)\s*\d+", re.I)
_ITEM = re.compile(r"[•◦▪■●–—*·§]|-\s|\(?[a-z0-9]{1,3}[.)]\s|\d+(?:\.\d+)+\.?\s|art\.\s*\d", re.I)
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_BROKEN = re.compile(r"([^\W\d_]+(?:-[^\W\d_]+)*)[-\u2010]$")
# Portuguese pronouns that follow a verb after a hyphen which belongs to the word.
_CLITICS = frozenset(["me", "te", "se", "lhe", "lhes", "nos", "vos", "lo", "la", "los", "las"])


@dataclass(slots=True)
class Paragraph:
    """A paragraph and the page (from 0) where it begins.

    gap: what parts it from the one before. level: of a heading, else 0.
    """

    page: int
    text: str
    gap: str
    level: int = 0


def paragraphs(pages: Sequence[Page], bookmarks: Bookmarks | None = None) -> Iterator[Paragraph]:
    """The text of the pages as paragraphs; where one runs over the end of a page the gap is a space.

    bookmarks: lines that they name are headings and stand by themselves.

    >>> [p.text for p in paragraphs([["Toda a informação do órgão é pú-", "blica.", "", "1"], ["Fim.", "2"]])]
    ['Toda a informação do órgão é pública.', 'Fim.']
    """
    kept = whole_words(without_running_lines(pages))
    titles = dict(bookmarks or {})
    width = _width(kept)
    last, was_title = "", False
    for number, page in enumerate(kept):
        block: Paragraph | None = None
        for line in page:
            level = titles.pop((number, title_key(line)), 0)
            gap = "\n\n" if level or was_title else _between(last, line, width)
            last, was_title = line, level > 0
            if block and gap == " ":
                block.text += " " + line
            elif line:
                if block:
                    yield block
                block = Paragraph(number, line, gap, level)
        if block:
            yield block
        last = next((line for line in reversed(page) if line), last)


def _width(pages: Sequence[Page]) -> int:
    """Characters of a full line."""
    lengths = sorted(len(line) for page in pages for line in page if line)
    return max(_NARROWEST, lengths[int(0.9 * (len(lengths) - 1))] if lengths else 0)


def _between(before: str, line: str, width: int) -> str:
    """What parts two lines: a space inside a paragraph, else one or two line breaks."""
    if not before or not line:
        return "\n\n"
    if _ITEM.match(line) or "....." in before:
        return "\n"
    ended, low = before[-1] in '.!?:;…”"', line[0].islower()
    alike = not low and before.split(" ", 1)[0] == line.split(" ", 1)[0]  # as rows of a table begin
    full = 0.4 if low and not ended else 0.75 if low or ended else 0.85
    if len(before) >= full * width and not alike:
        return " "
    return "\n\n" if ended else "\n"


def without_running_lines(pages: Sequence[Page]) -> list[Page]:
    """The pages without page numbers and without lines that many pages repeat at the same edge.

    >>> without_running_lines([[f"Relatório {n}", f"texto {'abc'[n]}", f"- {n} -"] for n in range(3)])
    [['texto a'], ['texto b'], ['texto c']]
    """
    top, bottom = _repeated(pages), _repeated([page[::-1] for page in pages])
    return [_trim(_trim(page, top)[::-1], bottom)[::-1] for page in pages]


def _repeated(pages: Sequence[Page]) -> set[str]:
    seen = Counter(key for page in pages for key in {_key(line) for line in _edge(page)})
    enough = 0.4 * len(pages)
    return {key for key, n in seen.items() if key and n >= max(enough, 2 if key == "#" else 3)}


def _edge(page: Page) -> list[str]:
    return [line for line in page if line][:_EDGE]


def _key(line: str) -> str:
    """The line with its digits masked; page numbers are all alike, other lines without letters are nothing."""
    if _NUMBER.fullmatch(line) or _NUMBERED.match(line):
        return "#"
    return re.sub(r"\d+", "#", line.lower()) if any(c.isalpha() for c in line) else ""


def _trim(page: Page, repeated: set[str]) -> Page:
    rest = [*page]
    for _line in range(_EDGE):
        while rest and not rest[0]:
            rest.pop(0)
        if not rest or _key(rest[0]) not in repeated:
            break
        rest.pop(0)
    return rest


def whole_words(pages: Sequence[Page]) -> list[Page]:
    """The pages with words put together that a line or page end had cut.

    A hyphen stays where the document writes the word with it elsewhere, or where it is likely
    part of the word: before a capital or a Portuguese pronoun, or between two words known by themselves.

    >>> whole_words([["guarda-chuva", "o guarda-", "chuva e a infor-"], ["mação tornou-", "se pública"]])
    [['guarda-chuva', 'o guarda-chuva', 'e a informação'], ['tornou-se', 'pública']]
    """
    known = _vocabulary(pages)
    joined: list[Page] = []
    holder: tuple[Page, int] | None = None  # where the last line lies that has text
    for page in pages:
        lines: Page = []
        joined.append(lines)
        for line in page:
            if holder and line and (broken := _BROKEN.search(holder[0][holder[1]])) and (word := _WORD.match(line)):
                head, _space, line = line.partition(" ")
                hyphen = _hyphen(broken.group(1), word.group(), known)
                holder[0][holder[1]] = holder[0][holder[1]][:-1] + hyphen + head
                if not line:
                    continue
            lines.append(line)
            holder = (lines, len(lines) - 1) if line else holder
    return joined


def _vocabulary(pages: Sequence[Page]) -> set[str]:
    """Words that stand whole in the text: not the halves at the ends of lines."""
    known: set[str] = set()
    cut = False
    for line in (line for page in pages for line in page if line):
        words = _WORD.findall(_BROKEN.sub("", line).lower())
        known.update(words[1:] if cut else words)
        cut = bool(_BROKEN.search(line))
    return known


def _hyphen(left: str, right: str, known: set[str]) -> str:
    a, b = left.lower(), right.lower()
    if f"{a}-{b}" in known:
        return "-"
    if a + b in known:
        return ""
    compound = "-" in left or not right[0].islower() or b in _CLITICS
    return "-" if compound or (min(len(a), len(b)) > 2 and a in known and b in known) else ""
