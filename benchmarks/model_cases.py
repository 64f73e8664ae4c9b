"""What is timed of a language model; each function runs in a process of its own, alone in its memory limit.

Each prints what it has found so far with every token, so that a case that is cut still says how far it came.
The seconds to the first token begin when the model is loaded.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks.disks import read_bytes
from benchmarks.processes import MARK

if TYPE_CHECKING:
    from local_models.engines.generation import Engine, Generation, Sampling

BANDWIDTH_S = 6.0  # about what a token takes: disks of virtual machines are faster for a moment


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


def streamed(folder: str, prompt: str, n_new: int, drafts: int) -> dict[str, Any]:
    """Our plan, loader and engine, as a worker has them. drafts: 0 switches them off."""
    from local_models.worker.process import settle

    settle(None)
    clock = Clock()
    with TemporaryDirectory(prefix="qrag-bench-", dir=Path(folder).parent) as scratch:
        engine, plan = opened(Path(folder), Path(scratch), drafts)
        clock.loaded(bandwidth=bandwidth_of(Path(folder)), plan=plan)
        pieces, generation = _written(engine, prompt, n_new, clock)
        told = {"text": "".join(pieces), "n_prompt": generation.n_prompt_tokens, "n_new": generation.n_new_tokens}
        after = {"details": dict(generation.details), "bandwidth_after": bandwidth_of(Path(folder))}
        return clock.found | told | after | peak()


def opened(folder: Path, computed: Path, drafts: int) -> tuple[Engine, dict[str, Any]]:
    """The engine and its plan; nothing is kept of a prompt, so that each run computes all of its own."""
    from local_models.clients.open_worker import arguments_of
    from local_models.configuration import Configuration
    from local_models.worker.hosted_model import build

    config = Configuration(offload_folder=computed, prefix_cache_mib=0)
    engine, plan = build(arguments_of(folder, config) | ({} if drafts else {"draft_tokens": 0}))
    return engine, dict(plan)


def _written(engine: Engine, prompt: str, n_new: int, clock: Clock) -> tuple[list[str], Generation]:
    from local_models.engines.generation import Sampling

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


def asked(folder: str, question: str, n_new: int, workspace: str) -> dict[str, Any]:
    """A question to a workspace, answered by the model in a worker: what `qrag ask --model` does, in n_new tokens."""
    from local_models.engines.open_engine import open_engine  # as `qrag ask` does, without LlamaIndex around it
    from qrag_lib import Workspace

    clock = Clock()
    with Workspace.open(workspace) as opened_workspace:

        def load() -> Engine:
            engine = open_engine(f"offload:{folder}", opened_workspace.settings.engine)
            clock.loaded()
            return engine

        few: Any = _Few(load, n_new)
        answer = opened_workspace.ask(question, llm=few, on_text=lambda _piece: clock.token())
    told = {"text": str(answer), "generator": answer.generator, "failure": answer.failure}
    written = answer.writing
    counts = {"n_prompt": written.n_prompt_tokens, "n_new": written.n_new_tokens} if written else {}
    return clock.found | told | counts | peak()


class _Few:
    """An engine that is opened when something is first asked of it, after the search, and writes few tokens."""

    def __init__(self, load: Callable[[], Engine], n_new: int) -> None:
        self._load, self._n_new = load, n_new
        self._engine: Engine | None = None

    def generate(self, prompt: str, sampling: Sampling) -> Generator[str, None, Generation]:
        """The continuation of the prompt, cut after n_new tokens."""
        return self._opened().generate(prompt, replace(sampling, max_new_tokens=self._n_new))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._opened(), name)

    def _opened(self) -> Engine:
        self._engine = self._engine or self._load()
        return self._engine


def prepared(workspace: str) -> dict[str, Any]:
    """A workspace of the sample documents."""
    from benchmarks.machine import ROOT
    from qrag_lib import Workspace
    from qrag_lib.progress import quiet

    with Workspace.open(workspace) as opened_workspace:
        opened_workspace.ingest(ROOT / "samples" / "documents", on_progress=quiet)
    return {}


def stock(folder: str, prompt: str, n_new: int, device_map: str, memory_bytes: int) -> dict[str, Any]:
    """transformers and accelerate as their documentation says.

    device_map: "disk" puts every layer there, "auto" as much into memory_bytes as fits, "cpu" all in memory.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    clock = Clock()
    with TemporaryDirectory(prefix="qrag-bench-", dir=Path(folder).parent) as offload_folder:
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
    """Bytes per second that our reader gets from the weights, with nothing computed."""
    from local_models.streaming.weight_stream import measure_bandwidth

    return measure_bandwidth(folder, BANDWIDTH_S)


def peak() -> dict[str, float]:
    """The most that this process held, files that it maps included, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    kib = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.endswith(" kB")}
    return {"resident_peak": 1024 * kib["VmHWM"], "anonymous": 1024 * kib["RssAnon"]}
