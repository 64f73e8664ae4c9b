"""How far a long job is: what each stage has done, its rate, the time left, and which stage limits.

A job calls `tell(stage, done, total, seconds)`; `shown()` gives a `tell` that draws on a
terminal or in a notebook, and one that says nothing anywhere else.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TextIO

from local_models.interface.blocks import bar_html
from local_models.interface.job_progress import Progress, quiet
from qrag_lib.i18n import _
from qrag_lib.show import Html, duration, number, table_html
from qrag_lib.show.phrases import stage as worded

__all__ = ["FIGURES", "Progress", "Stage", "Stages", "in_notebook", "quiet", "said", "shown"]

REDRAW_S = 0.2
FIGURES = "application/vnd.qrag.stages+json"  # the stages in a notebook's output, for a program that runs it


@dataclass
class Stage:
    """One stage as last told. seconds: time that it worked, or has lasted where nobody measured."""

    name: str
    done: int = 0
    total: int | None = None
    seconds: float = 0.0
    began: float = field(default_factory=time.monotonic)

    @property
    def rate(self) -> float:
        """Things done per second."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def share(self) -> float:
        """What is done of the total, 0 to 1; 0 where the total is not known."""
        return min(1.0, self.done / self.total) if self.total else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds left at this rate; None where that cannot be said."""
        return max(0, self.total - self.done) / self.rate if self.total and self.rate else None


class Stages:
    """The stages of a job, in the order of their first word.

    >>> job = Stages()
    >>> job("read", 10, 10, seconds=1.0)
    >>> job("embed", 5, 10, seconds=4.0)
    >>> job.limiting().name, job.left_s()
    ('embed', 4.0)
    """

    def __init__(self) -> None:
        self.stages: dict[str, Stage] = {}

    def __call__(self, stage: str, done: int, total: int | None = None, seconds: float | None = None) -> None:
        """Take what a stage tells."""
        told = self.stages.setdefault(stage, Stage(stage))
        told.done = done
        told.total = told.total if total is None else total
        told.seconds = time.monotonic() - told.began if seconds is None else seconds

    def limiting(self) -> Stage | None:
        """The stage that takes most of the time; None before any has worked."""
        worked = [stage for stage in self.stages.values() if stage.seconds > 0]
        return max(worked, key=lambda stage: stage.seconds, default=None) if len(worked) > 1 else None

    def left_s(self) -> float | None:
        """Seconds until the slowest stage is done."""
        return max((s.left_s for s in self.stages.values() if s.left_s is not None), default=None)


@contextmanager
def shown(stream: TextIO | None = None) -> Iterator[Progress]:
    """A `Progress` for where we are: a notebook, a terminal (`stream`, standard error by default), or nothing."""
    stream = stream or sys.stderr
    if in_notebook():
        with _drawn(_notebook_canvas()) as tell:
            yield tell
    elif stream.isatty():
        from rich.console import Console
        from rich.live import Live

        live = Live(console=Console(file=stream), auto_refresh=False, transient=True)
        with live, _drawn(lambda job: live.update(_table(job), refresh=True)) as tell:
            yield tell
    else:
        yield quiet


def in_notebook() -> bool:
    """True inside a Jupyter kernel."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


def said(stage: Stage) -> str:
    """Count, rate and time left of a stage, in words."""
    count = number(stage.done) if stage.total is None else f"{number(stage.done)}/{number(stage.total)}"
    parts = [count]
    if stage.rate:
        parts.append(_("{rate}/s").format(rate=number(stage.rate, 1 if stage.rate < 10 else 0)))
    if stage.left_s:
        parts.append(_("{time} left").format(time=duration(stage.left_s)))
    return " · ".join(parts)


@contextmanager
def _drawn(draw: Callable[[Stages], None]) -> Iterator[Progress]:
    job, drawn = Stages(), 0.0

    def tell(stage: str, done: int, total: int | None = None, seconds: float | None = None) -> None:
        nonlocal drawn
        job(stage, done, total, seconds)
        if (now := time.monotonic()) - drawn >= REDRAW_S:
            drawn = now
            draw(job)

    yield tell
    draw(job)


def _table(job: Stages) -> Any:
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    limiting = job.limiting()
    table = Table.grid(padding=(0, 2))
    for stage in job.stages.values():
        bar = ProgressBar(total=stage.total or None, completed=stage.done, width=16, pulse=not stage.total)
        table.add_row(worded(stage.name), bar, said(stage), _("limits") if stage is limiting else "")
    return table


def _notebook_canvas() -> Callable[[Stages], None]:
    from IPython.display import DisplayHandle

    # a display handle, not a widget: what was drawn last stays in the saved notebook
    handle: Any = DisplayHandle()  # type: ignore[no-untyped-call]
    handle.display(_bundle(Stages()), raw=True)
    return lambda job: handle.update(_bundle(job), raw=True)


def _bundle(job: Stages) -> dict[str, Any]:
    names = ("done", "total", "seconds")
    told = [{"stage": stage.name, **{name: getattr(stage, name) for name in names}} for stage in job.stages.values()]
    text = "\n".join(f"{worded(stage.name)}: {said(stage)}" for stage in job.stages.values())
    return {"text/html": _html(job)._repr_html_(), "text/plain": text, FIGURES: told}


def _html(job: Stages) -> Html:
    limiting = job.limiting()
    rows = [
        (worded(stage.name), bar_html(stage.share, said(stage)), _("limits") if stage is limiting else "")
        for stage in job.stages.values()
    ]
    return table_html([_("stage"), _("progress"), ""], rows) if rows else Html("")
