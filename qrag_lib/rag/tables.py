"""A row of a table as a person reads it: the name of each column beside its value, under the table's title.

Tables stand in a document's text as their format's reader wrote them: `| a | b |` (Markdown), cells parted
by tabs (docx, html, pptx, odt), or `column: value; column: value` (csv, xlsx).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from qrag_lib.language.cutting import is_row
from qrag_lib.rag.documents.readers.table import has_header, row_text
from qrag_lib.show.clean import clean

_LONGEST_TITLE: Final = 160  # characters of a line above a table that may be its title
_RULE = re.compile(r"[ \t]*\|?[ \t]*:?-{2,}:?[ \t]*(?:\|[ \t]*:?-*:?[ \t]*)*")
_PIPE = re.compile(r"(?<!\\)\|")
_PAIR = re.compile(r"([^:;]{1,80}): (.*)", re.DOTALL)
_CAPTION = re.compile(r"[\W_]*(?:tabela|quadro|table|tab\.)\b|.{3,}:[\W_]*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of a row. columns: a name a value, "" where it has none. names: the row that names the columns.

    >>> str(Row(("cidade", "vagas"), ("Bezerros", "15"), "Vagas de 2024"))
    'cidade: Bezerros; vagas: 15'
    """

    columns: tuple[str, ...]
    values: tuple[str, ...]
    title: str = ""
    names: bool = False

    def __str__(self) -> str:
        return row_text(self.columns, self.values) if any(self.columns) else " · ".join(filter(None, self.values))


def read_row(text: str, start: int, end: int, headings: Sequence[str] = ()) -> Row | None:
    """The row that stands in `text[start:end]`; None where that is no row of a table.

    headings: those above it; the nearest is the title where no caption stands over the table. Where a row
    has not as many cells as the table has columns, nobody knows which are missing: it gets no names.

    >>> read_row("cidade\\tvagas\\nCaruaru\\t40", 13, 23)
    Row(columns=('cidade', 'vagas'), values=('Caruaru', '40'), title='', names=False)
    """
    line = text[start:end]
    if not is_row(line) or _RULE.fullmatch(line):
        return None
    above = _lines_above(text, start)
    first = _first_row(above, line)
    title = _caption(above[:first]) or (clean(headings[-1]) if headings else "")
    if "\t" not in line and not line.lstrip().startswith("|"):
        return _pairs(line, title)
    rows = [*above[first:], *_lines_of(text, start)]
    header = _header(rows)
    values = _cells(line)
    if header is not None and len(rows) and len(above) == first:
        return Row(("",) * len(values), values, title, names=True)
    names = _aligned(header or (), values, rows)
    return Row(names, values, title)


def _lines_above(text: str, start: int) -> list[str]:
    """The lines before the row back to a blank one; over a table that begins after it, the line above that."""
    block = text.rfind("\n\n", 0, start) + 2 if "\n\n" in text[:start] else 0
    lines = text[block:start].split("\n")[:-1]
    if all(map(_is_part, lines)) and block:
        before = text[:block].rstrip("\n")
        lines.insert(0, before[before.rfind("\n") + 1 :])
    return lines


def _lines_of(text: str, start: int) -> list[str]:
    """The row and a few of its table below it: enough to tell whether the first names the columns."""
    end = text.find("\n\n", start)
    stretch = text[start : min(end if end >= 0 else len(text), start + 4_000)]
    lines = stretch.split("\n")[:50]
    n = next((i for i, line in enumerate(lines) if not _is_part(line)), len(lines))
    return lines[: max(1, n)]


def _is_part(line: str) -> bool:
    return is_row(line) or _RULE.fullmatch(line) is not None


def _first_row(above: Sequence[str], line: str) -> int:
    """Where in the lines above the table begins."""
    n = len(above)
    while n and _is_part(above[n - 1]) and _kind(above[n - 1]) == _kind(line):
        n -= 1
    return n


def _kind(line: str) -> str:
    """What parts the cells."""
    return "|" if line.lstrip().startswith("|") else "\t" if "\t" in line else ";"


def _cells(line: str) -> tuple[str, ...]:
    if "\t" in line and not line.lstrip().startswith("|"):
        return tuple(" ".join(cell.split()) for cell in line.split("\t"))
    return tuple(clean(cell) for cell in _PIPE.split(line.strip().removeprefix("|").removesuffix("|")))


def _header(rows: Sequence[str]) -> tuple[str, ...] | None:
    """The names of the columns: the row over a rule of Markdown, or a first row that is unlike the others."""
    rule = next((i for i, line in enumerate(rows[:3]) if _RULE.fullmatch(line)), 0)
    if rule:
        return _cells(rows[rule - 1])
    cells = [_cells(line) for line in rows[:50] if not _RULE.fullmatch(line)]
    return cells[0] if len(cells) > 1 and has_header([list(row) for row in cells]) else None


def _aligned(header: tuple[str, ...], values: tuple[str, ...], rows: Sequence[str]) -> tuple[str, ...]:
    """A name for each value; a corner without a name is told by all rows that have one cell more."""
    counts = {len(_cells(line)) for line in rows[1:50] if not _RULE.fullmatch(line)}
    if header and counts == {len(header) + 1} == {len(values)}:
        return ("", *header)
    return header if len(header) == len(values) else ("",) * len(values)


def _pairs(line: str, title: str) -> Row:
    """The cells of `column: value; column: value`; a piece without a name goes on with the value before it."""
    cells: list[tuple[str, str]] = []
    for piece in line.split("; "):
        if pair := _PAIR.fullmatch(piece):
            cells.append((pair[1].strip(), pair[2].strip()))
        elif cells:
            cells[-1] = (cells[-1][0], f"{cells[-1][1]}; {piece}")
        else:
            cells.append(("", piece))
    return Row(tuple(name for name, _value in cells), tuple(value for _name, value in cells), title)


def _caption(above: Sequence[str]) -> str:
    """The line over a table, where it names it."""
    line = clean(above[-1][: 4 * _LONGEST_TITLE]) if above else ""
    return line.rstrip(": ") if len(line) <= _LONGEST_TITLE and _CAPTION.match(line) else ""
