"""A table of rows that shows itself: each kind says its title, its columns and its cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from local_models.interface.blocks import panel_html, table_html, table_text
from qrag_lib.rows import Rows

Row = TypeVar("Row")


class ShownRows(Rows[Row]):
    """Rows on a terminal and in a notebook."""

    def _title(self) -> str:
        raise NotImplementedError

    def _columns(self) -> list[str]:
        raise NotImplementedError

    def _cells(self) -> Sequence[Sequence[object]]:
        raise NotImplementedError

    def __str__(self) -> str:
        table = [table_text(self._columns(), self._cells())] if self.rows else []
        return "\n".join([self._title(), *table])

    def _repr_html_(self) -> str:
        return panel_html(self._title(), table_html(self._columns(), self._cells()), calm=True)._repr_html_()
