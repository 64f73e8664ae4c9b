"""Reading a weights file past the page cache, which a pass over 13 GB would only flush."""

from __future__ import annotations

import errno
import os
import sys
import threading
import weakref
from contextlib import suppress
from pathlib import Path

from local_models.errors import GenerationFailed, ModelDamaged
from local_models.interface.messages import _

PAGE = 4096  # what O_DIRECT asks of offsets, lengths and addresses, on disks of 512-byte and of 4-KiB sectors
_O_DIRECT = getattr(os, "O_DIRECT", 0)  # Linux alone has it


def room_for(n_bytes: int) -> int:
    """Bytes of a buffer that can take `n_bytes` from anywhere in a file in whole pages."""
    return (n_bytes + 2 * PAGE - 1) // PAGE * PAGE


class WeightsFile:
    """A file open for reading by several threads; it stays the file that was opened, even if another takes its name.

    cached: through the page cache, for rows that are asked for again; otherwise past it, by O_DIRECT
    where the file system can (`direct` tells) or by dropping behind what was read.
    """

    def __init__(self, path: Path, *, cached: bool = False) -> None:
        self.path = path
        self.cached = cached
        self.direct = False
        try:
            self._fd = self._open()
        except OSError as error:
            raise ModelDamaged(
                _("{path} cannot be opened: {error}").format(path=path, error=error), path=str(path)
            ) from error
        weakref.finalize(self, os.close, self._fd).atexit = False  # the readers may be at work until the end
        self._seen = self._stamp()
        self._seek = threading.Lock()  # for systems without preadv

    def read(self, offset: int, n_bytes: int, into: memoryview) -> tuple[int, int]:
        """(where in `into` the bytes asked for begin, bytes read from the file).

        into: at least `room_for(n_bytes)` bytes from the beginning of a page; of a cached file, `n_bytes`.
        Raises ModelDamaged where the file ends too early, GenerationFailed where the disk fails.
        """
        direct = self.direct  # for all of this read: another thread may find out meanwhile that it does not work
        begin = offset // PAGE * PAGE if direct else offset
        need = offset - begin + n_bytes
        ask = (need + PAGE - 1) // PAGE * PAGE if direct else need
        try:
            got = self._fill(into[:ask], begin, need, direct)
        except OSError as error:
            if direct and error.errno == errno.EINVAL:  # it opens O_DIRECT, and does not read so
                self._leave_direct()
                return self.read(offset, n_bytes, into)
            raise GenerationFailed(
                _("{path} cannot be read at byte {offset}: {error}").format(path=self.path, offset=offset, error=error),
                hint=_("see to the disk or the network drive, and ask again; qrag model verify checks the file"),
            ) from error
        if got < need:
            raise self._short(begin + got, offset + n_bytes)
        self._drop_behind(begin, got)
        return offset - begin, got

    def check_unchanged(self) -> None:
        """Raise ModelDamaged where the file has been written to since it was opened."""
        if self._stamp() != self._seen:
            raise ModelDamaged(
                _("{path} was written to while the model was in use").format(path=self.path),
                path=str(self.path),
                hint=_("run qrag model verify, and load the model again"),
            )

    def _open(self) -> int:
        flags = os.O_RDONLY | getattr(os, "O_BINARY", 0)
        if _O_DIRECT and not self.cached:
            with suppress(OSError):  # EINVAL: a file system without it
                fd = os.open(self.path, flags | _O_DIRECT)
                self.direct = True
                return fd
        fd = os.open(self.path, flags)
        self._advise(fd)
        return fd

    def _advise(self, fd: int) -> None:
        """Rows are read where they lie: unadvised, the kernel reads up to megabytes around each."""
        if self.cached and hasattr(os, "posix_fadvise"):
            with suppress(OSError):
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
        elif not self.cached and sys.platform == "darwin":
            import fcntl

            fcntl.fcntl(fd, fcntl.F_NOCACHE, 1)

    def _fill(self, into: memoryview, begin: int, need: int, direct: bool) -> int:
        """Bytes read from `begin`: at least `need`, or what there is until the file's end."""
        got = 0
        while got < need:
            at = got // PAGE * PAGE if direct else got  # a torn page is read again from its beginning
            n = self._pread(into[at:], begin + at)
            if at + n <= got:
                break
            got = at + n
        return got

    def _pread(self, into: memoryview, offset: int) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self._fd, [into], offset)
        with self._seek:
            os.lseek(self._fd, offset, os.SEEK_SET)
            data = os.read(self._fd, len(into))
        into[: len(data)] = data
        return len(data)

    def _leave_direct(self) -> None:
        """Go on through the page cache with the same open file."""
        import fcntl

        flags = fcntl.fcntl(self._fd, fcntl.F_GETFL)
        fcntl.fcntl(self._fd, fcntl.F_SETFL, flags & ~_O_DIRECT)
        self.direct = False

    def _drop_behind(self, begin: int, n_bytes: int) -> None:
        if not self.direct and not self.cached and hasattr(os, "posix_fadvise"):
            with suppress(OSError):  # advice that some file systems do not take
                os.posix_fadvise(self._fd, begin, n_bytes, os.POSIX_FADV_DONTNEED)

    def _stamp(self) -> tuple[int, int]:
        status = os.fstat(self._fd)
        return status.st_size, status.st_mtime_ns

    def _short(self, end: int, need: int) -> ModelDamaged:
        return ModelDamaged(
            _("{path} ends at byte {end}, and the weights need it until byte {need}").format(
                path=self.path, end=end, need=need
            ),
            path=str(self.path),
            hint=_("fetch this file again: qrag model repair"),
        )
