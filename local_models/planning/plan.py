"""How a model is to be loaded, decided with numbers before a byte of it is read.

A process that takes too much is killed without a word, so nothing is tried: in memory, else some of
the weights in memory and the rest read from disk at every token, else all of them read, else refused.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from local_models.configuration import Configuration
from local_models.planning.footprint import Footprint, read_footprint
from local_models.planning.load_plan import Device, LoadPlan, Mode, seconds_per_token
from local_models.planning.memory import Memory, available_memory
from local_models.planning.planner import MIB, Planner

__all__ = ["Device", "LoadPlan", "Mode", "allowed", "memory_bandwidth", "plan_load", "seconds_per_token", "timed"]

CORE_BANDWIDTH = 5e9  # bytes/s of bf16 weights through one core; measured: 6.3e9 with one, 10e9 with two
MOST_CORES = 8  # beyond which the memory is the limit, not the cores


def plan_load(
    folder: Path,
    *,
    memory_bytes: int | None = None,
    context: int | None = None,
    bandwidth: float | None = None,
    device: Device | None = None,
    config: Configuration | None = None,
) -> LoadPlan:
    """The plan for the model in `folder`. Reads headers only; nothing is measured or written.

    memory_bytes: what the process that will hold the model may take, itself included; unset, the least of
    what is free here and the setting model_memory_mib. context: tokens of prompt and answer, at most what
    the model was made for. bandwidth: bytes/s of the disk, for the expected seconds. device: as the
    setting device_map; "disk" keeps no weights in memory.
    Raises ModelRefused, ModelDamaged; a model that does not fit is a plan with the mode "refused".
    """

    chosen = config or Configuration()
    footprint = read_footprint(Path(folder))
    device = device or chosen.device_map
    memory = available_memory(gpu=device in ("auto", "cuda"))
    planner = Planner(
        folder=Path(folder),
        footprint=footprint,
        memory=memory,
        memory_bytes=allowed(memory, chosen) if memory_bytes is None else memory_bytes,
        context=min(context or chosen.model_context, footprint.context_length),
        device=device,
        may_stream=chosen.low_cpu_mem_usage or device == "disk",
        computed=chosen.computed_folder,
    )
    return timed(planner.plan(), footprint, bandwidth)


def timed(plan: LoadPlan, footprint: Footprint, bandwidth: float | None) -> LoadPlan:
    """The plan with the seconds that a new token takes at this bandwidth of the disk, in bytes/s."""
    if plan.refused or (plan.bytes_per_token and not bandwidth):
        return replace(plan, bandwidth=bandwidth)
    least = seconds_per_token(
        footprint.linear_bytes,
        footprint.linear_bytes - plan.streamed_bytes,
        plan.kv_bytes if plan.kv_on_disk else 0,
        bandwidth or float("inf"),
        memory_bandwidth() if plan.device == "cpu" else float("inf"),
    )
    return replace(plan, bandwidth=bandwidth, seconds_per_token=least or None)


def memory_bandwidth() -> float:
    """Bytes/s of weights that the cores of this machine multiply; derived from what two of them were measured at."""
    return min(os.cpu_count() or 1, MOST_CORES) * CORE_BANDWIDTH


def allowed(memory: Memory, config: Configuration) -> int:
    """What a model may take: what is free, at most the setting model_memory_mib."""
    if config.model_memory_mib is None:
        return memory.available
    return min(memory.available, int(config.model_memory_mib * MIB))
