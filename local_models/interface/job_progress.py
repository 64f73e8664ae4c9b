"""What a long job tells of itself: how far each of its stages is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """What a job reports to. Called often; an implementation decides when to draw."""

    def __call__(self, stage: str, done: int, total: int | None = None, seconds: float | None = None) -> None:
        """The stage has done so many of the total; seconds: time it worked so far, waiting left out."""


def quiet(stage: str, done: int, total: int | None = None, seconds: float | None = None) -> None:
    """A `Progress` that says nothing."""
