"""Drafts from what was already said: the longest match of the text's end earlier in the text."""

from __future__ import annotations

from collections.abc import Sequence

LONGEST = 32  # tokens; a longer match says no more


def draft(tokens: Sequence[int], n: int) -> list[int]:
    """At most `n` tokens that followed the longest earlier match of the last tokens; [] without one.

    Of matches of one length the latest is taken. Answers that quote their sources repeat them word for word,
    and a model that is read from disk checks eight tokens in the time of one.

    >>> draft([1, 2, 3, 9, 2, 3], 2)
    [9, 2]
    >>> draft([7, 2, 3, 8, 1, 2, 3, 9, 1, 2, 3], 1)
    [9]
    >>> draft([5, 6, 5, 6], 3)
    [5, 6, 5]
    """
    best, follows = 0, 0
    last = len(tokens) - 1
    for end in range(last - 1, -1, -1):
        if tokens[end] != tokens[last]:
            continue
        length = _matched(tokens, end, last)
        if length > best:
            best, follows = length, end + 1
            if best == LONGEST:
                break
    return _continued(tokens, follows, n) if best else []


def _continued(tokens: Sequence[int], follows: int, n: int) -> list[int]:
    """What stands from `follows` on, and where the text ends, what was drafted goes on itself."""
    drafted: list[int] = []
    before = tokens[follows:]
    for i in range(n):
        drafted.append(before[i] if i < len(before) else drafted[i - len(before)])
    return drafted


def _matched(tokens: Sequence[int], end: int, last: int) -> int:
    """How many tokens up to `end` are those up to `last`."""
    length = 1
    while length < LONGEST and length <= end and tokens[end - length] == tokens[last - length]:
        length += 1
    return length
