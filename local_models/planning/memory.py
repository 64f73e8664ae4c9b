"""How much memory a process that starts now may take: of the machine, of its control groups, of its GPU."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

MACHINE = "machine"
_KIB = 1024


@dataclass(frozen=True, slots=True)
class Memory:
    """What there is, in bytes. limit: the least that the machine and each control group allow in all.

    available: what a new process may take before something is killed; the page cache, which gives way, counts
    as free. used: by whoever shares the limit, page cache left out. place: the control group that leaves
    least, or "machine". swap: what may still be swapped out; no plan counts on it. gpu: free on the GPU.
    """

    available: int
    limit: int
    total: int
    used: int
    place: str = MACHINE
    swap: int = 0
    gpu: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """A control group with a memory limit. All in bytes; used leaves the page cache out."""

    path: str
    limit: int
    used: int
    swap: int | None = None

    @property
    def left(self) -> int:
        """Bytes until the limit."""
        return max(0, self.limit - self.used)


def available_memory(root: Path = Path("/"), *, gpu: bool = False) -> Memory:
    """What a process started now may take: the least of MemAvailable and what each control group leaves.

    Every ancestor of this process's group counts, of version 1 and of version 2. root: where `proc` and
    `sys` stand. gpu: ask for the GPU too, which loads torch where the machine has one.
    """
    total, free, swap = _machine(root)
    groups = [group for group in _groups(root) if group.limit < total]
    tightest = min(groups, key=lambda group: group.left, default=None)
    swap = min([swap, *(group.swap for group in groups if group.swap is not None)])
    on_gpu = gpu_memory() if gpu else 0
    if tightest is None or free <= tightest.left:
        limit = min([total, *(group.limit for group in groups)])
        return Memory(free, limit, total, total - free, swap=swap, gpu=on_gpu)
    return Memory(tightest.left, tightest.limit, total, tightest.used, tightest.path, swap, on_gpu)


def gpu_memory() -> int:
    """Free bytes of the GPU that torch would use; 0 where there is no driver or torch knows no CUDA."""
    import shutil

    if not Path("/proc/driver/nvidia").exists() and not shutil.which("nvidia-smi"):
        return 0
    import torch

    return int(torch.cuda.mem_get_info()[0]) if torch.cuda.is_available() else 0


def _machine(root: Path) -> tuple[int, int, int]:
    """(total, available, free swap) of the machine; psutil says it where there is no /proc/meminfo."""
    try:
        lines = (root / "proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        import psutil

        memory, swap = psutil.virtual_memory(), psutil.swap_memory()
        return int(memory.total), int(memory.available), int(swap.free)
    kib = {name: int(rest.split()[0]) for name, _colon, rest in (line.partition(":") for line in lines)}
    available = kib.get("MemAvailable", kib["MemFree"] + kib.get("Cached", 0))
    return kib["MemTotal"] * _KIB, available * _KIB, kib.get("SwapFree", 0) * _KIB


def _groups(root: Path) -> Iterator[Group]:
    """Every group with a readable limit, from the process's own up to the root of what is mounted."""
    for mounted, folder, v2 in _folders(root):
        while True:
            if group := (_group_v2 if v2 else _group_v1)(root, folder):
                yield group
            if folder == mounted:
                break
            folder = folder.parent


def _folders(root: Path) -> Iterator[tuple[Path, Path, bool]]:
    """(where the hierarchy is mounted, folder of this process's group in it, whether it is version 2)."""
    named = dict(_named(root))
    for line in _read(root / "proc/self/mountinfo").splitlines():
        left, _dash, right = line.partition(" - ")
        kind, options = right.split()[0], right.split()[-1].split(",")
        if kind not in ("cgroup", "cgroup2") or (kind == "cgroup" and "memory" not in options):
            continue
        shown, mounted = (part.encode("latin-1").decode("unicode_escape") for part in left.split()[3:5])
        own = named.get("" if kind == "cgroup2" else "memory")
        if own is not None:
            top = root / mounted.lstrip("/")
            yield top, _below(top, own, shown), kind == "cgroup2"


def _named(root: Path) -> Iterator[tuple[str, str]]:
    """(controller, path) of this process's groups; the controller of version 2 is ""."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        _id, controllers, path = line.split(":", 2)
        yield from ((controller, path) for controller in controllers.split(","))


def _below(top: Path, own: str, shown: str) -> Path:
    """The group's folder. In a container only part of the hierarchy is mounted, and `own` may lie outside of it."""
    if ".." in PurePosixPath(own).parts or not PurePosixPath(own).is_relative_to(shown):
        return top
    folder = top / PurePosixPath(own).relative_to(shown)
    return folder if folder.is_dir() else top


def _group_v1(root: Path, folder: Path) -> Group | None:
    limit, used = _number(folder / "memory.limit_in_bytes"), _number(folder / "memory.usage_in_bytes")
    if limit is None or used is None:
        return None
    stat = _stat(folder)
    # ancestors that are not mounted here show in the hierarchical limit alone
    limit = min(limit, stat.get("hierarchical_memory_limit", limit))
    with_swap, swapped = _number(folder / "memory.memsw.limit_in_bytes"), stat.get("total_swap", 0)
    swap = None if with_swap is None else max(0, with_swap - limit - swapped)
    cache = stat.get("total_inactive_file", 0) + stat.get("total_active_file", 0)
    return Group(_shown(root, folder), limit, max(0, used - cache), swap)


def _group_v2(root: Path, folder: Path) -> Group | None:
    limits = [_number(folder / name) for name in ("memory.max", "memory.high")]
    known, used = [limit for limit in limits if limit is not None], _number(folder / "memory.current")
    if not known or used is None:
        return None
    stat = _stat(folder)
    most, swapped = _number(folder / "memory.swap.max"), _number(folder / "memory.swap.current") or 0
    cache = stat.get("inactive_file", 0) + stat.get("active_file", 0)
    swap = None if most is None else max(0, most - swapped)
    return Group(_shown(root, folder), min(known), max(0, used - cache), swap)


def _stat(folder: Path) -> dict[str, int]:
    pairs = (line.split() for line in _read(folder / "memory.stat").splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}


def _shown(root: Path, folder: Path) -> str:
    return "/" + folder.relative_to(root).as_posix()


def _number(path: Path) -> int | None:
    """The number in a file; None where there is no file, or it says "max"."""
    text = _read(path).strip()
    return int(text) if text.isdecimal() else None


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "surrogateescape")
    except OSError:
        return ""
