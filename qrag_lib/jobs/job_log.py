"""The table of jobs: begun, told of, ended, and asked to end from any process.

It has a connection of its own, for a job tells of itself in the middle of its transactions. What cannot be written
there (a full disk, a folder that is only read) never keeps the job from running.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
import sqlite3
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import psutil

from qrag_lib.catalog.connections import open_to_write
from qrag_lib.errors import JobCancelled, NotFound, QragError
from qrag_lib.i18n import _
from qrag_lib.jobs.job_table import Job, JobTable, State
from qrag_lib.progress import Progress

BEAT_S: Final = 1.0  # between two signs of life
SILENT_S: Final = 60.0  # after which a job on another machine counts as lost
KEPT: Final = 200  # jobs that are remembered
_COLUMNS: Final = "id, verb, arguments, who, state, stages, error, process, created, beat, ended"


class JobLog:
    """The jobs of the workspace whose catalogue is at `path`; where there is none, nothing is noted."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def run(self, verb: str, arguments: Mapping[str, Any], tell: Progress) -> Iterator[Progress]:
        """A job for as long as the block lasts; what it tells the given `Progress` is noted, at most every second.

        arguments: as they take the job up again, plain values. Where somebody asks it to end, the next word of it
        raises JobCancelled; what was finished is kept.
        """
        with closing(_Line(self.path)) as line:
            job = line.begin(verb, arguments)
            telling = _Telling(line, job, tell)
            try:
                yield telling
            except (JobCancelled, KeyboardInterrupt):
                line.end(job, "cancelled", telling.stages)
                raise
            except BaseException as error:
                line.end(
                    job,
                    "failed",
                    telling.stages,
                    _storable(error.message if isinstance(error, QragError) else repr(error)),
                )
                raise
            else:
                line.end(job, "done", telling.stages)

    def list(self, n: int = KEPT) -> JobTable:
        """The latest n jobs."""
        with closing(_Line(self.path)) as line:
            rows = line.read(f"SELECT {_COLUMNS} FROM jobs ORDER BY created DESC LIMIT ?", (n,))
        return JobTable(tuple(map(_job, rows)))

    def find(self, id: str) -> Job:
        """A job by its id, or the beginning of it. Raises NotFound."""
        found = [job for job in self.list() if id and job.id.startswith(id)]
        if len(found) != 1:
            raise NotFound(_("there is no job {id}").format(id=id), hint=_("qrag jobs lists them"))
        return found[0]

    def cancel(self, id: str) -> Job:
        """Ask a job to end; it does so with its next word. Raises NotFound."""
        job = self.find(id)
        with closing(_Line(self.path)) as line:
            line.write("UPDATE jobs SET cancel = 1 WHERE id = ? AND state = 'running'", (job.id,))
        return self.find(job.id)

    def watch(self, id: str, tell: Progress, every_s: float = 0.5) -> Job:
        """Tell of a job until it has ended, whichever process it runs in. Raises NotFound."""
        while True:
            job = self.find(id)
            for stage, (done, total, seconds) in job.stages.items():
                tell(stage, done, total, seconds)
            if job.state != "running":
                return job
            time.sleep(every_s)


class _Line:
    """A connection for a few words; without a catalogue that can be written it is dead, and says nothing."""

    def __init__(self, path: Path) -> None:
        self._connection: sqlite3.Connection | None = None
        with suppress(sqlite3.Error, QragError):
            self._connection = open_to_write(path) if path.exists() else None

    def begin(self, verb: str, arguments: Mapping[str, Any]) -> str:
        id, now = uuid.uuid4().hex[:8], time.time()
        told = json.dumps(dict(arguments), default=str)
        row = (id, verb, told, user(), "running", _process(), now, now)
        self.write(
            "INSERT INTO jobs (id, verb, arguments, who, state, process, created, beat) VALUES (?,?,?,?,?,?,?,?)", row
        )
        self.write("DELETE FROM jobs WHERE id NOT IN (SELECT id FROM jobs ORDER BY created DESC LIMIT ?)", (KEPT,))
        return id

    def beat(self, id: str, stages: Mapping[str, object]) -> bool:
        """Note how far the job is; whether somebody wants it to end. Never waits for whoever writes."""
        told = json.dumps(stages)
        self.write("UPDATE jobs SET stages = ?, beat = ? WHERE id = ?", (told, time.time(), id), wait_s=0)
        return bool(self.read("SELECT 1 FROM jobs WHERE id = ? AND cancel = 1", (id,)))

    def end(self, id: str, state: State, stages: Mapping[str, object], error: str = "") -> None:
        now = time.time()
        row = (state, json.dumps(stages), error, now, now, id)
        self.write("UPDATE jobs SET state = ?, stages = ?, error = ?, beat = ?, ended = ? WHERE id = ?", row)

    def read(self, sql: str, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        with suppress(sqlite3.OperationalError):
            return self._connection.execute(sql, parameters).fetchall() if self._connection else []
        return []

    def write(self, sql: str, parameters: tuple[Any, ...], *, wait_s: float = 5.0) -> None:
        with suppress(sqlite3.OperationalError, sqlite3.IntegrityError):
            if self._connection is not None:
                self._connection.execute(f"PRAGMA busy_timeout={int(1000 * wait_s)}")
                self._connection.execute(sql, parameters)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


class _Telling:
    """The `Progress` of a job: told on, noted, and the place where it hears that it should end."""

    def __init__(self, line: _Line, job: str, tell: Progress) -> None:
        self._line, self._job, self._tell = line, job, tell
        self.stages: dict[str, tuple[int, int | None, float]] = {}
        self._beaten = time.monotonic()
        self._began = self._beaten

    def __call__(self, stage: str, done: int, total: int | None = None, seconds: float | None = None) -> None:
        self._tell(stage, done, total, seconds)
        now = time.monotonic()
        known = self.stages.get(stage, (0, None, 0.0))
        self.stages[stage] = (
            done,
            known[1] if total is None else total,
            now - self._began if seconds is None else seconds,
        )
        if now - self._beaten >= BEAT_S:
            self._beaten = now
            if self._line.beat(self._job, self.stages):
                raise JobCancelled(
                    _("the job was cancelled"),
                    hint=_("what was finished is kept; qrag jobs again {id} goes on").format(id=self._job),
                )


def _job(row: tuple[Any, ...]) -> Job:
    id, verb, arguments, who, state, stages, error, process, created, beat, ended = row
    if state == "running" and not _is_alive(process, beat):
        state = "lost"
    told = {name: (each[0], each[1], each[2]) for name, each in json.loads(stages).items()}
    return Job(id, verb, json.loads(arguments), who, state, told, error, created, beat, ended)


def _process() -> str:
    """Host, process id and when the process began: another process of the same id is another one."""
    return f"{socket.gethostname()} {os.getpid()} {psutil.Process().create_time():.2f}"


def _is_alive(process: str, beat: float) -> bool:
    host, pid, began = process.split(" ")
    if host != socket.gethostname():
        return time.time() - beat < SILENT_S
    try:
        return bool(abs(psutil.Process(int(pid)).create_time() - float(began)) < 0.1)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def user() -> str:
    """The name of whoever is logged in, or the number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a name for its user
        return str(os.getuid())


def _storable(text: str) -> str:
    """The text, with what no database takes (half a character of a file's name) as an escape."""
    return text.encode("utf-8", "backslashreplace").decode()
