"""Fixtures and words of the tests of workers: engines opened, kernels beside this one, a memory limit."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from worker_engines import PROGRAM

from local_models.clients import rendezvous
from local_models.clients.client import WorkerEngine, open_worker
from local_models.clients.registry import running, stop_workers
from local_models.engines.generation import Engine, Generation, Sampling

GROUPS = Path("/sys/fs/cgroup/memory")
TEN = Sampling(max_new_tokens=10)
LONG = Sampling(max_new_tokens=100_000)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def hosted(tmp_path: Path, told: list[str]) -> Iterator[Callable[..., WorkerEngine]]:
    """Opens an engine of words in a worker below `tmp_path`; the workers end with the test."""

    def open_(*, idle_s: float = 60, **arguments: Any) -> WorkerEngine:
        return open_worker("words", arguments, tmp_path, idle_s=idle_s, tell=told.append, program=PROGRAM)

    yield open_
    stop_workers(tmp_path)
    shutil.rmtree(rendezvous.private_folder(tmp_path))


def written(engine: Engine, prompt: str, sampling: Sampling = TEN) -> tuple[list[str], Generation]:
    pieces, generation = [], engine.generate(prompt, sampling)
    while True:
        try:
            pieces.append(next(generation))
        except StopIteration as end:
            return pieces, end.value


def pid_of(root: Path) -> int:
    (worker,) = running(root)
    return worker.note.pid


def until(holds: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.01)


def person(root: Path, code: str, *, before: Callable[[], None] | None = None) -> subprocess.Popen[str]:
    """Another kernel: a process that opens the engine of words below `root`, as `engine`, and runs `code`."""
    begin = f"""
        import os, sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
        from pathlib import Path
        from worker_engines import PROGRAM
        from local_models.engines.generation import Sampling
        from local_models.clients.client import open_worker
        told = []
        def opened(**arguments):
            return open_worker("words", arguments, Path({str(root)!r}), idle_s=60, tell=told.append, program=PROGRAM)
    """
    script = textwrap.dedent(begin) + textwrap.dedent(code)
    command = [sys.executable, "-c", script]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=before
    )


def said(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out.strip()


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def group() -> Iterator[Path]:
    """A memory control group of 120 MiB, without swap."""
    folder = GROUPS / f"qrag-test-{os.getpid()}"
    try:
        folder.mkdir()
        (folder / "memory.limit_in_bytes").write_text(str(120 << 20))
    except OSError:
        pytest.skip("root may make memory control groups (cgroup v1); here it may not")
    yield folder
    for pid in (folder / "cgroup.procs").read_text().split():
        os.kill(int(pid), signal.SIGKILL)
    until(lambda: not (folder / "cgroup.procs").read_text())
    folder.rmdir()


def inside(group: Path) -> Callable[[], None]:
    return lambda: (group / "cgroup.procs").write_text(str(os.getpid())) and None
