"""Chroma folders that are written once: built beside, renamed when whole, never changed after.

Why written once, measured on chromadb 1.5.9: a second process that writes loses vectors without
an error, an open reader never sees what another process wrote, and a kill or a full disk while it
writes leaves the folder unreadable for good. A folder that nobody writes to has none of the three.
Ids are the hashes of the embedded texts, so an entry means the same for ever; text and metadata
stay in the catalogue.
"""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from local_models.durable import sync
from qrag_lib.errors import DiskFull
from qrag_lib.i18n import _

Vectors32 = NDArray[np.float32]
COLLECTION = "vectors"
MANIFEST = "manifest.json"
BUILDING = ".building-"
ROOM = 1 << 20  # bytes; with less, whatever failed did so for want of room
BATCH = 5_000  # chromadb 1.5.9 takes at most 5,461 at once


class TornFolder(Exception):
    """The folder is not as it was written. The remedy is to build it again."""


class ChromaFolder:
    """A published folder, open for searching. Raises TornFolder where it is not whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = check_files(path)
        try:
            self._client = _client(path)
            self._collection = self._client.get_collection(COLLECTION, embedding_function=None)
            found = self._collection.count()
        except Exception as error:
            raise TornFolder(f"{path.name}: {error}") from error
        if found != self.count:
            self.close()
            raise TornFolder(f"{path.name}: {found} vectors where {self.count} were written")

    def search(self, vector: Vectors32, limit: int) -> list[str]:
        """Hashes of the nearest texts, nearest first. vector: (d,)."""
        try:
            found = self._collection.query(
                query_embeddings=[vector], n_results=min(limit, self.count), include=["distances"]
            )
        except Exception as error:
            raise TornFolder(f"{self.path.name}: {error}") from error
        return list(found["ids"][0])

    def contents(self) -> Iterator[tuple[list[str], Vectors32]]:
        """(hashes, vectors) of all that is in it, some thousands at a time."""
        for offset in range(0, self.count, BATCH):
            try:
                part = self._collection.get(limit=BATCH, offset=offset, include=["embeddings"])
            except Exception as error:
                raise TornFolder(f"{self.path.name}: {error}") from error
            yield list(part["ids"]), np.asarray(part["embeddings"], np.float32)

    def close(self) -> None:
        """Let go of the folder's files."""
        self._client.close()


def build(path: Path, batches: Iterable[tuple[Sequence[str], Vectors32]], *, base: Path | None = None) -> int:
    """Write a folder of vectors, from nothing or from a copy of `base`; returns how many it holds.

    The folder appears under its name when it is whole and on the disk. Raises DiskFull, TornFolder.
    """
    building = path.with_name(BUILDING + path.name)
    shutil.rmtree(building, ignore_errors=True)
    try:
        if base is not None:
            shutil.copytree(base, building)
        count = _fill(building, batches)
        files = {str(file.relative_to(building)): file.stat().st_size for file in _files(building)}
        (building / MANIFEST).write_text(json.dumps({"count": count, "files": files}))
        for file in [*_files(building), building]:
            sync(file)
        building.rename(path)
        sync(path.parent)
    except (OSError, TornFolder) as error:
        free = shutil.disk_usage(path.parent).free  # Chroma does not say why: look before what was written goes
        shutil.rmtree(building, ignore_errors=True)
        if free < ROOM or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            raise _full(path.parent, free) from error
        raise
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    return count


def _full(root: Path, free: int) -> DiskFull:
    return DiskFull(
        _("no room for the vectors in {folder} ({free} MiB free)").format(folder=root, free=free >> 20),
        hint=_("free space and run it again; what was ingested is kept, and found meanwhile"),
    )


def check_files(path: Path) -> int:
    """Number of vectors a folder should hold. Raises TornFolder where a file is gone, cut or grown.

    Opening a folder touches `chroma.sqlite3` without changing its size, so sizes are compared.
    """
    try:
        manifest = json.loads((path / MANIFEST).read_text())
        sizes = {str(file.relative_to(path)): file.stat().st_size for file in _files(path)}
        expected: dict[str, int] = manifest["files"]
        count = int(manifest["count"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TornFolder(f"{path.name}: {error}") from error
    for name, size in expected.items():
        if sizes.get(name) != size:
            raise TornFolder(f"{path.name}: {name} has {sizes.get(name, 0)} bytes, {size} were written")
    return count


def delete_others(root: Path, keep: Iterable[str]) -> list[str]:
    """Remove folders of vectors that are not to be kept, finished or not; returns their names."""
    gone = strangers(root, keep)
    for name in gone:
        path = root / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return gone


def strangers(root: Path, keep: Iterable[str]) -> list[str]:
    """Names in the folder of vectors that are not among those to keep."""
    return sorted({entry.name for entry in root.iterdir()} - set(keep)) if root.is_dir() else []


def _fill(folder: Path, batches: Iterable[tuple[Sequence[str], Vectors32]]) -> int:
    import chromadb.errors

    try:
        client = _client(folder)
    except Exception as error:
        raise TornFolder(f"{folder.name}: {error}") from error
    try:
        collection = client.get_or_create_collection(
            COLLECTION, embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
        )
        for hashes, vectors in batches:
            collection.upsert(ids=list(hashes), embeddings=vectors)
        return int(collection.count())
    except chromadb.errors.ChromaError as error:
        raise TornFolder(f"{folder.name}: {error}") from error
    finally:
        client.close()


def _client(path: Path) -> Any:
    import chromadb
    from chromadb.config import Settings

    return chromadb.PersistentClient(str(path), settings=Settings(anonymized_telemetry=False))


def _files(path: Path) -> list[Path]:
    return sorted(
        file for file in path.rglob("*") if file.is_file() and file.name != MANIFEST and "-" not in file.suffix
    )
