"""The bytes of one file: received into a .part that a later run goes on with, checked, put in its place."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, Literal

from local_models.checkpoint.checksum_record import BLOCK
from local_models.durable import unlike_any_other, write_whole
from local_models.errors import DiskFull, ModelDamaged
from local_models.hub.cache_layout import Listing, RemoteFile, Repository, size_of
from local_models.hub.hub_client import Hub
from local_models.hub.retries import NO_ROOM, Say
from local_models.interface.messages import _, ngettext

PART = ".part"
DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
NO_LINKS = (*DENIED, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)
Count = Callable[[int], object]  # takes the bytes that a file grew by; negative where it began again


class LocksDenied(Exception):
    """The lock files of the cache belong to somebody else."""


class LinksDenied(Exception):
    """The disk, or the system, has no symbolic links."""


@dataclass(frozen=True, slots=True)
class Way:
    """How files are put into the cache. locks: as other libraries do; links: from the snapshot to the blobs."""

    locks: bool = True
    links: bool = True


def fetch_blob(
    hub: Hub, repository: Repository, listing: Listing, file: RemoteFile, way: Way, count: Count, *, anew: bool = False
) -> None:
    """Have a file's bytes in the cache, whole and as announced; goes on where an earlier run was stopped.

    anew: fetch it although it is there; the old bytes stay until the new ones are whole.
    Raises LocksDenied, DiskFull, ModelUnavailable; ModelDamaged where the hub sends other bytes twice.
    """
    blob = repository.blob(file)
    blob.parent.mkdir(parents=True, exist_ok=True)
    with _locked(repository.lock(file), file.name, hub.say) if way.locks else ExitStack():
        if anew or not repository.has(listing.commit, file):
            part = blob.with_name(blob.name + PART)
            _receive(hub, listing, file, part, count)
            part.replace(blob)


def part_bytes(repository: Repository, file: RemoteFile) -> int:
    """Bytes of a file that an earlier run has received."""
    blob = repository.blob(file)
    return min(max(0, size_of(blob.with_name(blob.name + PART))), file.n_bytes)


def publish(repository: Repository, listing: Listing, files: list[RemoteFile], revision: str, way: Way) -> Path:
    """The snapshot with all the files, config.json last, so that nothing takes half a model for a whole one.

    Raises LinksDenied where links are wanted and cannot be made.
    """
    snapshot = repository.snapshot(listing.commit)
    snapshot.mkdir(parents=True, exist_ok=True)
    for file in sorted(files, key=lambda file: file.name == "config.json"):
        place, blob = snapshot / file.name, repository.blob(file)
        if way.links and not (place.is_file() and not place.is_symlink()):
            _link(blob, place)
        elif blob.is_file():
            blob.replace(place)
    if revision != listing.commit:
        reference = repository.folder / "refs" / revision
        reference.parent.mkdir(parents=True, exist_ok=True)
        write_whole(reference, listing.commit.encode())
    return snapshot


def _link(blob: Path, place: Path) -> None:
    new = unlike_any_other(place)
    try:
        new.unlink(missing_ok=True)
        new.symlink_to(os.path.relpath(blob, place.parent))
        new.replace(place)
    except OSError as error:
        if error.errno in NO_LINKS:
            raise LinksDenied(str(error)) from error
        raise


@contextmanager
def _locked(path: Path, name: str, say: Say) -> Iterator[None]:
    from filelock import FileLock, Timeout

    lock = FileLock(path, mode=0o664)
    with ExitStack() as held:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                held.enter_context(lock.acquire(timeout=0.2))
            except Timeout:
                say(_("another process fetches {name}; waiting for it").format(name=name))
                held.enter_context(lock.acquire())
        except NotImplementedError as error:  # a disk without flock
            raise LocksDenied(str(error)) from error
        except OSError as error:
            if error.errno in DENIED:
                raise LocksDenied(str(error)) from error
            raise
        yield


def _receive(hub: Hub, listing: Listing, file: RemoteFile, part: Path, count: Count) -> None:
    """Fill the .part and check it; what is wrong is fetched once more from the start."""
    for _try in range(2):
        with part.open("ab", buffering=0):
            pass  # made, where it is not there
        with part.open("r+b", buffering=0) as out:
            found = _Part(out, file, count)
            for place, block in hub.fetch(listing, file, found.at):
                found.take(place, block)
            os.fsync(out.fileno())
        if found.digest.hexdigest() == file.digest:
            return
        part.unlink()
        count(-file.n_bytes)
        hub.say(_("{name} has other bytes than announced; once more from its start").format(name=file.name))
    raise ModelDamaged(
        _("{model} sends {name} with other bytes than it announced, twice").format(model=listing.model, name=file.name),
        path=file.name,
        hint=_("nothing of it was kept; try again later, or another endpoint"),
    )


class _Part:
    """A file that grows, with the checksum of what is in it."""

    def __init__(self, out: FileIO, file: RemoteFile, count: Count) -> None:
        self.out, self.file, self.count = out, file, count
        self.at, self.digest = 0, _digest_of(file)
        if os.fstat(out.fileno()).st_size > file.n_bytes:
            out.truncate(0)
        while block := out.read(BLOCK):
            self.digest.update(block)
            self.at += len(block)

    def take(self, place: int, block: bytes) -> None:
        """Add a block; one of place 0 begins again."""
        if place != self.at:
            self.count(-self.at)
            self.out.seek(0)
            self.out.truncate(0)
            self.at, self.digest = 0, _digest_of(self.file)
        rest = memoryview(block)
        try:
            while rest:
                rest = rest[self.out.write(rest) :]
        except OSError as error:
            raise no_room(error, Path(self.out.name), self.file) from error
        self.digest.update(block)
        self.at += len(block)
        self.count(len(block))


def new_digest(kind: Literal["sha256", "git"], n_bytes: int) -> Any:
    """The empty checksum of a kind: SHA-256, or SHA-1 as git takes it, which begins with the size."""
    if kind == "sha256":
        return hashlib.sha256()
    return hashlib.sha1(b"blob %d\0" % n_bytes, usedforsecurity=False)


def _digest_of(file: RemoteFile) -> Any:
    return new_digest("sha256" if len(file.digest) == 64 else "git", file.n_bytes)


def no_room(error: OSError, path: Path, file: RemoteFile) -> Exception:
    """DiskFull where that is what the error says, else the error."""
    if error.errno not in NO_ROOM:
        return error
    have = 0
    with suppress(OSError):
        have = path.stat().st_size
    return DiskFull(
        ngettext(
            "no room for {name}: {have} of {n} byte is there",
            "no room for {name}: {have} of {n} bytes are there",
            file.n_bytes,
        ).format(name=file.name, have=have, n=file.n_bytes),
        hint=_("free space and run it again; it goes on where it stopped"),
    )
