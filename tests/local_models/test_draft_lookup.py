"""Drafts from what was said, and texts that end at a stop string."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from local_models.decoding.draft_lookup import draft
from local_models.decoding.stop_text import StopText

TOKENS = st.lists(st.integers(0, 3), max_size=30)


def matched(tokens: list[int], end: int) -> int:
    """How long the text up to `end` agrees with the whole text's end."""
    length = 0
    while length < end and tokens[end - 1 - length] == tokens[len(tokens) - 1 - length]:
        length += 1
    return length


@given(tokens=TOKENS)
def test_a_draft_follows_the_longest_match_and_of_those_the_latest(tokens: list[int]) -> None:
    ends = range(1, len(tokens))
    longest = max((matched(tokens, end) for end in ends), default=0)
    latest = max((end for end in ends if matched(tokens, end) == longest), default=0)
    assert draft(tokens, 1) == (tokens[latest : latest + 1] if longest else [])


@given(tokens=TOKENS, n=st.integers(-2, 8))
def test_a_draft_has_the_length_asked_for_or_none(tokens: list[int], n: int) -> None:
    assert len(draft(tokens, n)) in (0, max(0, n))


def test_a_draft_of_a_loop_goes_round() -> None:
    assert draft([9, 1, 2, 3, 1, 2, 3], 7) == [1, 2, 3, 1, 2, 3, 1]


TEXT = st.text("abc", max_size=30)
STOPS = st.lists(st.text("abc", min_size=1, max_size=4), max_size=3)


@given(pieces=st.lists(TEXT, max_size=6), stops=STOPS)
def test_however_a_text_is_cut_it_ends_before_the_first_stop_string(pieces: list[str], stops: list[str]) -> None:
    text = StopText(stops)
    told = [text.push(piece) for piece in pieces] + [text.flush()]
    whole = "".join(pieces)
    got = "".join(told)
    assert whole.startswith(got)
    assert text.ended == any(stop in whole for stop in stops)
    assert not any(stop in got for stop in stops)
    assert text.ended or got == whole
