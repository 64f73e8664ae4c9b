"""What is tried again, after which change, how often, and what the user is told."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_models import MODEL, in_shards, safetensors
from hub_server import HubServer, hub_server

from local_models.checkpoint.model_safety import check_llm_folder
from local_models.errors import DiskFull, ModelError, NotFound
from local_models.hub.cache_layout import find
from local_models.hub.download import Wanted, download
from local_models.hub.hub_client import Hub, Patience
from local_models.hub.retries import Remedy, is_no_room, recovered
from local_models.hub.verify import repair, verify

QUICK = Patience(tries=2, wait_s=0.01, silence_s=5.0)
A = "model-00001-of-00001.safetensors"
MIB = 2**20


class Broken(Exception):
    pass


def smaller(plan: int, error: BaseException) -> int | None:
    return plan // 2 or None


HALVE = Remedy[int]("too large", lambda error: isinstance(error, Broken), smaller, times=3)


def test_what_works_is_not_changed() -> None:
    said: list[str] = []
    assert recovered(lambda plan: plan + 1, 7, [HALVE], said.append) == 8
    assert said == []


def test_a_plan_is_changed_until_it_works_and_each_step_is_told() -> None:
    said: list[str] = []

    def attempt(plan: int) -> int:
        if plan > 2:
            raise Broken(plan)
        return plan

    assert recovered(attempt, 8, [HALVE], said.append) == 2
    assert said == ["too large: trying again"] * 2


def test_a_remedy_is_tried_no_more_often_than_it_allows() -> None:
    tried: list[int] = []

    def attempt(plan: int) -> int:
        tried.append(plan)
        raise Broken(plan)

    with pytest.raises(Broken, match="12") as raised:
        recovered(attempt, 100, [HALVE])
    assert tried == [100, 50, 25, 12]
    assert raised.value.__notes__ == ["tried before: too large, too large, too large"]


def test_a_remedy_that_has_nothing_left_gives_up_at_once() -> None:
    with pytest.raises(Broken) as raised:
        recovered(lambda plan: (_ for _ in ()).throw(Broken()), 0, [HALVE])
    assert not hasattr(raised.value, "__notes__")


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt()])
def test_another_fault_passes_through(error: BaseException) -> None:
    def attempt(plan: int) -> int:
        raise error

    with pytest.raises(type(error)):
        recovered(attempt, 8, [HALVE])


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_has_many_names(code: int) -> None:
    assert is_no_room(OSError(code, "x")) and is_no_room(DiskFull("x")) and not is_no_room(OSError(errno.EIO, "x"))


# --- no space left on device ----------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[HubServer]:
    with hub_server() as running:
        running.publish(MODEL, in_shards(safetensors(3 * MIB)))
        yield running


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def hub(server: HubServer, said: list[str]) -> Iterator[Hub]:
    with Hub(server.endpoint, patience=QUICK, say=said.append) as opened:
        yield opened


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 5 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=5m", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("root may mount a small disk, nobody else")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def old(path: Path, n_bytes: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(n_bytes))
    os.utime(path, (time.time() - 7200,) * 2)
    return path


def test_a_full_disk_is_freed_of_what_is_useless_and_the_download_succeeds(
    hub: Hub, said: list[str], small_disk: Path
) -> None:
    useless = old(small_disk / "models--a--b" / "blobs" / f"{'a' * 64}.x.incomplete", 3 * MIB)
    folder = download(hub, Wanted(MODEL), small_disk)
    assert verify(folder).healthy and not useless.exists()
    assert said[0] == "removed what is of no use: 3.0 MiB"
    assert said[-1] == "no space left on device: trying again"


def test_a_full_disk_without_waste_says_what_else_could_go_and_touches_nothing(
    hub: Hub, server: HubServer, said: list[str], small_disk: Path
) -> None:
    blob = old(small_disk / "models--other--model" / "blobs" / ("b" * 64), 3 * MIB)
    snapshot = small_disk / "models--other--model" / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").symlink_to(os.path.relpath(blob, snapshot))
    with pytest.raises(DiskFull, match=r"needs 3\.0 MiB"):
        download(hub, Wanted(MODEL), small_disk)
    assert blob.exists() and server.sent[A] == 0
    assert said == ["qrag model remove other/model would free 3.0 MiB"]


def test_a_disk_that_fills_up_meanwhile_leaves_a_part_and_the_next_run_goes_on(
    hub: Hub, server: HubServer, small_disk: Path
) -> None:
    server.faults.delay_s = 0.005
    other = small_disk / "other"

    def fill(stage: str, done: int, total: int | None = None, seconds: float | None = None) -> None:
        if done and not other.exists():
            other.write_bytes(bytes(2 * MIB + 500_000))

    with pytest.raises(DiskFull, match=r"no room for model-00001-of-00001\.safetensors: .* bytes are there"):
        download(hub, Wanted(MODEL), small_disk, tell=fill)
    (part,) = small_disk.rglob("*.part")
    had = part.stat().st_size
    with pytest.raises(NotFound):
        find(MODEL, small_disk)
    other.unlink()
    server.asked.clear()
    assert verify(download(hub, Wanted(MODEL), small_disk)).healthy
    assert [each.start for each in server.asked if each.name == A] == [had] and had > MIB


def test_a_limit_on_the_size_of_files_is_a_full_disk(server: HubServer, tmp_path: Path) -> None:
    code = f"""
import resource, signal
from pathlib import Path
from local_models.errors import DiskFull
from local_models.hub.hub_client import Hub
from local_models.hub.download import Wanted, download
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
try:
    with Hub({server.endpoint!r}) as hub:
        download(hub, Wanted({MODEL!r}), Path({str(tmp_path)!r}))
except DiskFull as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "no room for model-00001-of-00001.safetensors: 1048576 of" in done.stdout
    assert [path.stat().st_size for path in tmp_path.rglob("*.part")] == [MIB]


# --- permission denied on locks -------------------------------------------------------------------


def locked_up(cache: Path) -> None:
    """A `.locks` that nobody can make a file in, root included."""
    cache.mkdir(exist_ok=True)
    (cache / ".locks").mkdir()
    if subprocess.run(["chattr", "+i", str(cache / ".locks")], capture_output=True).returncode:
        pytest.skip("root may make a folder immutable, nobody else")


def unlocked(cache: Path) -> None:
    subprocess.run(["chattr", "-i", str(cache / ".locks")], check=True)


def test_refused_locks_are_done_without_and_links_too(
    hub: Hub, server: HubServer, said: list[str], tmp_path: Path
) -> None:
    locked_up(tmp_path)
    try:
        folder = download(hub, Wanted(MODEL), tmp_path)
        assert not any(path.is_symlink() for path in folder.iterdir())
        assert said == ["permission denied on locks: trying again"]
        assert verify(folder).healthy
        check_llm_folder(folder)
        server.asked.clear()
        assert download(hub, Wanted(MODEL), tmp_path) == folder and server.asked == []
    finally:
        unlocked(tmp_path)


def test_a_model_without_links_is_repaired_without_links(hub: Hub, server: HubServer, tmp_path: Path) -> None:
    locked_up(tmp_path)
    try:
        folder = download(hub, Wanted(MODEL), tmp_path)
    finally:
        unlocked(tmp_path)
    os.truncate(folder / A, 1000)
    assert repair(hub, verify(folder)).healthy
    assert (folder / A).is_file() and not (folder / A).is_symlink()


WITHOUT_LINKS = """
import ctypes, platform, struct, sys
from pathlib import Path
from local_models.hub.hub_client import Hub
from local_models.hub.download import Wanted, download

class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.c_char_p)]

symlinkat = {"x86_64": 266, "aarch64": 36}[platform.machine()]  # both refused by the kernel: EPERM, as on FAT
numbers = [symlinkat, 88] if platform.machine() == "x86_64" else [symlinkat]
steps = struct.pack("HBBI", 0x20, 0, 0, 0)
for i, number in enumerate(numbers):
    steps += struct.pack("HBBI", 0x15, len(numbers) - i, 0, number)
steps += struct.pack("HBBI", 0x06, 0, 0, 0x7FFF0000) + struct.pack("HBBI", 0x06, 0, 0, 0x00050001)
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(Program(len(numbers) + 3, steps)), 0, 0) == 0, ctypes.get_errno()
with Hub(sys.argv[1], say=lambda text: print(text, file=sys.stderr)) as hub:
    print(download(hub, Wanted("org/model"), Path(sys.argv[2])))
"""


def test_a_disk_without_links_gets_files(server: HubServer, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_LINKS, server.endpoint, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stderr == "no symbolic links here: trying again\n"
    folder = Path(done.stdout.strip())
    assert not any(path.is_symlink() for path in folder.iterdir()) and verify(folder).healthy


def test_a_cache_that_cannot_be_written_is_a_clear_error(hub: Hub, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    if subprocess.run(["chattr", "+i", str(cache)], capture_output=True).returncode:
        pytest.skip("root may make a folder immutable, nobody else")
    try:
        with pytest.raises(ModelError, match="cannot be written") as raised:
            download(hub, Wanted(MODEL), cache)
        assert "QRAG_MODELS_CACHE" in str(raised.value.hint)
    finally:
        subprocess.run(["chattr", "-i", str(cache)], check=True)
