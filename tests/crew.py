"""Processes that work on a workspace and can be killed: forked in a moment from one that has the libraries loaded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Hand:
    """A process at a job of `fault_jobs`. It leads a process group of its own."""

    crew: Crew
    pid: int
    out: Path

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def interrupt(self) -> None:
        """What Ctrl-C does in a terminal: SIGINT to the whole group."""
        os.killpg(self.pid, signal.SIGINT)

    def wait(self) -> Any:
        """What the job gave: a value, {"error": ...}, or None where it was killed."""
        status = self.crew.ask({"wait": self.pid})["status"]
        if os.WIFSIGNALED(status):
            return None
        return json.loads(self.out.read_text())

    def wait_for(self, path: Path, seconds: float = 60) -> None:
        """Until the job has written the file."""
        end = time.monotonic() + seconds
        while not path.exists():
            assert time.monotonic() < end, f"nobody wrote {path.name}"
            time.sleep(0.002)


class Crew:
    def __init__(self, model: Path, folder: Path) -> None:
        self.folder = folder
        self._n = 0
        # warnings are errors here too, but for forking beside threads that only sleep
        command = [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", str(SERVER), str(model)]
        self._server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.ask({"ready": True})

    def ask(self, question: dict[str, Any]) -> Any:
        assert self._server.stdin and self._server.stdout
        self._server.stdin.write(json.dumps(question, default=str) + "\n")
        self._server.stdin.flush()
        return json.loads(self._server.stdout.readline())

    def start(self, job: str, *arguments: Any, **options: Any) -> Hand:
        """Begin a job of `fault_jobs`."""
        self._n += 1
        out = self.folder / f"{self._n}.json"
        asked = {"job": job, "arguments": arguments, "options": options, "out": out}
        return Hand(self, self.ask(asked)["pid"], out)

    def do(self, job: str, *arguments: Any, **options: Any) -> Any:
        """Begin a job and wait for what it gives."""
        return self.start(job, *arguments, **options).wait()

    def close(self) -> None:
        assert self._server.stdin and self._server.stdout
        self._server.stdin.close()
        self._server.stdout.close()
        self._server.wait()


SERVER = Path(__file__).with_name("fault_server.py")


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A disk of its own for the folder, `size` as mount takes it."""
    import pytest

    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("root may mount a small disk; it cannot be done here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def resize(folder: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)


@contextmanager
def unwritable(folder: Path, by: str) -> Iterator[Path]:
    """A folder that not even root can write: by an attribute of its files, or by how it is mounted."""
    import pytest

    forbid, allow = {
        "attribute": (f"chattr -R +i '{folder}'", f"chattr -R -i '{folder}'"),
        "mount": (
            f"mount --bind '{folder}' '{folder}' && mount -o remount,bind,ro '{folder}'",
            f"umount -l '{folder}'",
        ),
    }[by]
    if os.geteuid() != 0 or subprocess.run(forbid, shell=True, capture_output=True).returncode != 0:
        subprocess.run(allow, shell=True, capture_output=True)
        pytest.skip("root may make a folder that it cannot write; it cannot be done here")
    try:
        yield folder
    finally:
        subprocess.run(allow, shell=True, check=True)
