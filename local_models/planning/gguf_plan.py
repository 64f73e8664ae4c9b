"""The plan for a GGUF file: llama.cpp holds all of it in memory, or it is refused."""

from __future__ import annotations

from glob import escape
from pathlib import Path

from local_models.configuration import Configuration
from local_models.interface.messages import _
from local_models.interface.number_format import size
from local_models.llama_cpp.gguf_header import GgufHeader, read_gguf_header
from local_models.planning.load_plan import LoadPlan
from local_models.planning.memory import available_memory
from local_models.planning.plan import allowed, memory_bandwidth
from local_models.planning.planner import margin, with_margin

PROCESS_BYTES = 500_000_000  # of a process with llama.cpp and its buffers; an allowance, not measured here
KV_ITEM_BYTES = 2  # llama.cpp keeps keys and values in 16 bits unless told otherwise


def plan_gguf(
    path: Path,
    *,
    memory_bytes: int | None = None,
    context: int | None = None,
    bandwidth: float | None = None,
    config: Configuration | None = None,
) -> LoadPlan:
    """The plan for a GGUF file; only its header is read.

    Streamed by the page cache, a file larger than the memory would be read anew at every token, at the
    speed of page faults: such a plan is refused. Parameters as of `plan_load`. Raises ModelRefused, ModelDamaged.
    """
    chosen, header = config or Configuration(), read_gguf_header(path)
    there = allowed(available_memory(), chosen) if memory_bytes is None else memory_bytes
    tokens = min(context or chosen.model_context, header.context_length or 2**31)
    kv_bytes = tokens * _kv_token_bytes(header)
    weights_bytes = _weights_bytes(path, header)
    need = PROCESS_BYTES + weights_bytes + kv_bytes
    fits = need <= there - margin(there)
    refusal = _("{model} needs {need} of memory, and {there} are there").format(
        model=path.name, need=size(with_margin(need)), there=size(there)
    )
    return LoadPlan(
        model=str(path),
        mode="memory" if fits else "refused",
        device="cpu",
        reason=_("all of it fits in memory") if fits else refusal,
        weights_bytes=weights_bytes,
        resident_bytes=weights_bytes if fits else 0,
        streamed_bytes=0,
        peak_bytes=need if fits else with_margin(need),
        memory_bytes=there,
        context=tokens,
        kv_bytes=kv_bytes,
        kv_on_disk=False,
        prefill_chunk=min(tokens, 512),
        ring_bytes=0,
        block_bytes=0,
        bytes_per_token=0,
        bandwidth=bandwidth,
        seconds_per_token=weights_bytes / memory_bandwidth() if fits else None,
        hint="" if fits else _("free memory, or use the safetensors of the model: those are read from disk"),
    )


def _weights_bytes(path: Path, header: GgufHeader) -> int:
    """Of all parts where the file was split: `x-00001-of-00003.gguf` and the others."""
    stem, marked, total = path.stem.rpartition("-00001-of-")
    if not marked:
        return header.n_bytes
    return sum(part.stat().st_size for part in path.parent.glob(f"{escape(stem)}-?????-of-{total}.gguf"))


def _kv_token_bytes(header: GgufHeader) -> int:
    """2 (keys, values) x layers x heads of them x their length; 0 where the header does not say."""
    layers, heads = _number(header, "block_count"), _number(header, "attention.head_count")
    width = _number(header, "attention.key_length") or (_number(header, "embedding_length") // heads if heads else 0)
    return 2 * layers * (_number(header, "attention.head_count_kv") or heads) * width * KV_ITEM_BYTES


def _number(header: GgufHeader, name: str) -> int:
    value = header.metadata.get(f"{header.architecture}.{name}")
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
