"""A long job says how far it is, how fast, and what holds it up."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrag_lib import progress
from qrag_lib.progress import Stages, quiet, said, shown


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QRAG_LANG", "en")


def test_the_stage_that_took_longest_limits() -> None:
    job = Stages()
    job("read", 90, 100, seconds=2.0)
    job("embed", 40, 100, seconds=8.0)
    limiting = job.limiting()
    assert limiting is not None and limiting.name == "embed"
    assert job.left_s() == pytest.approx(60 / 5)


def test_one_stage_alone_limits_nothing() -> None:
    job = Stages()
    job("read", 1, 2, seconds=1.0)
    assert job.limiting() is None


def test_a_total_once_told_is_kept() -> None:
    job = Stages()
    job("read", 0, 50)
    job("read", 25, seconds=5.0)
    assert said(job.stages["read"]) == "25/50 · 5.0/s · 5.0 s left"


def test_without_a_total_no_time_left_is_claimed() -> None:
    job = Stages()
    job("read", 2500, seconds=5.0)
    assert said(job.stages["read"]) == "2,500 · 500/s"


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9), st.floats(0, 1e9))))
def test_no_figures_break_it(told: list[tuple[int, int, float]]) -> None:
    job = Stages()
    for done, total, seconds in told:
        job("read", done, total, seconds)
        assert 0 <= job.stages["read"].share <= 1
        assert said(job.stages["read"])


def test_a_pipe_gets_nothing() -> None:
    stream = io.StringIO()
    with shown(stream) as tell:
        tell("read", 1, 2)
    assert (stream.getvalue(), tell) == ("", quiet)


def test_a_terminal_gets_a_line_a_stage_and_is_left_clean() -> None:
    stream = Terminal()
    with shown(stream) as tell:
        tell("read", 90, 100, seconds=2.0)
        tell("embed", 40, 100, seconds=8.0)
    drawn = stream.getvalue()
    assert "reading" in drawn and "90/100" in drawn
    assert "embedding" in drawn and "limits" in drawn
    assert drawn.endswith("\x1b[2K")  # rich erases what it drew


def test_a_stage_of_another_name_is_shown_as_it_is() -> None:
    job = Stages()
    job("<b>polish", 1, 2)
    assert "&lt;b&gt;polish" in progress._html(job).html


def test_a_notebook_keeps_the_last_state(monkeypatch: pytest.MonkeyPatch) -> None:
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    shell = InteractiveShell.instance()
    shell.kernel = object()
    try:
        with capture_output() as captured, shown() as tell:
            tell("embed", 100, 100, seconds=2.0)
        last: Any = captured.outputs[-1]
        assert "embedding" in last.data["text/html"] and "100/100" in last.data["text/html"]
    finally:
        del shell.kernel
        InteractiveShell.clear_instance()
