"""Why a worker is gone: the counters of kills for want of memory, before and after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_MACHINE = Path("/proc/vmstat")


def oom_counts(pid: str = "self", proc: Path = Path("/proc"), cgroups: Path = _CGROUPS) -> dict[str, int]:
    """How often the kernel killed for want of memory in the control group of a process, by the file that counts it.

    Where no group tells (none mounted), the count of the whole machine. Empty outside Linux.
    """
    counted = {str(path): n for path in _counters(pid, proc, cgroups) if (n := _count(path)) is not None}
    if not counted and (n := _count(_MACHINE)) is not None:
        counted[str(_MACHINE)] = n
    return counted


def was_out_of_memory(before: Mapping[str, int]) -> bool:
    """Whether one of the counters has grown since `before`.

    A group that is gone with its worker tells nothing any more.
    """
    return any((now := _count(Path(path))) is not None and now > n for path, n in before.items())


def _counters(pid: str, proc: Path, cgroups: Path) -> Iterator[Path]:
    """Files of the groups of a process: cgroup v1 `memory.oom_control`, v2 `memory.events`.

    A container sees its own group as the root of the mount.
    """
    try:
        lines = (proc / pid / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _number, controllers, name = line.split(":", 2)
        inside = name.lstrip("/")
        if "memory" in controllers.split(","):
            yield from _nearest(cgroups / "memory", inside, "memory.oom_control")
        elif not controllers:
            yield from _nearest(cgroups, inside, "memory.events")


def _nearest(mount: Path, inside: str, name: str) -> Iterator[Path]:
    for folder in (mount / inside, mount):
        if (folder / name).is_file():
            yield folder / name
            return


def _count(path: Path) -> int | None:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)
