"""Files that a power cut leaves whole or not there."""

from __future__ import annotations

import os
import threading
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Put a small file in its place so that it is there wholly or not at all, after a power cut too."""
    new = unlike_any_other(path)
    try:
        with new.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def unlike_any_other(path: Path) -> Path:
    """A hidden name beside a path that no other thread or process takes at the same time."""
    return path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")


def sync(path: Path) -> None:
    """Bring to the disk what was written to a file, or which names a folder has."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
