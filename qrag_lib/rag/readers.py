"""The reader of a workspace: loaded when the first question needs it, or none."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from qrag_lib.models.span_weights import FILE
from qrag_lib.models.worker.room import is_short
from qrag_lib.settings import Settings

if TYPE_CHECKING:
    from qrag_lib.models.span_reader import SpanReader


def reader_of(settings: Settings) -> SpanReader | None:
    """The reader that the settings ask for; None where they want none, where memory is short, or without its weights.

    Raises ModelError where the weights are not those that were trained.
    """
    if settings.reader == "none" or not FILE.is_file() or is_short():
        return None
    return _loaded()


@lru_cache(maxsize=1)
def _loaded() -> SpanReader:
    from qrag_lib.models.span_reader import open_reader

    return open_reader()
