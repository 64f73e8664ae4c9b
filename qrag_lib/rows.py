"""A table as a sequence of its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, overload

Row = TypeVar("Row")


@dataclass(frozen=True)
class Rows(Sequence[Row], Generic[Row]):
    """Rows that can be counted, indexed and walked.

    >>> len(Rows((1, 2, 3))), Rows((1, 2, 3))[1:]
    (3, (2, 3))
    """

    rows: tuple[Row, ...]

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        return self.rows[index]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)
