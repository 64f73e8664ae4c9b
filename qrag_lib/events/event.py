"""One thing that happened, as a value."""

from __future__ import annotations

import resource
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal

from qrag_lib import show
from qrag_lib.i18n import _, ngettext
from qrag_lib.progress import in_notebook
from qrag_lib.show.shown_rows import ShownRows

What = Literal["question", "ingest", "reindex"]
Surface = Literal["prompt", "notebook", "dashboard", "library"]
_surface: ContextVar[Surface | None] = ContextVar("qrag_surface", default=None)


@dataclass(frozen=True)
class Event:
    """What happened. at: seconds since 1970. seconds: by stage. cpu_s: of this process; peak_mib: its memory so far.

    given: what was asked with, so that it can be asked again. cited: (document id, start, end) of each quote.
    said: hash of the sentences.
    """

    what: What
    outcome: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    at: float = field(default_factory=time.time)
    who: str = ""
    surface: str = ""
    question: str = ""
    index: str = ""
    generation: int = 0
    prompt: str = ""
    model: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    n_prompt_tokens: int = 0
    n_new_tokens: int = 0
    cpu_s: float = 0.0
    peak_mib: float = 0.0
    confidence: float = 0.0
    given: Mapping[str, Any] = field(default_factory=dict)
    cited: tuple[tuple[str, int, int], ...] = ()
    said: str = ""


class EventTable(ShownRows[Event]):
    """Events, the latest first."""

    def _columns(self) -> list[str]:
        return [_("id"), _("when"), _("by"), _("what"), _("outcome"), _("time")]

    def _cells(self) -> list[tuple[object, ...]]:
        return [
            (each.id, _when(each.at), each.surface, each.question or each.what, each.outcome, _took(each))
            for each in self
        ]

    def _title(self) -> str:
        return ngettext("{n} event", "{n} events", len(self)).format(n=show.number(len(self)))


@contextmanager
def on_surface(surface: Surface) -> Iterator[None]:
    """What happens inside is asked there."""
    token = _surface.set(surface)
    try:
        yield
    finally:
        _surface.reset(token)


def surface() -> str:
    """Where something is asked: as `on_surface` says, else a notebook where there is one, else a program."""
    return _surface.get() or ("notebook" if in_notebook() else "library")


def peak_mib() -> float:
    """The most memory that this process has had, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


def _took(event: Event) -> str:
    return show.duration(sum(event.seconds.values()))
