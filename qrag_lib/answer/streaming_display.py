"""An answer as it is being written, for whoever waits: a draft, shown as one, until it has been checked."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TextIO

from qrag_lib import show
from qrag_lib.i18n import _
from qrag_lib.progress import REDRAW_S, in_notebook

Draw = Callable[[str, str], None]


class OnText(Protocol):
    """What is told each piece of an answer as the model writes it."""

    def __call__(self, piece: str) -> None:
        """Take the next piece of the text."""


@contextmanager
def shown(stream: TextIO | None = None) -> Iterator[OnText]:
    """An `OnText` for where we are: a notebook, a terminal (`stream`, standard error by default), or nothing.

    What it draws is escaped, says that it is not checked yet, and makes way for the answer at the end.
    """
    stream = stream or sys.stderr
    if in_notebook():
        with _drawn(_notebook_canvas()) as on_text:
            yield on_text
    elif stream.isatty():
        with _typed(stream) as on_text:
            yield on_text
    else:
        yield lambda piece: None


@contextmanager
def _drawn(draw: Draw) -> Iterator[OnText]:
    """Redraws the whole text, a few times a second; the last word says how it ended."""
    text, drawn = "", 0.0

    def on_text(piece: str) -> None:
        nonlocal text, drawn
        text += piece
        if (now := time.monotonic()) - drawn >= REDRAW_S:
            drawn = now
            draw(_heading(), text)

    try:
        yield on_text
    except BaseException:
        draw(_("Stopped; what was written until then is not checked."), text)
        raise
    if text:
        draw("", "")


@contextmanager
def _typed(stream: TextIO) -> Iterator[OnText]:
    """Writes each piece as it comes."""
    begun = False

    def on_text(piece: str) -> None:
        nonlocal begun
        if not begun:
            stream.write(_heading() + "\n")
            begun = True
        stream.write(show.plain(piece))
        stream.flush()

    try:
        yield on_text
    finally:
        if begun:
            stream.write("\n\n")
            stream.flush()


def draft_html(text: str, heading: str = "") -> show.Html:
    """A draft as a panel that says what it is, escaped."""
    body = show.Html(f'<div class="text">{show.escape(text)}</div>')
    return show.Html(str(show.panel_html(heading or _heading(), body, calm=True)))


def _heading() -> str:
    return _("The model is writing; nothing of this is checked yet:")


def _notebook_canvas() -> Draw:
    from IPython.display import DisplayHandle

    handle: Any = DisplayHandle()  # type: ignore[no-untyped-call]
    begun = False

    def draw(heading: str, text: str) -> None:
        nonlocal begun
        if begun:
            handle.update(_bundle(heading, text), raw=True)
        else:
            handle.display(_bundle(heading, text), raw=True)
        begun = True

    return draw


def _bundle(heading: str, text: str) -> dict[str, str]:
    if not heading:
        return {"text/html": "", "text/plain": ""}
    panel = draft_html(text, heading)
    return {"text/html": panel._repr_html_(), "text/plain": f"{heading}\n{show.plain(text)}"}
