"""The disk that is read from: its page cache dropped, its read-ahead, and a loop device as the kernel makes it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

READ_AHEAD_KB = 128  # the kernel's default
FILESYSTEM_SHARE = 1.03  # what ext4 adds to the files


class NoLoopDevice(Exception):
    """No loop device can be had here; the message says why."""


def drop_page_cache(folder: Path, *, everything: bool = True) -> bool:
    """Forget what memory holds of a folder's files, then of all files; whether the second was done."""
    for path in (path for path in folder.iterdir() if path.is_file()):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fdatasync(handle)  # what is not on the disk yet cannot be dropped
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)
    if not everything:
        return False
    try:
        Path("/proc/sys/vm/drop_caches").write_text("1")
    except OSError:
        return False
    return True


def read_bytes() -> int:
    """Bytes that this process and its finished children have caused to be read from a disk.

    Linux alone counts them (/proc/self/io); 0 elsewhere.
    """
    with suppress(OSError):
        lines = Path("/proc/self/io").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("read_bytes"))
    return 0


def read_ahead_kb(path: Path) -> int | None:
    """How far the kernel reads ahead on the disk of this path; None where it does not say."""
    device = path.stat().st_dev
    known = Path(f"/sys/class/bdi/{os.major(device)}:{os.minor(device)}/read_ahead_kb")
    return int(known.read_text()) if known.exists() else None


@contextmanager
def loop_device(image: Path, size: int) -> Iterator[Path]:
    """A mounted file system of `size` bytes of files, on a loop device over `image`, read ahead by 128 kB.

    The device reads its image past the page cache. Everything is taken down and deleted at the end.
    Raises NoLoopDevice with the reason where it cannot be made.
    """
    if missing := [name for name in ("losetup", "mkfs.ext4", "mount") if not shutil.which(name)]:
        raise NoLoopDevice(f"{', '.join(missing)} is not installed")
    if os.geteuid() != 0:
        raise NoLoopDevice("only root may set up a loop device")
    need = int(size * FILESYSTEM_SHARE) + (64 << 20)
    image.parent.mkdir(parents=True, exist_ok=True)
    if (free := shutil.disk_usage(image.parent).free) < need:
        raise NoLoopDevice(f"it needs {need / 1e9:.1f} GB of disk, {free / 1e9:.1f} GB are free")
    mount = image.with_suffix(".mounted")
    try:
        with image.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, need)  # a sparse image would be read without the disk
        device = _run("losetup", "--find", "--show", "--direct-io=on", str(image)).strip()
        try:
            yield _mounted(device, mount)
        finally:
            # lazily: a process that was killed a moment ago may still hold a file
            subprocess.run(["umount", "--lazy", str(mount)], capture_output=True)
            subprocess.run(["losetup", "--detach", device], capture_output=True)
    finally:
        image.unlink(missing_ok=True)
        with suppress(OSError):
            mount.rmdir()


def _mounted(device: str, mount: Path) -> Path:
    _run("mkfs.ext4", "-q", "-m", "0", "-T", "largefile", device)
    Path(f"/sys/block/{Path(device).name}/queue/read_ahead_kb").write_text(str(READ_AHEAD_KB))
    mount.mkdir(exist_ok=True)
    _run("mount", device, str(mount))
    return mount


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise NoLoopDevice(f"{command[0]} failed: {done.stderr.strip()}")
    return done.stdout
