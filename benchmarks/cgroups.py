"""A command inside a memory limit that counts the page cache too; without swap. cgroup v1 and v2."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO
from uuid import uuid4

SAMPLE_S = 0.1
MOUNT = Path("/sys/fs/cgroup")
LEAVE_S = 10.0  # how long a group may take to lose its last process
# The child enters the group before it becomes the command, so that nothing escapes the count.
ENTER = 'echo $$ > "$0" && exec "$@"'


class NoCgroup(Exception):
    """No memory limit can be set here; the message says why."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended.

    peak_bytes: most memory that the group held, page cache included. oom_kills: processes that the kernel killed.
    """

    returncode: int
    output: str
    errors: str
    wall_s: float
    peak_bytes: int
    oom_kills: int
    timed_out: bool = False


@dataclass(slots=True)
class MemoryGroup:
    """One group of processes. limit_bytes None: counted, not limited."""

    folder: Path
    version: int
    _sampled: int = 0

    def limit(self, limit_bytes: int) -> None:
        """Set the limit and forbid swap."""
        if self.version == 1:
            (self.folder / "memory.swappiness").write_text("0")
            (self.folder / "memory.limit_in_bytes").write_text(str(limit_bytes))
            with suppress(OSError):  # absent where the kernel does not account for swap
                (self.folder / "memory.memsw.limit_in_bytes").write_text(str(limit_bytes))
        else:
            (self.folder / "memory.max").write_text(str(limit_bytes))
            with suppress(OSError):
                (self.folder / "memory.swap.max").write_text("0")

    def sample(self) -> None:
        """Look at what is held now; kernels before 5.19 keep no peak in v2."""
        if self.version == 2:
            self._sampled = max(self._sampled, int((self.folder / "memory.current").read_text()))

    def peak_bytes(self) -> int:
        """The most that was held."""
        path = self.folder / ("memory.max_usage_in_bytes" if self.version == 1 else "memory.peak")
        return int(path.read_text()) if path.exists() else self._sampled

    def oom_kills(self) -> int:
        """Processes that the kernel killed for the limit."""
        path = self.folder / ("memory.oom_control" if self.version == 1 else "memory.events")
        return next(int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith("oom_kill "))

    def kill(self) -> None:
        """End every process in it."""
        deadline = time.monotonic() + LEAVE_S
        while (pids := (self.folder / "cgroup.procs").read_text().split()) and time.monotonic() < deadline:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            time.sleep(0.02)


@contextmanager
def memory_group(limit_bytes: int | None) -> Iterator[MemoryGroup]:
    """A new group, removed with all of its processes at the end. Raises NoCgroup where none can be made."""
    parent, version = _parent()
    folder = parent / f"qrag-bench-{uuid4().hex[:12]}"
    try:
        folder.mkdir()
    except OSError as error:
        raise NoCgroup(f"no memory group can be made in {parent}: {error.strerror}") from error
    group = MemoryGroup(folder, version)
    try:
        if limit_bytes is not None:
            group.limit(limit_bytes)
        yield group
    finally:
        group.kill()
        _remove(folder)


def run_limited(
    command: Sequence[str],
    limit_bytes: int | None,
    *,
    timeout_s: float = math.inf,
    environment: Mapping[str, str] | None = None,
) -> Ran:
    """The command in a group of its own; after timeout_s seconds it is killed with its children."""
    # Files, not pipes: a grandchild that lives on would hold a pipe open.
    with memory_group(limit_bytes) as group, TemporaryFile() as output, TemporaryFile() as errors:
        entered = ["/bin/sh", "-c", ENTER, str(group.folder / "cgroup.procs"), *command]
        started = time.perf_counter()
        child = subprocess.Popen(entered, stdout=output, stderr=errors, env=environment)
        timed_out = not _ends(child, group, started + timeout_s)
        wall_s = time.perf_counter() - started
        group.kill()
        code = child.wait()
        texts = (_text(output), _text(errors))
        return Ran(code, *texts, wall_s, group.peak_bytes(), group.oom_kills(), timed_out)


def _ends(child: subprocess.Popen[bytes], group: MemoryGroup, deadline: float) -> bool:
    """Whether the child ends before the deadline."""
    while time.perf_counter() < deadline:
        group.sample()
        with suppress(subprocess.TimeoutExpired):
            child.wait(min(SAMPLE_S, max(0.0, deadline - time.perf_counter())))
            return True
    return False


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _parent() -> tuple[Path, int]:
    """(where a group can be made, 1 or 2): beside this process's own group. Raises NoCgroup."""
    try:
        lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    except OSError as error:
        raise NoCgroup("this system has no control groups") from error
    for _number, names, path in lines:
        if "memory" in names.split(","):
            return MOUNT / "memory" / path.lstrip("/"), 1
    unified = next((path for number, names, path in lines if number == "0" and not names), None)
    for folder in _upwards(MOUNT / (unified or "").lstrip("/")):
        control = folder / "cgroup.subtree_control"
        if control.is_file() and "memory" in control.read_text().split() and os.access(folder, os.W_OK):
            return folder, 2
    raise NoCgroup(f"no group below {MOUNT} that this process may write to accounts for memory")


def _upwards(folder: Path) -> Iterator[Path]:
    """The folder and those above it, up to the mount."""
    yield from (each for each in (folder, *folder.parents) if each == MOUNT or MOUNT in each.parents)


def _remove(folder: Path) -> None:
    """A group that has just lost its last process may still be busy for a moment."""
    deadline = time.monotonic() + LEAVE_S
    while True:
        try:
            return folder.rmdir()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
