"""How a value shows itself: whoever has a screen registers the form of a type, as `qrag_lib.show` does."""

from __future__ import annotations

from functools import singledispatch
from html import escape


@singledispatch
def as_text(value: object) -> str:
    """The value for a terminal."""
    return repr(value)


@singledispatch
def as_html(value: object) -> str:
    """The value for a notebook."""
    return f"<pre>{escape(repr(value))}</pre>"


class Shown:
    """A value that is shown by the form of its type."""

    __slots__ = ()

    def __str__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        return as_html(self)
