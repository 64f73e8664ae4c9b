"""What a model computed of a prompt's beginning, kept on disk: a repeated context is read, not computed again.

A prompt is cut into blocks of 64 tokens. A block's file is named by the SHA-256 of the model, the number format, the
layout and all tokens up to its end, so prompts with one beginning share its blocks, the longest known beginning is
found by opening file after file, and keys of another model or version can not be met. A block is written under
another name, brought to the disk and renamed. The least recently used go first where the limit is reached.
"""

from __future__ import annotations

import hashlib
import os
import struct
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from filelock import FileLock, Timeout

from local_models.durable import sync
from local_models.streaming.row_file import forget

if TYPE_CHECKING:
    from local_models.kv_cache.kv import DiskCache
    from local_models.kv_cache.kv_shape import KVShape

LAYOUT = 1
BLOCK = 64  # tokens; 31 MB of DeepSeek LLM 7B
SUFFIX, PART = ".kv", ".part"
_HEAD = struct.Struct("<8s32sQ")  # magic, key, bytes of the rows
_TAIL = struct.Struct("<I")  # CRC-32 of the rows
_MAGIC = b"QRAGKV%02d" % LAYOUT


class PrefixStore:
    """Blocks of prompts in a folder, for any number of processes. limit_bytes: for all blocks together.

    No file here fails a generation: what cannot be read is computed, what cannot be written is left out.
    In bf16, rows kept of one prompt may differ from those of a longer one by a rounding. wait_s: for another
    process that writes.
    """

    def __init__(self, folder: Path, limit_bytes: int, *, wait_s: float = 5.0) -> None:
        self.folder, self.limit_bytes, self.wait_s = folder, limit_bytes, wait_s

    def restore(self, model: str, cache: DiskCache, tokens: Sequence[int]) -> int:
        """Fill an empty cache with the longest known beginning of the tokens; how many tokens that is.

        model: a fingerprint of the weights. The last token is always left to compute. A damaged block is deleted.
        """
        held = 0
        used = []
        for key in _keys(model, cache.shape, tokens[:-1]):
            path = self._path(key)
            if not _read_block(path, key, cache, held):
                break
            held += BLOCK
            used.append(path)
        cache.take(held)
        _touch(used)
        return held

    def save(self, model: str, cache: DiskCache, tokens: Sequence[int]) -> int:
        """Keep the whole blocks of these tokens, whose rows the cache holds; bytes written.

        0 where all is known, another process writes for longer than `wait_s`, or the folder cannot be written.
        """
        keys = list(_keys(model, cache.shape, tokens))[: self.limit_bytes // _block_bytes(cache.shape)]
        paths = [self._path(key) for key in keys]
        try:
            if not all(path.exists() for path in paths):
                self.folder.mkdir(parents=True, exist_ok=True)
                with FileLock(self.folder / "lock", timeout=self.wait_s):
                    return self._write(keys, paths, cache)
        except (OSError, Timeout):
            pass
        return 0

    @property
    def n_bytes(self) -> int:
        """Bytes of all blocks."""
        return sum(size for _used, size, _path in self._blocks())

    def clean(self, limit_bytes: int | None = None, *, dry_run: bool = False) -> int:
        """Delete what a killed process left, and old blocks down to a limit (the store's own by default); bytes.

        dry_run: only say how many. 0 where another process writes for longer than `wait_s`.
        """
        limit = self.limit_bytes if limit_bytes is None else limit_bytes
        if dry_run or not self.folder.is_dir():
            return _unlink(self._useless(limit), dry_run)
        try:
            with FileLock(self.folder / "lock", timeout=self.wait_s):
                return _unlink(self._useless(limit))
        except Timeout:
            return 0

    def _write(self, keys: list[bytes], paths: list[Path], cache: DiskCache) -> int:
        _unlink(list(self.folder.glob(f"*{PART}")))  # nobody else writes now: these are of killed processes
        written = 0
        for i, (key, path) in enumerate(zip(keys, paths, strict=True)):
            if path.exists():
                continue
            _unlink(self._beyond(self.limit_bytes - _block_bytes(cache.shape), keep=set(paths)))
            written += _write_block(path, key, cache, i * BLOCK)
        sync(self.folder)
        _touch(paths)
        return written

    def _useless(self, limit: int) -> list[Path]:
        return [*self.folder.glob(f"*{PART}"), *self._beyond(limit)]

    def _beyond(self, limit: int, keep: set[Path] | None = None) -> list[Path]:
        """The least recently used blocks, so many that the others fit."""
        blocks = sorted(self._blocks())
        over = sum(size for _used, size, _path in blocks) - limit
        chosen = []
        for _used, size, path in blocks:
            if over <= 0:
                break
            if path not in (keep or ()):
                chosen.append(path)
                over -= size
        return chosen

    def _blocks(self) -> Iterator[tuple[int, int, Path]]:
        """(time of the last use in ns, bytes, path) of each block."""
        for path in self.folder.glob(f"*{SUFFIX}"):
            with suppress(OSError):
                state = path.stat()
                yield state.st_mtime_ns, state.st_size, path

    def _path(self, key: bytes) -> Path:
        return self.folder / f"{key.hex()}{SUFFIX}"


def _keys(model: str, shape: KVShape, tokens: Sequence[int]) -> Iterator[bytes]:
    """The key of each whole block, each made of the one before and its own tokens."""
    about = f"{LAYOUT} {model} {shape.dtype} {shape.layers} {shape.row}"
    key = hashlib.sha256(about.encode()).digest()
    for start in range(0, len(tokens) - BLOCK + 1, BLOCK):
        key = hashlib.sha256(key + struct.pack(f"<{BLOCK}q", *tokens[start : start + BLOCK])).digest()
        yield key


def _block_bytes(shape: KVShape) -> int:
    return _HEAD.size + BLOCK * shape.token_bytes + _TAIL.size


def _read_block(path: Path, key: bytes, cache: DiskCache, start: int) -> bool:
    """Put a block's rows in place; False, and the file deleted, where it is not what its name says."""
    try:
        with path.open("rb") as file:
            if _is_whole(file, key, cache.shape) and _read_rows(file, cache, start):
                forget(file.fileno())
                return True
    except OSError:
        return False
    with suppress(OSError):
        path.unlink()
    return False


def _is_whole(file: BinaryIO, key: bytes, shape: KVShape) -> bool:
    size = os.fstat(file.fileno()).st_size
    head = file.read(_HEAD.size)
    return size == _block_bytes(shape) and head == _HEAD.pack(_MAGIC, key, BLOCK * shape.token_bytes)


def _read_rows(file: BinaryIO, cache: DiskCache, start: int) -> bool:
    import torch

    shape, crc = cache.shape, 0
    for layer in range(shape.layers):
        data = bytearray(BLOCK * shape.row_bytes)
        if file.readinto(data) != len(data):  # type: ignore[attr-defined]
            return False
        crc = zlib.crc32(data, crc)
        cache.write(layer, start, torch.frombuffer(data, dtype=shape.dtype).view(BLOCK, *shape.row))
    return file.read() == _TAIL.pack(crc)


def _write_block(path: Path, key: bytes, cache: DiskCache, start: int) -> int:
    """Write a block under another name, then give it its own. Leaves nothing behind where that fails."""
    import torch

    part, crc = path.with_suffix(PART), 0
    try:
        with part.open("wb") as file:
            file.write(_HEAD.pack(_MAGIC, key, BLOCK * cache.shape.token_bytes))
            for rows in cache.rows(start, start + BLOCK):
                data = rows.contiguous().view(torch.uint8).numpy().reshape(-1).data
                crc = zlib.crc32(data, crc)
                file.write(data)
            file.write(_TAIL.pack(crc))
            file.flush()
            os.fsync(file.fileno())
            forget(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return _block_bytes(cache.shape)


def _touch(paths: list[Path]) -> None:
    """Mark blocks as used now, a prompt's first block last: without it the others can not be met."""
    now = time.time_ns()
    for i, path in enumerate(paths):
        with suppress(OSError):
            os.utime(path, ns=(now - i, now - i))


def _unlink(paths: list[Path], dry_run: bool = False) -> int:
    freed = 0
    for path in paths:
        with suppress(OSError):
            size = path.stat().st_size
            if not dry_run:
                path.unlink()
            freed += size
    return freed
