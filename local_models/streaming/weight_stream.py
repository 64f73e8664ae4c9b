"""The weights of a model as a stream of blocks, in the order in which a pass over the model asks for them."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from local_models.checkpoint.tensor_location import damaged
from local_models.checkpoint.weights import open_weights
from local_models.interface.messages import _
from local_models.streaming.direct_reading import WeightsFile
from local_models.streaming.read_ahead import Block, Buffer, Ring

MIB = 2**20
RING_BYTES = 32 * MIB
BLOCK_BYTES = 8 * MIB
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StreamStats:
    """What has been read since the model was loaded.

    bytes_read: from the disk, with page edges and what was read ahead for nothing; bytes_used: handed to
    the computation. seconds: in passes over the model, of which io_wait_s without a block to compute on.
    restarts: blocks asked for out of turn.
    """

    bytes_read: int
    bytes_used: int
    passes: int
    restarts: int
    seconds: float
    io_wait_s: float

    @property
    def bandwidth(self) -> float:
        """Bytes used per second of the passes."""
        return self.bytes_used / self.seconds if self.seconds else 0.0

    @property
    def amplification(self) -> float:
        """Bytes read per byte used."""
        return self.bytes_read / self.bytes_used if self.bytes_used else 1.0


class WeightStream:
    """Blocks of weights, each for as long as it is held, the following ones read meanwhile.

    poison: fill a buffer with 0xFF (NaN in every float type) when it is released, so that a tensor kept
    longer than its block cannot pass unseen.
    """

    def __init__(self, blocks: Sequence[Block], *, ring_bytes: int = RING_BYTES, poison: bool = False) -> None:
        largest = max((block.n_bytes for block in blocks), default=1)
        self.blocks = tuple(blocks)
        self.poison = poison
        self._ring = Ring(self.blocks, max(2, ring_bytes // largest))
        self._files = tuple(dict.fromkeys(block.file for block in blocks))
        self.turn = threading.RLock()
        self._passes = self._bytes_used = 0
        self._seconds = 0.0
        weakref.finalize(self, self._ring.stop)

    def hold(self, index: int) -> Hold:
        """Block `index` for a `with`: its bytes, valid until the end of it. One at a time, under `turn`."""
        return Hold(self, index)

    def in_a_pass(self, work: Callable[[], T]) -> T:
        """What `work` returns, as one pass over the model.

        A second thread waits for its end: two passes at once would read everything twice.
        Raises ModelDamaged where a file was written to since it was opened.
        """
        with self.turn:
            began = time.perf_counter()
            try:
                for file in self._files:
                    file.check_unchanged()
                return work()
            finally:
                self._passes += 1
                self._seconds += time.perf_counter() - began

    def stats(self) -> StreamStats:
        """What has been read since the model was loaded."""
        ring = self._ring
        return StreamStats(ring.bytes_read, self._bytes_used, self._passes, ring.restarts, self._seconds, ring.wait_s)

    def close(self) -> None:
        """End the reading; the model answers no more."""
        self._ring.stop()


class Hold:
    """The context of `WeightStream.hold`."""

    def __init__(self, stream: WeightStream, index: int) -> None:
        self._stream = stream
        self._index = index
        self._buffer: Buffer | None = None

    def __enter__(self) -> memoryview:
        stream = self._stream
        self._buffer = buffer = stream._ring.take(self._index)
        n_bytes = stream.blocks[self._index].n_bytes
        stream._bytes_used += n_bytes
        return buffer.memory[buffer.begin : buffer.begin + n_bytes]

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if (buffer := self._buffer) is not None:
            if self._stream.poison:
                buffer.memory[:] = b"\xff" * len(buffer.memory)
            self._stream._ring.release(buffer)


def measure_bandwidth(path: Path, seconds: float = 2.0) -> float:
    """Bytes per second that the reader of weights gets from a model's folder or one file, without computing.

    The bound of a streamed model's speed: bytes a token / this = seconds a token at least.
    """
    paths = open_weights(path).files if path.is_dir() else (path,)
    stream = WeightStream([block for file in paths for block in _whole(WeightsFile(file))])
    if not stream.blocks:
        raise damaged(path, _("no byte is in it"))
    began = time.perf_counter()
    n = 0
    while (lasted := time.perf_counter() - began) < seconds or not n:
        with stream.hold(n % len(stream.blocks)):
            n += 1
    stream.close()
    return stream.stats().bytes_used / lasted


def _whole(file: WeightsFile) -> Iterator[Block]:
    size = file.path.stat().st_size
    yield from (Block(file, at, min(BLOCK_BYTES, size - at)) for at in range(0, size, BLOCK_BYTES))
