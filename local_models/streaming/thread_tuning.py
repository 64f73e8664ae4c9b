"""How many threads compute a pass over a few tokens: one, as long as the disk is slower than one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import torch

from local_models.streaming.weight_stream import WeightStream

FEW_TOKENS = 16  # a new token, or one with its drafts: matrices are read once and computed with little
_DISK_BOUND = 0.1  # share of a pass in which one thread waits for the disk: more threads would wait as well
T = TypeVar("T")


class Pace:
    """Threads that meet at the end of every block keep each other and the readers waiting.

    Measured on two cores that others used too, disk at 1.9 GB/s: with two threads throughout a pass read at
    0.28 to 0.61 of the disk's bandwidth, so paced at 0.72 to 0.77. Where one thread is the bottleneck, as with
    a disk of 7 GB/s, all are tried once, and kept if they are faster.
    """

    def __init__(self, stream: WeightStream) -> None:
        self._stream = stream
        self._threads = 0
        self._alone_s = 0.0  # what a pass with one thread took, once it was seen not to wait for the disk
        self.alone = bool(stream.blocks)
        self._settled = not stream.blocks

    def run(self, work: Callable[[], T], n_tokens: int) -> T:
        """What `work` returns, computed for so many tokens."""
        if n_tokens > FEW_TOKENS:
            return work()
        self._threads = max(self._threads, torch.get_num_threads())
        waited, began = self._stream.stats().io_wait_s, time.perf_counter()
        torch.set_num_threads(1 if self.alone else self._threads)
        try:
            result = work()
        finally:
            torch.set_num_threads(self._threads)
        lasted = time.perf_counter() - began
        self.judge(lasted, self._stream.stats().io_wait_s - waited)
        return result

    def judge(self, lasted: float, waited: float) -> None:
        """Choose for the next pass by the seconds of the last, of which it waited some for the disk."""
        if self._settled:
            return
        if not self.alone:
            self.alone = lasted > self._alone_s
            self._settled = True
        elif waited < _DISK_BOUND * lasted:
            self.alone, self._alone_s = False, lasted
