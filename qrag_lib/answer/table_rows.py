"""Rows of tables as a person reads them: the name of each column beside its value, under the table's caption.

Tables stand in a document's text as their format's reader wrote them: `| a | b |` (Markdown), cells parted
by tabs (docx, html, pptx, odt), or `column: value; column: value` (csv, xlsx).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from qrag_lib.documents.text.row_text import has_header
from qrag_lib.language.cutting import ROW, is_row
from qrag_lib.language.quote_text import cell_spans, clean
from qrag_lib.types import Cell, Row

Span = tuple[int, int]

_LONGEST_TITLE: Final = 160  # characters of a line above a table that may be its title
_LOOKED_AT: Final = 50  # rows of a table that tell what the first one is
_RULE = re.compile(r"[ \t]*\|?[ \t]*:?-{2,}:?[ \t]*(?:\|[ \t]*:?-*:?[ \t]*)*")
_PIPE = re.compile(r"(?<!\\)\|")
_BETWEEN = re.compile(r"\A|; ")
_NAME = re.compile(r"([^:;]{1,80}): ")
_CAPTION = re.compile(r"[\W_]*(?:tabela|quadro|table|tab\.)\b|.{3,}:[\W_]*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Top:
    """How a table begins: its caption, the names of its columns, and the character up to which these stand.

    corner: rows have a cell before the first that is named.
    """

    caption: str = ""
    names: tuple[str, ...] = ()
    until: int = 0
    corner: bool = False


@dataclass(frozen=True)
class Tables:
    """The tables of one text; how each of them begins is looked up once."""

    text: str
    _above: dict[int, int] = field(default_factory=dict)  # where a line begins -> where its table does
    _tops: dict[int, _Top] = field(default_factory=dict)

    def row(self, start: int, end: int) -> Row | None:
        """The row that stands in `text[start:end]`; None where that is no row of a table.

        Where a row has not as many cells as the table has columns, nobody knows which are missing, but for
        Markdown, where they are the last: it gets no names.

        >>> print(Tables("cidade\\tvagas\\nCaruaru\\t40").row(13, 23))
        cidade: Caruaru; vagas: 40
        """
        line = self.text[start:end]
        if not is_row(line) or _RULE.fullmatch(line):
            return None
        top = self._top(start)
        if _kind(line) == ";":
            return Row(start, end, tuple(_pairs(line, start)), top.caption)
        spans = _cell_spans(line)
        names = start < top.until
        columns = [""] * len(spans) if names else _columns(top, len(spans), _kind(line))
        cells = (
            Cell(name, _value(line[a:b]), start + a, start + b) for name, (a, b) in zip(columns, spans, strict=True)
        )
        return Row(start, end, tuple(cells), top.caption, names)

    def rows(self, start: int, end: int) -> Iterator[Row]:
        """The rows that `text[start:end]` touches, whole."""
        here = self.text.rfind("\n", 0, start) + 1
        while here < end:
            stop = self.text.find("\n", here)
            stop = len(self.text) if stop < 0 else stop
            line = self.text[here:stop]
            left, right = here + len(line) - len(line.lstrip()), here + len(line.rstrip())
            if right > start and left < end and (row := self.row(left, right)) is not None:
                yield row
            here = stop + 1

    def _top(self, start: int) -> _Top:
        """How the table begins that the row at `start` is of."""
        kind = _kind(self.text[start : start + ROW].partition("\n")[0])
        passed = [self.text.rfind("\n", 0, start) + 1]
        while passed[-1] not in self._above and (before := self._line_before(passed[-1], kind)) is not None:
            passed.append(before)
        first = self._above.get(passed[-1], passed[-1])
        self._above.update(dict.fromkeys(passed, first))
        if first not in self._tops:
            self._tops[first] = _read_top(self.text, first, kind)
        return self._tops[first]

    def _line_before(self, here: int, kind: str) -> int | None:
        """Where the line before the one at `here` begins, if it is of the same table."""
        before = self.text.rfind("\n", 0, max(0, here - 1)) + 1
        line = self.text[before : max(0, here - 1)]
        return before if here and _is_part(line, kind) else None


def _read_top(text: str, first: int, kind: str) -> _Top:
    caption = _caption(text[max(0, first - 4 * _LONGEST_TITLE) : first])
    if kind == ";":
        return _Top(caption)
    lines = _lines_from(text, first, kind)
    rule = next((i for i, line in enumerate(lines[:3]) if _RULE.fullmatch(line)), 0)
    cells = [_texts(line) for line in lines if not _RULE.fullmatch(line)]
    if not rule and not (len(cells) > 1 and has_header(cells)):
        return _Top(caption)
    above = max(1, rule)  # rows of names; the last has those of the columns
    until = first + sum(len(line) + 1 for line in lines[:above])
    corner = {len(row) for row in cells[above:]} == {len(cells[above - 1]) + 1}
    return _Top(caption, tuple(cells[above - 1]), until, corner)


def _lines_from(text: str, first: int, kind: str) -> list[str]:
    """The first lines of the table that begins at `first`: enough to tell whether its first row names the columns."""
    lines = text[first : first + 1_000 * _LOOKED_AT].split("\n")[:_LOOKED_AT]
    n = next((i for i, line in enumerate(lines) if not _is_part(line, kind)), len(lines))
    return lines[: max(1, n)]


def _is_part(line: str, kind: str) -> bool:
    return _RULE.fullmatch(line) is not None or (_kind(line) == kind and is_row(line))


def _kind(line: str) -> str:
    """What parts the cells."""
    return "|" if line.lstrip().startswith("|") else "\t" if "\t" in line else ";"


def _cell_spans(line: str) -> list[Span]:
    """Where the cells stand in the line, without space around them; a pipe that is escaped parts nothing."""
    line = line.rstrip(" ")
    if _kind(line) == "\t":
        bars = [-1, *(i for i, c in enumerate(line) if c == "\t"), len(line)]
    else:
        bars = [match.start() for match in _PIPE.finditer(line)]
        bars += [] if bars[-1] == len(line) - 1 else [len(line)]
    return [_stripped(line, left + 1, right) for left, right in pairwise(bars)]


def _stripped(line: str, start: int, end: int) -> Span:
    cell = line[start:end]
    left = start + len(cell) - len(cell.lstrip())
    return left, left + len(cell.strip())


def _texts(line: str) -> list[str]:
    return [_value(line[start:end]) for start, end in _cell_spans(line)]


def _value(cell: str) -> str:
    return " ".join(cell_spans(cell)[0].split())


def _columns(top: _Top, n: int, kind: str) -> list[str]:
    """A name for each of the `n` cells of a row, "" where nobody knows it."""
    names = ["", *top.names] if top.corner and n == len(top.names) + 1 else list(top.names)
    if len(names) == n or (names and kind == "|"):
        return [*names, *[""] * n][:n]
    return [""] * n


def _pairs(line: str, offset: int) -> Iterator[Cell]:
    """The cells of `column: value; column: value`; a piece without a name goes on with the value before it."""
    begun = [match.end() for match in _BETWEEN.finditer(line) if not match.end() or _NAME.match(line, match.end())]
    for start, after in pairwise([*begun, len(line) + len("; ")]):
        name = _NAME.match(line, start)
        left, right = _stripped(line, name.end() if name else start, after - len("; "))
        yield Cell(clean(name[1]) if name else "", _value(line[left:right]), offset + left, offset + right)


def _caption(above: str) -> str:
    """The line over a table, where it names it. above: the end of the text before the table."""
    line = clean(above.rstrip().rpartition("\n")[2])
    return line.rstrip(": ") if len(line) <= _LONGEST_TITLE and _CAPTION.match(line) else ""
