"""What is timed of a language model; each function runs in a process of its own, alone in its memory limit.

Each prints what it has found so far with every token, so that a case that is cut still says how far it came.
The seconds to the first token begin when the model is loaded.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks.disks import read_bytes
from benchmarks.processes import MARK

if TYPE_CHECKING:
    from qrag_lib.models.generation import Engine, Generation

BANDWIDTH_S = 2.0


class Clock:
    """When tokens come, and what has been read from disk until then."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {"n_pieces": 0}
        self._began = time.perf_counter()
        self._first_bytes = 0

    def loaded(self, **facts: object) -> None:
        """The model is there, with these facts of it; from now on its tokens are waited for."""
        self.found.update(load_s=time.perf_counter() - self._began, **facts)
        self._tell()
        self._began = time.perf_counter()

    def token(self, n: int = 1) -> None:
        """One more token is there."""
        now, read = time.perf_counter() - self._began, read_bytes()
        if not self.found["n_pieces"]:
            self.found["first_s"], self._first_bytes = now, read
        self.found["n_pieces"] += n
        self.found.update(later_s=now - self.found["first_s"], later_bytes=read - self._first_bytes)
        self._tell()

    def _tell(self) -> None:
        print(MARK + json.dumps(self.found), flush=True)


def streamed(folder: str, prompt: str, n_new: int, memory_bytes: int, drafts: int) -> dict[str, Any]:
    """Our loader and engine, as planned for so much memory. drafts: tokens looked up for each pass."""
    clock = Clock()
    with TemporaryDirectory(prefix="qrag-bench-", dir=folder) as scratch:
        engine, facts = open_planned(Path(folder), Path(scratch), memory_bytes, drafts)
        before = bandwidth_of(Path(folder))
        clock.loaded(bandwidth=before, **facts)
        pieces, generation = _written(engine, prompt, n_new, clock)
        details = {"details": dict(generation.details), "bandwidth_after": bandwidth_of(Path(folder))}
        n = {"n_prompt": generation.n_prompt_tokens, "n_new": generation.n_new_tokens}
        return clock.found | {"text": "".join(pieces)} | n | details | peak()


def _written(engine: Engine, prompt: str, n_new: int, clock: Clock) -> tuple[list[str], Generation]:
    from qrag_lib.models.generation import Sampling

    def pieces() -> Generator[str, None, None]:
        nonlocal generation
        generation = yield from engine.generate(prompt, Sampling(max_new_tokens=n_new))

    generation: Generation | None = None
    told = []
    for piece in pieces():
        clock.token()
        told.append(piece)
    assert generation is not None
    return told, generation


def open_planned(folder: Path, scratch: Path, memory_bytes: int, drafts: int) -> tuple[Engine, dict[str, Any]]:
    """The engine as the plan for this much memory has it, and what the plan says."""
    from qrag_lib.models.plan import plan_load
    from qrag_lib.models.tokenizer import load_tokenizer

    plan = plan_load(folder, memory_bytes=memory_bytes or None).check()
    tokenizer = load_tokenizer(folder)  # before torch: its peak then stands on nothing
    from qrag_lib.models.offload.load import load_streamed
    from qrag_lib.models.offload.write import StreamedEngine

    model = load_streamed(folder, resident_bytes=plan.resident_bytes, ring_bytes=plan.ring_bytes)
    engine = StreamedEngine(
        model,
        tokenizer,
        chunk_tokens=plan.prefill_chunk,
        draft_tokens=drafts,
        kv_folder=scratch if plan.kv_on_disk else None,
        kv_memory_bytes=0 if plan.kv_on_disk else None,
    )
    facts = {"mode": plan.mode, "planned_peak": plan.peak_bytes, "planned_token_bytes": plan.streamed_bytes}
    return engine, facts | {"chunk": plan.prefill_chunk, "kv_on_disk": plan.kv_on_disk}


def stock(folder: str, prompt: str, n_new: int, device_map: str, memory_bytes: int) -> dict[str, Any]:
    """transformers and accelerate as their documentation says.

    device_map: "disk" puts every layer there, "auto" as much into memory_bytes as fits, "cpu" all in memory.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    clock = Clock()
    with TemporaryDirectory(prefix="qrag-bench-", dir=folder) as offload_folder:
        options: dict[str, Any] = {"device_map": {"": "disk"}, "offload_folder": offload_folder}
        if device_map != "disk":
            options["device_map"] = device_map
        if device_map == "auto":
            options["max_memory"] = {"cpu": memory_bytes}
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype="auto", **options)
        ids = tokenizer(prompt, return_tensors="pt").input_ids
        clock.loaded(n_prompt=ids.shape[1])
        streamer = _Told(clock)
        with torch.inference_mode():
            written = model.generate(
                ids,
                max_new_tokens=n_new,
                do_sample=False,
                streamer=streamer,
                output_logits=True,
                return_dict_in_generate=True,
            )
    new = written.sequences[0, ids.shape[1] :]
    margins = [float(step[0].float().topk(2).values.diff().abs()) for step in written.logits]
    return clock.found | {"text": tokenizer.decode(new), "n_new": len(new), "margins": margins} | peak()


class _Told:
    """Hears of each token from transformers' `generate`; the first thing that it hears is the prompt."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._prompt_seen = clock, False

    def put(self, _value: object) -> None:
        if self._prompt_seen:
            self._clock.token()
        self._prompt_seen = True

    def end(self) -> None:
        pass


def bandwidth_of(folder: Path) -> float:
    """Bytes per second that our reader gets from the largest file of weights, with nothing computed."""
    from qrag_lib.models.offload.stream import measure_bandwidth

    files = [path for pattern in ("*.safetensors", "*.bin") for path in folder.glob(pattern)]
    return measure_bandwidth(max(files, key=lambda path: path.stat().st_size), BANDWIDTH_S)


def peak() -> dict[str, float]:
    """The most that this process held, files that it maps included, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    kib = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.endswith(" kB")}
    return {"resident_peak": 1024 * kib["VmHWM"], "anonymous": 1024 * kib["RssAnon"]}
