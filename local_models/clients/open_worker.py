"""The language model of a folder, opened in a worker."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_models.checkpoint.fingerprint import fingerprint
from local_models.clients.client import Tell, WorkerEngine, open_worker, warn

if TYPE_CHECKING:
    from local_models.configuration import Configuration
    from local_models.planning.load_plan import LoadPlan

FACTORY = "offload"
OF_PLANS = ("model_memory_mib", "model_context", "device_map", "low_cpu_mem_usage", "use_safetensors")  # settings


def open_hosted(
    folder: Path,
    config: Configuration,
    *,
    tell: Tell = warn,
    threads: int | None = None,
    draft_tokens: int | None = None,
) -> WorkerEngine:
    """The model in `folder`, hosted by a worker that every kernel with these settings shares; loaded.

    draft_tokens: looked up in the prompt and checked in one pass; unset, as the engine has it.
    Raises ModelRefused, ModelDamaged, ModelTooLarge as planning and loading do, ModelUnavailable.
    """
    arguments = arguments_of(folder, config) | ({"draft_tokens": draft_tokens} if draft_tokens is not None else {})
    root, idle_s = config.models_folder, config.worker_idle_s
    return open_worker(FACTORY, arguments, root, idle_s=idle_s, threads=threads, tell=tell)


def arguments_of(folder: Path, config: Configuration) -> dict[str, Any]:
    """What a worker is told of the model: nothing measured, so that all kernels mean the same.

    Weights that changed, by a repair say, are another model: whoever asks then gets a worker that loads them.
    """
    return {
        "folder": str(Path(folder).resolve()),
        "weights": fingerprint(Path(folder)),
        "computed": str(config.computed_folder.resolve()),
        "prefix_bytes": int(config.prefix_cache_mib * 2**20),
        "settings": {name: getattr(config, name) for name in OF_PLANS},
        "share": 1.0,
    }


def plan_of(engine: WorkerEngine) -> LoadPlan:
    """The plan by which the worker loaded its model."""
    from local_models.planning.load_plan import LoadPlan

    return LoadPlan(**engine.details)
