"""A file of rows of one length in regions, read past the page cache into one buffer, by one thread at a time."""

from __future__ import annotations

import errno
import mmap
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from local_models.errors import DiskFull, GenerationFailed
from local_models.interface.messages import _

PAGE = 4096
PIECE_BYTES = 2**20
_PREFIX = ".kv-"
_OLD_S = 3600.0  # nobody makes a file for so long
SYNC_BYTES = 2**25  # so much written is brought to the disk, that a small machine has pages to free


class RowFile:
    """Regions of `n_rows` rows each. What `read` gives is valid until the next `read`.

    The file has its room from the start and no name. Raises DiskFull with what was needed and what is free.
    """

    def __init__(self, folder: Path, regions: int, n_rows: int, row_bytes: int) -> None:
        self.row_bytes, self.bytes_read, self._unsynced = row_bytes, 0, 0
        self.region_bytes = -(-n_rows * row_bytes // PAGE) * PAGE
        self.n_bytes = regions * self.region_bytes
        self._descriptor, self._direct = _open(folder, self.n_bytes)
        self._buffer = memoryview(mmap.mmap(-1, self.region_bytes))  # page-aligned, taken as it is filled

    def pieces(self, region: int, n: int) -> Iterator[tuple[int, memoryview]]:
        """The first `n` rows of a region in pieces, each with the number of its first row, valid until the next."""
        step = max(1, PIECE_BYTES // self.row_bytes)
        for start in range(0, n, step):
            yield start, self.read(region, start, min(n, start + step))

    def read(self, region: int, start: int, stop: int) -> memoryview:
        """Rows from `start` to `stop`."""
        first = start * self.row_bytes // PAGE * PAGE
        skip, end = start * self.row_bytes - first, stop * self.row_bytes - first
        self._fill(region * self.region_bytes + first, end)
        return self._buffer[skip:end]

    def write(self, region: int, start: int, data: memoryview) -> None:
        """Write rows from `start` on. Raises DiskFull or GenerationFailed."""
        end = region * self.region_bytes + start * self.row_bytes + len(data)
        self._unsynced += len(data)
        try:
            while data:
                data = data[os.pwrite(self._descriptor, data, end - len(data)) :]
            if self._unsynced >= SYNC_BYTES:
                os.fsync(self._descriptor)
                forget(self._descriptor)
                self._unsynced = 0
        except OSError as error:
            raise _failed(error) from error

    def close(self) -> None:
        """Give the room back."""
        for descriptor in {self._descriptor, self._direct}:
            with suppress(OSError):
                os.close(descriptor)
        self._descriptor = self._direct = -1

    def _fill(self, place: int, n_bytes: int) -> None:
        """Read from `place`, which begins a page, into the buffer: in whole pages, the direct file has no others."""
        done, n = 0, -(-n_bytes // PAGE) * PAGE
        self.bytes_read += n
        try:
            while done < n:
                if not (got := self._read_some(self._buffer[done:n], place + done)):
                    raise OSError(errno.EIO, "the file ends early")
                done += got
        except OSError as error:
            raise _failed(error) from error
        forget(self._descriptor, place, n)

    def _read_some(self, into: memoryview, place: int) -> int:
        try:
            return os.preadv(self._direct, [into], place)
        except OSError as error:
            if error.errno != errno.EINVAL or self._direct == self._descriptor:
                raise
            os.close(self._direct)  # it opens past the page cache, and does not read so
            self._direct = self._descriptor
            return os.preadv(self._direct, [into], place)


def sweep(folder: Path) -> None:
    """Delete files that a process killed while it made them has left; a file without a name is gone by itself."""
    for path in folder.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _OLD_S:
                path.unlink()


def _open(folder: Path, n_bytes: int) -> tuple[int, int]:
    """The file's descriptor, and one past the page cache (the same where the file system has none)."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=_PREFIX, dir=folder)
    try:
        _make_room(descriptor, n_bytes)
        return descriptor, _past_the_cache(name, descriptor)
    except OSError as error:
        os.close(descriptor)
        raise _no_room(error, folder, n_bytes) from error
    finally:
        Path(name).unlink(missing_ok=True)


def _make_room(descriptor: int, n_bytes: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, max(1, n_bytes))
    else:  # macOS
        os.ftruncate(descriptor, n_bytes)


def _past_the_cache(name: str, descriptor: int) -> int:
    try:
        return os.open(name, os.O_RDONLY | getattr(os, "O_DIRECT", 0))
    except OSError:  # tmpfs and some others
        return descriptor


def forget(descriptor: int, place: int = 0, n: int = 0) -> None:
    """Tell the kernel that these pages (n=0: to the end), where they are on disk, need not stay in memory."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, place, n, os.POSIX_FADV_DONTNEED)


def _no_room(error: OSError, folder: Path, n_bytes: int) -> DiskFull | GenerationFailed:
    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return _failed(error)
    return DiskFull(
        _("what the model reads needs {need} MiB in {folder}, which has {free} MiB free").format(
            need=-(-n_bytes // 2**20), folder=folder, free=_free_mib(folder)
        ),
        hint=_("free space there, shorten the prompt, or give another folder"),
    )


def _free_mib(folder: Path) -> int:
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize // 2**20


def _failed(error: OSError) -> DiskFull | GenerationFailed:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return DiskFull(_("no room on the disk for what the model reads"), hint=_("free space"))
    return GenerationFailed(
        _("the file of what the model reads failed: {error}").format(error=error.strerror or error),
        hint=_("see the disk that holds it; then ask again"),
    )
