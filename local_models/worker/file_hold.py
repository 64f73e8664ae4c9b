"""A lock on a file that ends with the process that took it, however that ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from local_models.errors import ModelUnavailable
from local_models.interface.messages import _


def take(path: Path) -> int | None:
    """A descriptor that holds the lock until it is closed or the process ends; None where another holds it.

    The file stays: to unlink a lock would let two hold it. Raises ModelUnavailable on a file system without locks.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    locked = False
    try:
        locked = _locked(descriptor)
    except OSError as error:
        raise ModelUnavailable(
            _("{path} cannot be locked: {error}").format(path=path, error=error.strerror),
            hint=_("set QRAG_MODELS_CACHE to a folder on a disk of this machine"),
        ) from error
    finally:
        if not locked:
            os.close(descriptor)
    return descriptor if locked else None


def is_held(path: Path) -> bool:
    """Whether some process holds the lock at this moment."""
    if not path.exists():
        return False
    descriptor = take(path)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


if sys.platform == "win32":
    import msvcrt

    def _locked(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _locked(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
