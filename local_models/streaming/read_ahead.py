"""A few buffers that reader threads fill ahead, in the order in which the blocks will be asked for."""

from __future__ import annotations

import mmap
import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

from local_models.errors import GenerationFailed
from local_models.interface.messages import _
from local_models.streaming.direct_reading import WeightsFile, room_for

_PATIENCE_S = 0.1  # after which a word that an interrupt swallowed is said again
READERS = 2  # the second keeps the disk at work while the first hands over


@dataclass(frozen=True, slots=True)
class Block:
    """Bytes that are read and used together."""

    file: WeightsFile
    offset: int
    n_bytes: int


class State(Enum):
    """What a buffer is doing. STALE: being read, for nobody any more."""

    FREE = 0
    READING = 1
    STALE = 2
    READY = 3
    HELD = 4


class Buffer:
    """Memory for one block. `at`: the turn of the block in it, counted over all passes."""

    def __init__(self, n_bytes: int) -> None:
        # private: a process forked while a read is under way must not share the pages
        flags = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
        memory = mmap.mmap(-1, n_bytes, **flags)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            with suppress(OSError):  # a kernel without; with them a read takes a third of the system time
                memory.madvise(mmap.MADV_HUGEPAGE)
        self.memory = memoryview(memory)
        self.state = State.FREE
        self.at = -1
        self.begin = 0
        self.error: BaseException | None = None


class Bell:
    """Wakes the one who waits; rung twice is as rung once.

    A lock, not threading.Event or Condition: those are written in Python, and an interrupt (Ctrl-C)
    between two of their lines leaves them locked.
    """

    def __init__(self) -> None:
        self._silent = threading.Lock()
        self._silent.acquire()

    def ring(self) -> None:
        """Wake the one who waits, or the next who does."""
        with suppress(RuntimeError):  # it was rung before and nobody has heard it
            self._silent.release()

    def wait(self, seconds: float = -1) -> None:
        """Until it rings, or for so many seconds."""
        self._silent.acquire(timeout=seconds)


class Ring:
    """Buffers, readers and the cyclic order of the blocks. One caller at a time takes blocks.

    A block out of turn is read at once and what follows it after: a wrong guess costs time alone. Whatever
    interrupts the caller, at whatever line, the next `take` finds the rest and begins anew: buffers are
    never handed around, each only changes its state.
    """

    def __init__(self, blocks: Sequence[Block], n_buffers: int) -> None:
        if n_buffers < 2:
            raise ValueError(f"a ring of {n_buffers} buffers cannot read ahead; it needs 2")
        self.blocks = blocks
        size = room_for(max((block.n_bytes for block in blocks), default=1))
        self.buffers = [Buffer(size) for _n in range(n_buffers if blocks else 0)]
        self.lock = threading.Lock()
        self.arrived = Bell()
        self.due: int | None = None  # the turn that `take` expects; None where nothing may be expected
        self.coming = 0  # the turn that is read next
        self.bytes_read = self.restarts = 0
        self.wait_s = 0.0
        self.stopped = False
        self.process = os.getpid()
        self.readers: list[tuple[threading.Thread, Bell]] = []

    def take(self, index: int) -> Buffer:
        """The buffer with block `index`, HELD until `release`. Raises what reading it raised."""
        if os.getpid() != self.process:
            raise GenerationFailed(
                _("the model was loaded by process {pid} and cannot be used in its fork").format(pid=self.process),
                hint=_("load it in the process that uses it"),
            )
        with self.lock:
            if self.due is None or self.due % len(self.blocks) != index or self._held():
                self._restart(index)
        self._start()
        began = time.perf_counter()
        while (buffer := self._ready()) is None:
            self._check_open()  # another thread may close it while this one waits
            self._call_readers()
            self.arrived.wait(_PATIENCE_S)
        self.wait_s += time.perf_counter() - began
        if buffer.error is not None:
            raise buffer.error
        return buffer

    def release(self, buffer: Buffer) -> None:
        """Let the readers have the buffer."""
        with self.lock:
            buffer.state = State.FREE
        self._call_readers()

    def stop(self) -> None:
        """End the readers after what they are reading."""
        self.stopped = True
        self._call_readers()

    def _call_readers(self) -> None:
        for _thread, bell in self.readers:
            bell.ring()

    def _ready(self) -> Buffer | None:
        """The buffer with the block that is due, HELD from now on; None while it is not read."""
        with self.lock:
            for buffer in self.buffers:
                if buffer.at == self.due and buffer.state is State.READY:
                    buffer.state = State.HELD
                    self.due = buffer.at + 1
                    return buffer
        return None

    def _held(self) -> bool:
        return any(buffer.state is State.HELD for buffer in self.buffers)

    def _restart(self, index: int) -> None:
        """Forget what was read ahead; block `index` comes next."""
        self.restarts += self.due is not None
        self.due = None
        for buffer in self.buffers:
            under_way = buffer.state in (State.READING, State.STALE)
            buffer.state = State.STALE if under_way else State.FREE
        self.coming = index
        self.due = index

    def _start(self) -> None:
        self._check_open()
        while len(self.readers) < READERS:
            bell = Bell()
            reader = threading.Thread(target=self._read_on, args=(bell,), name="qrag-weights", daemon=True)
            self.readers.append((reader, bell))
            reader.start()

    def _check_open(self) -> None:
        if self.stopped:
            raise GenerationFailed(_("the model is closed"))

    def _read_on(self, bell: Bell) -> None:
        while (buffer := self._claim(bell)) is not None:
            block = self.blocks[buffer.at % len(self.blocks)]
            n, error = 0, None
            try:
                buffer.begin, n = block.file.read(block.offset, block.n_bytes, buffer.memory)
            except BaseException as raised:  # it belongs to the caller, who waits for it
                error = raised
            with self.lock:
                self.bytes_read += n
                buffer.error = error
                buffer.state = State.READY if buffer.state is State.READING else State.FREE
            self.arrived.ring()

    def _claim(self, bell: Bell) -> Buffer | None:
        """A free buffer for the next block, as soon as there is one; None at the end."""
        while not self.stopped:
            with self.lock:
                for buffer in self.buffers:
                    if buffer.state is State.FREE:
                        buffer.at, buffer.state = self.coming, State.READING
                        self.coming += 1
                        return buffer
            bell.wait()
        return None
