"""Which weights were verified: their SHA-256 beside what the file system says of the file.

A record is believed while size, times and inode of the file are those that it had. Inode and change
time cannot be chosen by whoever packed a folder, so that no folder can bring its own consent along.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from local_models.durable import write_whole
from local_models.errors import ModelDamaged
from local_models.interface.messages import _

NAME = ".qrag-record.json"
BLOCK = 2**20
Tell = Callable[[int], object]  # takes the bytes just read or written


def is_verified(folder: Path, path: Path) -> bool:
    """True where a file's checksum is known and was compared with its bytes, now or since it last changed.

    Raises ModelDamaged where a file of the hub's cache has other bytes than its name there says.
    """
    known = read_record(folder).get(path.name)
    if known is not None and known == (known[0], *_stamp(path)):
        return True
    expected = hub_sha256(path)
    if expected is None:
        return False
    vouch(folder, path, expected)
    return True


def vouch(folder: Path, path: Path, expected: str) -> None:
    """Note a file's checksum once its bytes were compared with it. Raises ModelDamaged where they are others."""
    if sha256(path) != expected:
        message = _("{path} has other bytes than the hub announced").format(path=path)
        raise ModelDamaged(message, path=str(path), hint=_("qrag model repair fetches it again"))
    add_to_record(folder, {path.name: expected})


def read_record(folder: Path) -> Mapping[str, tuple[str, int, int, int, int]]:
    """By name of a file below the folder: (sha256, bytes, mtime_ns, ctime_ns, inode). Empty where there is none."""
    for path in _places(folder):
        with suppress(OSError, ValueError, TypeError, AttributeError):
            found = json.loads(path.read_text("utf-8"))
            return {str(name): (str(e[0]), int(e[1]), int(e[2]), int(e[3]), int(e[4])) for name, e in found.items()}
    return {}


def add_to_record(folder: Path, digests: Mapping[str, str]) -> bool:
    """Note the SHA-256 of files below the folder as they are now; False where nothing could be written."""
    record = {**read_record(folder)}
    record |= {name: (digest, *_stamp(folder / name)) for name, digest in digests.items()}
    for path in _places(folder):
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, json.dumps(record, indent=1).encode())
            return True
    return False


def is_unchanged(folder: Path, name: str) -> bool:
    """True where a recorded file is the one that was recorded, as far as size, times and inode tell."""
    known = read_record(folder).get(name)
    with suppress(OSError):
        return known is not None and known[1:] == _stamp(folder / name)
    return False


def hub_sha256(path: Path) -> str | None:
    """The SHA-256 that the hub announced for a file: the name of its blob in the cache of the hub's own libraries.

    None elsewhere: whoever packs a folder can lay it out like that cache.
    """
    from huggingface_hub import constants

    blob = path.resolve()
    named = blob.parent.name == "blobs" and re.fullmatch("[0-9a-f]{64}", blob.name)
    return blob.name if named and blob.is_relative_to(Path(constants.HF_HUB_CACHE).resolve()) else None


def sha256(path: Path, tell: Tell = lambda n: None) -> str:
    """SHA-256 of a file; some 10 seconds for 10 GB."""
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(BLOCK))
    with path.open("rb", buffering=0) as file:
        while n := file.readinto(buffer):
            digest.update(buffer[:n])
            tell(n)
    return digest.hexdigest()


def _stamp(path: Path) -> tuple[int, int, int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _places(folder: Path) -> tuple[Path, Path]:
    """Where a record may be: in the folder, or in the user's cache where the folder cannot be written."""
    key = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:32]
    return folder / NAME, Path.home() / ".cache" / "qrag" / "records" / f"{key}.json"
