"""Tables, panels and bars. Everything given to them is data and comes out escaped."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from local_models.interface.number_format import number
from local_models.interface.sanitize import escape, line, plain
from local_models.interface.theme import page

WIDTH = 80


@dataclass(frozen=True, slots=True)
class Html:
    """HTML that this package wrote; a notebook shows it, and nothing takes it for a path or an address."""

    html: str

    def __str__(self) -> str:
        return self.html

    def _repr_html_(self) -> str:
        return page(self.html)


def cell(value: object) -> Html:
    """One value as HTML: an `Html` as it is, a number as the reader writes it, anything else escaped."""
    if isinstance(value, Html):
        return value
    return Html(escape(_figure(value)))


def table_html(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Html:
    """A table. Cells are data: text is escaped, numbers stand right, `Html` cells are taken as they are."""
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(_td(value) for value in row)}</tr>" for row in rows)
    return Html(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def rows_html(pairs: Iterable[tuple[str, object]]) -> Html:
    """Names and values, one pair a row, without a head."""
    body = "".join(f"<tr><th>{escape(name)}</th>{_td(value)}</tr>" for name, value in pairs)
    return Html(f"<table><tbody>{body}</tbody></table>")


def panel_html(title: str, *parts: object, calm: bool = False) -> Html:
    """A panel with a title; `calm` takes the accent from its edge."""
    body = "".join(f"<div>{cell(part)}</div>" for part in parts if part)
    return Html(f'<div class="panel{" calm" if calm else ""}"><b>{escape(title)}</b>{body}</div>')


def bar_html(share: float, label: str, second: bool = False) -> Html:
    """A small bar filled to `share` (0 to 1), and the label beside it."""
    width = round(100 * min(1.0, max(0.0, share)))
    kind = "bar second" if second else "bar"
    return Html(f'<span class="{kind}"><i style="width:{width}%"></i></span>{escape(label)}')


def table_text(columns: Sequence[str], rows: Iterable[Sequence[object]], width: int = WIDTH) -> str:
    """A table in plain text; numbers stand right, the widest column is wrapped into what the width leaves.

    Columns without any name have no head.
    """
    body = [list(row) for row in rows]
    head = [[line(name) for name in columns]] if any(columns) else []
    cells = [*head, *([line(_figure(value)) for value in row] for row in body)]
    widths = [max((_columns(row[i]) for row in cells), default=0) for i in range(len(columns))]
    widest = widths.index(max(widths))
    others = sum(widths) - widths[widest] + 2 * (len(widths) - 1)
    widths[widest] = min(widths[widest], max(16, width - others))
    right = [bool(body) and all(_is_number(row[i]) for row in body) for i in range(len(columns))]
    return "\n".join(_row_text(row, widths, right, widest) for row in cells)


def wrapped(text: object, indent: str = "", first: str | None = None, width: int = WIDTH) -> str:
    """Plain text broken into lines of `width`, at spaces: a command stays whole. Paragraphs stay apart."""
    start = indent if first is None else first
    parts = plain(text).split("\n")
    lines = [
        textwrap.fill(
            part, width, initial_indent=indent if i else start, subsequent_indent=indent, break_on_hyphens=False
        )
        for i, part in enumerate(parts)
    ]
    return "\n".join(each.rstrip() for each in lines)


def bar_text(share: float, cells: int = 10) -> str:
    """A bar of characters, filled to `share` (0 to 1).

    >>> bar_text(0.5, 4)
    '██░░'
    """
    full = round(cells * min(1.0, max(0.0, share)))
    return "█" * full + "░" * (cells - full)


def _td(value: object) -> str:
    return f'<td class="n">{cell(value)}</td>' if _is_number(value) else f"<td>{cell(value)}</td>"


def _row_text(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool], widest: int) -> str:
    lines = textwrap.wrap(cells[widest], widths[widest]) or [""]
    filled = [[part] if i != widest else lines for i, part in enumerate(cells)]
    printed = []
    for height in range(len(lines)):
        parts = [column[height] if height < len(column) else "" for column in filled]
        printed.append("  ".join(_padded(*each) for each in zip(parts, widths, right, strict=True)).rstrip())
    return "\n".join(printed)


def _padded(text: str, width: int, right: bool) -> str:
    space = " " * (width - _columns(text))
    return space + text if right else text + space


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _figure(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return number(value, 3 if abs(value) < 10 else 1)
    return number(value) if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else not unicodedata.combining(c) for c in text)
