"""The jobs of a workspace, and what can be done with one: watched, ended, taken up again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from qrag_lib import progress as progress_bars
from qrag_lib.errors import WorkspaceError
from qrag_lib.i18n import _
from qrag_lib.jobs.job_log import JobLog
from qrag_lib.jobs.job_table import Job, JobTable
from qrag_lib.progress import Progress


class JobDesk(JobTable):
    """Ingests, reindexes, evaluations and downloads of a workspace, by whichever process, the latest first.

    As it was when it was asked for; `watch` follows one from then on.
    """

    def __init__(self, log: JobLog, verbs: Mapping[str, Callable[..., Any]]) -> None:
        super().__init__(log.list().rows)
        object.__setattr__(self, "_log", log)
        object.__setattr__(self, "_verbs", verbs)

    _log: JobLog
    _verbs: Mapping[str, Callable[..., Any]]

    def watch(self, id: str, on_progress: Progress | None = None) -> Job:
        """Show how far a job is until it has ended, after a reload or from another process too. Raises NotFound."""
        if on_progress is not None:
            return self._log.watch(id, on_progress)
        with progress_bars.shown() as tell:
            return self._log.watch(id, tell)

    def cancel(self, id: str) -> Job:
        """Ask a job to end; it does so within a second or two, and what it has finished is kept. Raises NotFound."""
        return self._log.cancel(id)

    def again(self, id: str, **more: Any) -> Any:
        """Run a job again, with its arguments: one that was lost, cancelled or failed goes on where it was.

        more: what its verb takes beside them, such as on_progress. Raises NotFound; WorkspaceError for one that runs,
        and where what it worked on came from a program and not from files.
        """
        job = self._log.find(id)
        if job.state == "running":
            hint = _("qrag jobs watch {id}").format(id=job.id)
            raise WorkspaceError(_("job {id} is running").format(id=job.id), hint=hint)
        if job.verb not in self._verbs or None in (job.arguments.get(name, "") for name in ("source", "question_set")):
            raise WorkspaceError(
                _("job {id} cannot be taken up: what it worked on was given by a program").format(id=job.id),
                hint=_("run its command again"),
            )
        return self._verbs[job.verb](**job.arguments, **more)
