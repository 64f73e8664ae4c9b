"""Memory that is free here: the machine's, or what the tightest control group leaves."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_models.planning.memory import MACHINE, available_memory

MIB = 2**20
V1 = "31 23 0:32 {shown} /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
V2 = "31 23 0:38 {shown} /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n"
REAL = Path("/sys/fs/cgroup/memory")


def machine(root: Path, *, mounts: str, groups: str, free: int = 4096) -> Path:
    """A tree of /proc and /sys as Linux writes it; 8 GiB of memory, `free` MiB of them available."""
    (root / "proc/self").mkdir(parents=True)
    meminfo = f"MemTotal: {8192 * 1024} kB\nMemFree: 100 kB\nMemAvailable: {free * 1024} kB\nSwapFree: 2048 kB\n"
    (root / "proc/meminfo").write_text(meminfo)
    (root / "proc/self/mountinfo").write_text("23 1 8:1 / / rw - ext4 /dev/sda1 rw\n" + mounts)
    (root / "proc/self/cgroup").write_text(groups)
    return root


def v1_group(root: Path, path: str, *, limit: int, used: int, cache: int = 0, above: int | None = None) -> None:
    folder = root / "sys/fs/cgroup/memory" / path
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.limit_in_bytes").write_text(f"{limit}\n")
    (folder / "memory.usage_in_bytes").write_text(f"{used * MIB}\n")
    stat = f"cache 1\ntotal_inactive_file {cache * MIB // 2}\ntotal_active_file {cache * MIB // 2}\ntotal_swap 0\n"
    (folder / "memory.stat").write_text(stat + f"hierarchical_memory_limit {above or limit}\n")


def v2_group(root: Path, path: str, *, most: str, used: int, cache: int = 0, **files: str) -> Path:
    folder = root / "sys/fs/cgroup" / path
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{most}\n")
    (folder / "memory.current").write_text(f"{used * MIB}\n")
    (folder / "memory.stat").write_text(f"anon 5\ninactive_file {cache * MIB}\nactive_file 0\n")
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(f"{text}\n")
    return folder


def test_without_groups_the_machine_says_it(tmp_path: Path) -> None:
    found = available_memory(machine(tmp_path, mounts="", groups=""))
    assert (found.available, found.limit, found.total) == (4096 * MIB, 8192 * MIB, 8192 * MIB)
    assert (found.place, found.swap) == (MACHINE, 2 * MIB)


def test_a_group_of_version_1_leaves_less_and_its_page_cache_counts_as_free(tmp_path: Path) -> None:
    root = machine(tmp_path, mounts=V1.format(shown="/"), groups="4:memory:/a/b\n0::/\n")
    v1_group(root, "", limit=2**63 - 4096, used=3000)
    v1_group(root, "a/b", limit=512 * MIB, used=200, cache=120)
    found = available_memory(root)
    assert (found.available, found.limit, found.used) == ((512 - 80) * MIB, 512 * MIB, 80 * MIB)
    assert found.place == "/sys/fs/cgroup/memory/a/b"


def test_an_ancestor_that_leaves_less_decides(tmp_path: Path) -> None:
    root = machine(tmp_path, mounts=V1.format(shown="/"), groups="4:memory:/a/b\n")
    v1_group(root, "a", limit=1024 * MIB, used=900)
    v1_group(root, "a/b", limit=512 * MIB, used=100)
    found = available_memory(root)
    assert (found.available, found.place) == (124 * MIB, "/sys/fs/cgroup/memory/a")


def test_an_ancestor_that_is_not_mounted_limits_all_the_same(tmp_path: Path) -> None:
    root = machine(tmp_path, mounts=V1.format(shown="/docker/x"), groups="4:memory:/docker/x\n")
    v1_group(root, "", limit=2**63 - 4096, used=50, above=600 * MIB)
    assert available_memory(root).available == 550 * MIB


def test_a_group_of_version_2_with_its_ancestors(tmp_path: Path) -> None:
    root = machine(tmp_path, mounts=V2.format(shown="/"), groups="0::/user.slice/app\n")
    v2_group(root, "user.slice", most="max", used=2000)
    v2_group(root, "user.slice/app", most=str(1024 * MIB), used=700, cache=300)
    found = available_memory(root)
    assert (found.available, found.place) == (624 * MIB, "/sys/fs/cgroup/user.slice/app")


def test_the_softer_limit_of_version_2_counts_too_and_so_does_its_swap(tmp_path: Path) -> None:
    root = machine(tmp_path, mounts=V2.format(shown="/"), groups="0::/app\n")
    v2_group(root, "app", most="max", used=10, memory_high=str(700 * MIB), memory_swap_max="0")
    found = available_memory(root)
    assert (found.available, found.swap) == (690 * MIB, 0)


@pytest.mark.parametrize("own", ["/../outside", "/docker/gone"])
def test_a_path_outside_of_what_is_mounted_falls_back_to_the_mount(own: str, tmp_path: Path) -> None:
    root = machine(tmp_path, mounts=V2.format(shown="/"), groups=f"0::{own}\n")
    v2_group(root, "", most=str(256 * MIB), used=56)
    assert available_memory(root).available == 200 * MIB


def test_the_machine_decides_where_it_has_less_than_the_group(tmp_path: Path) -> None:
    root = machine(tmp_path, mounts=V2.format(shown="/"), groups="0::/app\n", free=100)
    v2_group(root, "app", most=str(1024 * MIB), used=0)
    found = available_memory(root)
    assert (found.available, found.limit, found.place) == (100 * MIB, 1024 * MIB, MACHINE)


def test_a_group_that_is_already_full_leaves_nothing(tmp_path: Path) -> None:
    root = machine(tmp_path, mounts=V2.format(shown="/"), groups="0::/app\n")
    v2_group(root, "app", most=str(64 * MIB), used=80)
    assert available_memory(root).available == 0


@pytest.fixture
def group() -> Iterator[Path]:
    """A real control group of 300 MiB."""
    folder = REAL / f"qrag-test-{os.getpid()}"
    try:
        folder.mkdir()
        (folder / "memory.limit_in_bytes").write_text(str(300 * MIB))
    except OSError:
        pytest.skip("root may make control groups of version 1, and here it cannot be done")
    yield folder
    folder.rmdir()


def test_a_process_in_a_real_group_sees_its_limit(group: Path) -> None:
    code = (
        "from local_models.planning.memory import available_memory as a; m = a(); print(m.available, m.limit, m.place)"
    )
    command = f'echo $$ > {group}/cgroup.procs && exec "{sys.executable}" -c "{code}"'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    available, limit, place = done.stdout.split()
    assert (int(limit), place) == (300 * MIB, str(group))
    assert 200 * MIB < int(available) < 300 * MIB
