"""Jobs as values that show themselves."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from qrag_lib import show
from qrag_lib.i18n import N_, _, ngettext
from qrag_lib.progress import Stage, said
from qrag_lib.show.phrases import stage as worded
from qrag_lib.show.shown_rows import ShownRows

State = Literal["running", "done", "failed", "cancelled", "lost"]
STATES: Mapping[str, str] = {
    "running": N_("running"),
    "done": N_("finished"),
    "failed": N_("failed"),
    "cancelled": N_("cancelled"),
    "lost": N_("lost: its process is gone"),
}


@dataclass(frozen=True)
class Job:
    """One job. stages: {name: (done, total or None, seconds)}. Times in seconds since 1970."""

    id: str
    verb: str
    arguments: Mapping[str, Any]
    who: str
    state: State
    stages: Mapping[str, tuple[int, int | None, float]] = field(default_factory=dict)
    error: str = ""
    created: float = 0.0
    beat: float = 0.0
    ended: float | None = None

    @property
    def seconds(self) -> float:
        """How long it took, or has taken so far."""
        last = self.beat if self.state == "lost" else time.time()
        return max(0.0, (self.ended or last) - self.created)

    def __str__(self) -> str:
        return str(JobTable((self,)))

    def _repr_html_(self) -> str:
        return JobTable((self,))._repr_html_()


class JobTable(ShownRows[Job]):
    """The jobs of a workspace, the latest first."""

    def _columns(self) -> list[str]:
        return [_("id"), _("job"), _("state"), _("time"), _("how far, or why it ended")]

    def _cells(self) -> list[tuple[object, ...]]:
        return [(each.id, each.verb, _(STATES[each.state]), show.duration(each.seconds), _told(each)) for each in self]

    def _title(self) -> str:
        return ngettext("{n} job", "{n} jobs", len(self)).format(n=show.number(len(self)))


def _told(job: Job) -> str:
    if job.error:
        return job.error
    stages = (Stage(name, done, total, seconds) for name, (done, total, seconds) in job.stages.items())
    return ", ".join(f"{worded(stage.name)} {said(stage)}" for stage in stages)
