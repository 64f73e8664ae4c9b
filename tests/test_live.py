"""A draft as it is being written, on a terminal and in a notebook: escaped, and called what it is."""

from __future__ import annotations

import io
from typing import Any

import pytest

from qrag_lib.answer import streaming_display

HOSTILE = "<img src=x onerror=alert(1)>\x1b[2J\u202e"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QRAG_LANG", "en")


def notebook(monkeypatch: pytest.MonkeyPatch, pieces: list[str], error: type[BaseException] | None = None) -> list[Any]:
    """What a notebook was given to show while the pieces came."""
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    shell = InteractiveShell.instance()
    monkeypatch.setattr(shell, "kernel", object(), raising=False)
    try:
        with capture_output() as captured:
            try:
                with streaming_display.shown() as on_text:
                    for piece in pieces:
                        on_text(piece)
                    if error is not None:
                        raise error
            except KeyboardInterrupt:
                pass
    finally:
        InteractiveShell.clear_instance()
    return [output.data for output in captured.outputs]


def test_a_pipe_gets_nothing() -> None:
    stream = io.StringIO()
    with streaming_display.shown(stream) as on_text:
        on_text("text")
    assert stream.getvalue() == ""


def test_a_terminal_gets_the_pieces_and_is_told_that_nothing_is_checked() -> None:
    stream = Terminal()
    with streaming_display.shown(stream) as on_text:
        for piece in ("Trinta ", "dias.", HOSTILE):
            on_text(piece)
    assert stream.getvalue().startswith("The model is writing; nothing of this is checked yet:\nTrinta dias.<img")
    assert "\x1b" not in stream.getvalue() and "\u202e" not in stream.getvalue()


def test_a_notebook_shows_a_draft_escaped_and_makes_way_for_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = notebook(monkeypatch, [HOSTILE, "dias."])
    assert "&lt;img" in shown[0]["text/html"] and "<img" not in shown[0]["text/html"]
    assert "not" in shown[0]["text/plain"] and "\x1b" not in shown[0]["text/plain"]
    assert shown[-1] == {"text/html": "", "text/plain": ""}


def test_a_stopped_draft_stays_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = notebook(monkeypatch, ["Trinta ", "dias."], KeyboardInterrupt)
    assert "Stopped" in shown[-1]["text/html"] and "Trinta dias." in shown[-1]["text/html"]


def test_without_a_piece_a_notebook_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert notebook(monkeypatch, []) == []
