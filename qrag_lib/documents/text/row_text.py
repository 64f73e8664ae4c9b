"""Rows of a table as lines that can be read, and found, by themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence

_NUMBER = re.compile(r"[-+(]?[R$€£%\s]*[\d.,:/ -]+%?\)?$")


def row_text(header: Sequence[str], row: Sequence[str]) -> str:
    """The filled cells of a row with their columns' names.

    >>> row_text(["código", "preço"], ["1", "3,50", "x"])
    'código: 1; preço: 3,50; x'
    """
    names = [*header, *[""] * len(row)]
    cells = ((" ".join(name.split()), " ".join(cell.split())) for name, cell in zip(names, row, strict=False))
    return "; ".join(f"{name}: {cell}" if name else cell for name, cell in cells if cell)


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """True where the first row names the columns: short, different from each other and from the cells below.

    >>> has_header([["nome", "idade"], ["Ana", "31"]]), has_header([["Ana", "31"], ["Rui", "7"]])
    (True, False)
    """
    if not rows or len(rows[0]) < 2:
        return False
    first = [cell.strip() for cell in rows[0]]
    named = [cell for cell in first if cell]
    if len(named) < 2 or len(set(named)) < len(named) or any(_is_value(cell) for cell in named):
        return False
    return not any(name and name == row[i].strip() for row in rows[1:200] for i, name in enumerate(first[: len(row)]))


def _is_value(cell: str) -> bool:
    prose = len(cell.split()) > 1 and re.search(r"[,;.!?] ", cell)
    return bool(_NUMBER.match(cell) or prose or len(cell) > 120 or cell[0] in "=+@")
