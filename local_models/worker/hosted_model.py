"""The language model of a folder in a worker: tokenizer, plan, weights, engine, in this order."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_models.worker.factories import Arguments, Built, Reason
from local_models.worker.process import resident_bytes

if TYPE_CHECKING:
    from local_models.planning.load_plan import LoadPlan

LESS = 0.6  # of the memory that was planned with, after a plan that took too much


def smaller(arguments: Arguments, reason: Reason) -> Arguments | None:
    """Arguments that take less: of the memory a part, then no weights in it at all; None below that.

    A device map that was refused becomes the disk at once.
    """
    on_disk = {**arguments, "settings": {**arguments["settings"], "device_map": "disk"}}
    if arguments["settings"]["device_map"] == "disk":
        return None
    return on_disk if reason == "device map" or arguments["share"] < 1 else {**arguments, "share": LESS}


def build(arguments: Arguments) -> Built:
    """The engine, and the plan that it was loaded by. Raises as planning and loading do."""
    from local_models.checkpoint.model_safety import check_llm_folder
    from local_models.engines.tokenizer import load_tokenizer

    folder = Path(arguments["folder"])
    check_llm_folder(folder)
    plan = _planned(folder, arguments).check()
    tokenizer = load_tokenizer(folder)  # before torch: what it takes for a moment then stands on nothing
    model = _loaded(folder, plan)

    from local_models.checkpoint.fingerprint import fingerprint
    from local_models.decoding.write import DRAFT_TOKENS, StreamedEngine
    from local_models.kv_cache.prefix import PrefixStore

    computed, limit = Path(arguments["computed"]), int(arguments["prefix_bytes"])
    computed.mkdir(parents=True, exist_ok=True)
    clean_computed(computed, limit)
    engine = StreamedEngine(
        model,
        tokenizer,
        name=folder.name,
        chunk_tokens=plan.prefill_chunk,
        draft_tokens=arguments.get("draft_tokens", DRAFT_TOKENS),
        kv_folder=computed if plan.kv_on_disk else None,
        kv_memory_bytes=0 if plan.kv_on_disk else None,
        prefixes=PrefixStore(computed / "prefixes", limit) if limit else None,
        fingerprint=fingerprint(folder) if limit else "",
    )
    return engine, asdict(plan)


def clean_computed(folder: Path, limit_bytes: int) -> None:
    """Delete what killed processes left of what they computed, and kept prompts beyond their limit.

    Only as far as nobody else writes there now, and as this user may.
    """
    from local_models.kv_cache.prefix import PrefixStore
    from local_models.streaming.row_file import sweep

    with suppress(OSError):
        sweep(folder)
        PrefixStore(folder / "prefixes", limit_bytes, wait_s=0.1).clean()


def _planned(folder: Path, arguments: Arguments) -> LoadPlan:
    """The plan for a share of the memory; where that is too little for any, the smallest plan there is."""
    from local_models.configuration import Configuration
    from local_models.planning.memory import available_memory
    from local_models.planning.plan import allowed, plan_load

    config = Configuration(**arguments["settings"], offload_folder=Path(arguments["computed"]))
    memory = available_memory()  # beside what this process has, and a plan counts the whole of it
    memory_bytes = allowed(replace(memory, available=memory.available + resident_bytes()), config)
    share = float(arguments["share"])
    plan = plan_load(folder, memory_bytes=int(memory_bytes * share), config=config)
    if plan.refused and share < 1:
        return plan_load(folder, memory_bytes=memory_bytes, device="disk", config=config)
    return plan


def _loaded(folder: Path, plan: LoadPlan) -> Any:
    """The model as planned; one in memory may be of any architecture that transformers knows."""
    from local_models.checkpoint.model_folder import read_json
    from local_models.planning.footprint import STREAMED
    from local_models.streaming.load_streamed import load_streamed

    if plan.mode == "memory" and read_json(folder / "config.json").get("model_type") not in STREAMED:
        from local_models.worker.load_in_memory import load_whole

        return load_whole(folder, device=plan.device)
    return load_streamed(
        folder,
        resident_bytes=plan.resident_bytes,
        ring_bytes=plan.ring_bytes,
        block_bytes=plan.block_bytes,
        device=plan.device,
    )
