"""Which way of loading a model fits the memory that there is: the first that does, the fastest first."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from local_models.interface.messages import _, ngettext
from local_models.interface.number_format import percent, size
from local_models.planning.footprint import STREAMED, Footprint
from local_models.planning.load_plan import Device, LoadPlan, Mode
from local_models.planning.memory import Memory

MIB = 2**20

# Measured on a process that had answered once, ring and weights left out: 282 MiB of its own, 121 of libraries' code
OWN_BYTES = 296_000_000
CODE_BYTES = 127_000_000
CODE_KEPT = 1 / 2  # of the code that must stay in memory; the rest gives way where memory is short, and is read again
VOCABULARY_BYTES = 290 + 80  # a token: of the tokenizer, measured 29 MB for 100,000; and of the scores of eight drafts
MARGIN, MOST_MARGIN = 0.05, 256 * MIB  # left alone, for what was not foreseen
KV_WINDOW = 16 * MIB  # a layer's keys and values, of those on disk: 1,024 tokens of a 7B model; more take of the margin
LEAST_RESIDENT = 64 * MIB  # fewer weights in memory are not worth their bookkeeping
BLOCK_BYTES = 8 * MIB
GPU_RESERVE = 2 * 2**30  # of a GPU, for activations and what its libraries take; as the loader leaves free
GPU_PROCESS_BYTES = 1_500_000_000  # of a process with CUDA's libraries; an allowance, not measured
# (tokens of the prompt computed at once, blocks of the ring), roomy first; each chunk of a prompt costs a pass
STEPS = ((512, 4), (256, 4), (128, 3), (64, 3))
CHUNK_SHARE = 1 / 8  # of the memory that a chunk above the smallest may take


@dataclass(frozen=True)
class Planner:
    """What a plan is made of; `plan` tries the modes in order."""

    folder: Path
    footprint: Footprint
    memory: Memory
    memory_bytes: int
    context: int
    device: Device
    may_stream: bool
    computed: Path

    @property
    def usable(self) -> int:
        """Memory less what is left alone."""
        return self.memory_bytes - margin(self.memory_bytes)

    @property
    def kv_bytes(self) -> int:
        """Keys and values of the whole context."""
        return self.context * self.footprint.kv_token_bytes

    @property
    def process_bytes(self) -> int:
        """What must stay in memory of the process before it holds any weights, its tokenizer with it."""
        return OWN_BYTES + int(CODE_KEPT * CODE_BYTES) + VOCABULARY_BYTES * self.footprint.vocabulary

    def plan(self) -> LoadPlan:
        """The first way that fits."""
        if self.device == "cuda" and not self.memory.gpu:
            return self._refused(
                0, _("there is no GPU that torch can use"), _("QRAG_DEVICE_MAP=auto takes what there is")
            )
        if (on_gpu := self._on_gpu()) is not None:
            return on_gpu
        chunk = min(self.context, STEPS[0][0])
        whole = self.process_bytes + self.footprint.weights_bytes + self.kv_bytes + self._activations(chunk)
        if self.device != "disk" and whole <= self.usable:
            return self._made(
                "memory", whole, _("all of it fits in memory"), chunk, resident=self.footprint.weights_bytes
            )
        if not self.may_stream:
            hint = _("LOW_CPU_MEM_USAGE=true reads from disk what does not fit")
            return self._too_large(whole, hint)
        if not self.footprint.can_stream:
            hint = _("of a model of the family {family} no part can stay on the disk; one of {known} can").format(
                family=self.footprint.family, known=", ".join(STREAMED)
            )
            return self._too_large(whole, hint)
        return self._streamed()

    def _on_gpu(self) -> LoadPlan | None:
        """As much on the GPU as fits, the rest streamed; None where too little of the model would."""
        room = self.memory.gpu - GPU_RESERVE - self.kv_bytes
        if self.device in ("cpu", "disk") or room < LEAST_RESIDENT or self.usable < GPU_PROCESS_BYTES:
            return None
        chunk, blocks = STEPS[0][0], STEPS[0][1]
        if self.footprint.weights_bytes <= room:
            said, kept = _("all of it fits on the GPU"), self.footprint.weights_bytes
            return self._made("memory", GPU_PROCESS_BYTES, said, chunk, resident=kept, device="cuda")
        if not self.footprint.can_stream or not self.may_stream:
            return None
        kept, peak = min(room, self.footprint.linear_bytes), GPU_PROCESS_BYTES + blocks * BLOCK_BYTES
        said = _("{part} of the weights fit on the GPU, the rest is read from disk at every token")
        said = said.format(part=percent(kept / self.footprint.linear_bytes))
        return self._made("partial", peak, said, chunk, blocks, resident=kept, device="cuda")

    def _streamed(self) -> LoadPlan:
        for chunk, blocks in STEPS:
            chunk = min(self.context, chunk)
            base = self.process_bytes + blocks * BLOCK_BYTES + self._activations(chunk)
            small = (chunk, blocks) == STEPS[-1]
            roomy = self._activations(chunk) <= CHUNK_SHARE * self.memory_bytes or small
            if roomy and base + self._window() <= self.usable:
                return self._filled(base, chunk, blocks)
        return self._too_large(base + self._window(), _("free memory, or ask a model on a server: openai:URL"))

    def _filled(self, base: int, chunk: int, blocks: int) -> LoadPlan:
        """What is left goes to the keys and values, where all of them fit, and then to weights."""
        on_disk = base + self.kv_bytes > self.usable
        kept = self._window() if on_disk else self.kv_bytes
        room = min(self.usable - base - kept, self.footprint.linear_bytes)
        resident = room if room >= LEAST_RESIDENT and self.device != "disk" else 0
        if on_disk and (free := _free(self.computed)) < self.kv_bytes:
            return self._no_disk(free)
        mode: Mode = "partial" if resident else "streamed"
        return self._made(
            mode, base + kept + resident, self._why(resident), chunk, blocks, resident=resident, on_disk=on_disk
        )

    def _why(self, resident: int) -> str:
        if self.device == "disk":
            return _("DEVICE_MAP=disk: all weights are read from disk at every token")
        if not resident:
            return _("no weights fit in memory: all are read from disk at every token")
        if resident == self.footprint.linear_bytes:
            return _("the weights fit in memory but for the embedding, whose rows are read as tokens ask for them")
        share = percent(resident / self.footprint.linear_bytes)
        return _("{part} of the weights fit in memory, the rest is read from disk at every token").format(part=share)

    def _made(
        self,
        mode: Mode,
        peak: int,
        reason: str,
        chunk: int,
        blocks: int = 0,
        *,
        resident: int = 0,
        on_disk: bool = False,
        hint: str = "",
        device: Literal["cpu", "cuda"] = "cpu",
    ) -> LoadPlan:
        streamed = self.footprint.linear_bytes - resident if mode in ("partial", "streamed") else 0
        return LoadPlan(
            model=str(self.folder),
            mode=mode,
            device=device,
            reason=reason,
            weights_bytes=self.footprint.weights_bytes,
            resident_bytes=resident,
            streamed_bytes=streamed,
            peak_bytes=peak if mode == "refused" else min(peak + int((1 - CODE_KEPT) * CODE_BYTES), self.memory_bytes),
            memory_bytes=self.memory_bytes,
            context=self.context,
            kv_bytes=self.kv_bytes,
            kv_on_disk=on_disk,
            prefill_chunk=chunk,
            ring_bytes=blocks * BLOCK_BYTES,
            block_bytes=BLOCK_BYTES,
            bytes_per_token=streamed + (self.kv_bytes if on_disk else 0),
            bandwidth=None,
            seconds_per_token=None,
            hint=hint,
        )

    def _refused(self, least: int, reason: str, hint: str) -> LoadPlan:
        return self._made("refused", least, reason, 0, hint=hint)

    def _too_large(self, need: int, hint: str) -> LoadPlan:
        least = with_margin(need)
        reason = _("{model} needs {need} of memory at the least, and {there} are there").format(
            model=self.folder.name, need=size(least), there=size(self.memory_bytes)
        )
        return self._refused(least, reason, hint)

    def _no_disk(self, free: int) -> LoadPlan:
        reason = ngettext(
            "the attention over {n} token needs {need} of disk in {folder}, and {free} are free",
            "the attention over {n} tokens needs {need} of disk in {folder}, and {free} are free",
            self.context,
        ).format(n=self.context, need=size(self.kv_bytes), folder=self.computed, free=size(free))
        return self._refused(0, reason, _("set QRAG_OFFLOAD_FOLDER to a larger disk, or a smaller QRAG_MODEL_CONTEXT"))

    def _activations(self, chunk: int) -> int:
        return chunk * self.footprint.activation_token_bytes

    def _window(self) -> int:
        return min(KV_WINDOW, self.kv_bytes)


def margin(memory_bytes: int) -> int:
    """What is left alone of so much memory."""
    return min(int(memory_bytes * MARGIN), MOST_MARGIN)


def with_margin(need: int) -> int:
    """The memory of which `need` is left when the margin is taken off."""
    return min(int(need / (1 - MARGIN)), need + MOST_MARGIN)


def _free(folder: Path) -> int:
    """Free bytes of the disk that a folder is on, or will be."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free
