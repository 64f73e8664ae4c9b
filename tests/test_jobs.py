"""Long work is seen, watched, ended and taken up again from any process."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from qrag_lib import show
from qrag_lib.cli import main
from qrag_lib.errors import JobCancelled, NotFound, QragError, WorkspaceError
from qrag_lib.jobs.job_log import JobLog
from qrag_lib.jobs.job_table import Job
from qrag_lib.progress import quiet
from qrag_lib.settings import Settings
from qrag_lib.workspace import Workspace

ROOT = Path(__file__).parents[1]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    monkeypatch.setenv("QRAG_LANG", "en")
    folder = shutil.copytree(ROOT / "tests" / "fixtures" / "workspace-1", tmp_path / "w")
    with Workspace.open(folder, settings=Settings(workspace=folder)) as opened:
        yield opened


@pytest.fixture
def log(workspace: Workspace) -> JobLog:
    return JobLog(workspace.path / "catalog.db")


def elsewhere(log: JobLog, body: str) -> subprocess.Popen[str]:
    """A job in another process; it says `begun` when it runs."""
    code = f"""
        import sys, time
        from pathlib import Path
        from qrag_lib.jobs.job_log import JobLog
        with JobLog(Path({str(log.path)!r})).run("ingest", {{"source": None}}, lambda *a, **k: None) as tell:
            print("begun", flush=True)
            {body}
        """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout and process.stdout.readline() == "begun\n"
    return process


def until(log: JobLog, state: str) -> Job:
    for _try in range(200):
        if (job := log.list()[0]).state == state:
            return job
        time.sleep(0.05)
    raise AssertionError(log.list())


def test_an_ingest_is_a_job_with_its_stages_and_what_it_was_given(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("The lid of the jar is red.")
    workspace.ingest(tmp_path / "docs", on_progress=quiet)
    job = workspace.jobs[0]
    assert (job.verb, job.state, job.error) == ("ingest", "done", "")
    assert job.arguments["source"] == str(tmp_path / "docs") and job.who and job.ended and job.seconds >= 0
    assert job.stages["read"][:2] == (1, 1) and "1/1" in str(job)
    workspace.reindex(on_progress=quiet)
    assert [each.verb for each in workspace.jobs][:2] == ["reindex", "ingest"]


def test_a_job_that_fails_says_why(log: JobLog) -> None:
    with pytest.raises(QragError), log.run("ingest", {}, quiet):
        raise QragError("the disk <b>burns</b>\x1b[2J \udce7")
    assert (log.list()[0].state, log.list()[0].error) == ("failed", "the disk <b>burns</b>\x1b[2J \\udce7")
    assert "\x1b" not in str(log.list()) and "<b>burns" not in log.list()._repr_html_()


def test_a_job_whose_process_was_killed_is_lost(log: JobLog) -> None:
    process = elsewhere(log, "time.sleep(60)")
    assert log.list()[0].state == "running"
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    assert log.list()[0].state == "lost" and "its process is gone" in str(log.list())


def test_it_is_asked_to_end_from_another_process_and_does(log: JobLog) -> None:
    process = elsewhere(log, "[(tell('embed', n, 9000), time.sleep(.05)) for n in range(9000)]")
    job = until(log, "running")
    log.cancel(job.id[:5])
    _out, error = process.communicate(timeout=30)
    assert process.returncode == 1 and "JobCancelled" in error and f"qrag jobs again {job.id}" in error
    assert log.list()[0].state == "cancelled"


def test_it_is_watched_from_another_process_to_its_end(log: JobLog) -> None:
    process = elsewhere(log, "[(tell('embed', n, 40), time.sleep(.05)) for n in range(41)]")
    told: list[tuple[str, int]] = []
    job = log.watch(log.list()[0].id, lambda stage, done, total=None, seconds=None: told.append((stage, done)), 0.1)
    process.communicate(timeout=30)
    assert job.state == "done" and told[-1] > ("embed", 0) and told == sorted(told)


def test_a_word_in_the_middle_of_a_transaction_does_not_wait(workspace: Workspace, log: JobLog) -> None:
    with log.run("ingest", {}, quiet) as tell, workspace.catalog.write():
        workspace.catalog.owe(True)
        began = threading.Event()
        thread = threading.Thread(target=lambda: (time.sleep(1.1), tell("embed", 1, 2), began.set()))
        thread.start()
        assert began.wait(5)
    assert log.list()[0].state == "done"


def test_without_a_catalogue_the_work_is_done_all_the_same(tmp_path: Path) -> None:
    log = JobLog(tmp_path / "none" / "catalog.db")
    with log.run("model download", {}, quiet) as tell:
        tell("read", 1)
    assert list(log.list()) == [] and not (tmp_path / "none").exists()


def test_an_interrupted_job_counts_as_cancelled(log: JobLog) -> None:
    with pytest.raises(KeyboardInterrupt), log.run("ingest", {}, quiet):
        raise KeyboardInterrupt
    assert log.list()[0].state == "cancelled"


def test_a_job_is_taken_up_with_its_arguments(workspace: Workspace, log: JobLog, tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.txt").write_text("The lid of the jar is red.")
    with pytest.raises(JobCancelled), log.run("ingest", {"source": str(folder), "limit": 5}, quiet):
        raise JobCancelled("stopped")
    report = workspace.jobs.again(workspace.jobs[0].id, on_progress=quiet)
    assert report.added == ("a.txt",) and workspace.jobs[0].arguments["limit"] == 5


def test_what_a_program_gave_cannot_be_taken_up(workspace: Workspace) -> None:
    workspace.ingest([{"id": "1", "text": "The lid is red."}], delete_missing=False, on_progress=quiet)
    with pytest.raises(WorkspaceError, match="given by a program"):
        workspace.jobs.again(workspace.jobs[0].id)
    with pytest.raises(NotFound, match="no job"):
        workspace.jobs.again("nothing")


def test_at_the_prompt(workspace: Workspace, log: JobLog, capsys: pytest.CaptureFixture[str]) -> None:
    with log.run("reindex", {}, quiet):
        pass
    folder = str(workspace.path)
    assert main(["jobs", "-w", folder]) == 0
    assert "reindex" in capsys.readouterr().out
    assert main(["jobs", "--json", "-w", folder]) == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["state"] == "done"
    assert main(["jobs", "watch", "-w", folder]) == 0 and "finished" in capsys.readouterr().out
    assert main(["jobs", "cancel", "zz", "-w", folder]) == 6
    assert "qrag jobs lists them" in capsys.readouterr().err


def test_a_table_shows_itself(log: JobLog) -> None:
    with log.run("ingest", {}, quiet) as tell:
        tell("embed", 3, 4, seconds=2.0)
    assert "1 job" in str(log.list()) and "<table>" in log.list()[0]._repr_html_()
    assert show.to_json(log.list())["rows"][0]["verb"] == "ingest"
