"""A language model with random weights as a GGUF file, small enough to be made by the test that needs it."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

LAYERS, HIDDEN, HEADS, INNER, CONTEXT = 2, 64, 4, 96, 512
NEEDS_LLAMA_CPP = "needs llama-cpp-python, which is compiled where it is wanted"
KINDS = {int: (4, "<I"), float: (6, "<f"), bool: (7, "<?")}


def write_tiny_gguf(
    path: Path, *, context: int = CONTEXT, chat_template: str | None = None, kinds: dict[str, int] | None = None
) -> Path:
    """A Llama of two layers in 32 bits, with a byte-level vocabulary of 512 tokens, that llama.cpp loads."""
    from tiny_llm import _write_tokenizer

    _write_tokenizer(path.parent, 512)
    model = json.loads((path.parent / "tokenizer.json").read_text("utf-8"))["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    values = {
        "general.architecture": "llama",
        "general.name": "tiny-gguf",
        "llama.context_length": context,
        "llama.embedding_length": HIDDEN,
        "llama.block_count": LAYERS,
        "llama.feed_forward_length": INNER,
        "llama.attention.head_count": HEADS,
        "llama.attention.head_count_kv": HEADS // 2,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.dimension_count": HIDDEN // HEADS,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [(kinds or {"<s>": 3, "</s>": 3}).get(token, 1) for token in tokens],
        "tokenizer.ggml.merges": [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]],
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.eos_token_id": 1,
        "tokenizer.ggml.add_bos_token": True,
    }
    if chat_template is not None:
        values["tokenizer.chat_template"] = chat_template
    path.write_bytes(_file(values, _tensors(len(tokens))))
    return path


def _tensors(vocab: int) -> dict[str, Any]:
    """Names to arrays, rows outermost; wide random numbers, so that the likeliest token has no tie."""
    import numpy as np

    rng = np.random.default_rng(0)

    def random(*shape: int) -> Any:
        return (rng.standard_normal(shape) * 0.2).astype("<f4")

    made = {"token_embd.weight": random(vocab, HIDDEN), "output.weight": random(vocab, HIDDEN)}
    made["output_norm.weight"] = np.ones(HIDDEN, "<f4")
    for i in range(LAYERS):
        shapes = {"attn_q": (HIDDEN, HIDDEN), "attn_k": (HIDDEN // 2, HIDDEN), "attn_v": (HIDDEN // 2, HIDDEN)}
        shapes |= {"attn_output": (HIDDEN, HIDDEN), "ffn_gate": (INNER, HIDDEN), "ffn_up": (INNER, HIDDEN)}
        shapes |= {"ffn_down": (HIDDEN, INNER)}
        made |= {f"blk.{i}.{name}.weight": random(*shape) for name, shape in shapes.items()}
        made |= {f"blk.{i}.{name}_norm.weight": np.ones(HIDDEN, "<f4") for name in ("attn", "ffn")}
    return made


def _file(values: dict[str, Any], tensors: dict[str, Any]) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(values))
    for key, value in values.items():
        head += _text(key) + _value(value)
    offset, data = 0, b""
    for name, array in tensors.items():
        head += _text(name) + struct.pack(f"<I{array.ndim}QIQ", array.ndim, *array.shape[::-1], 0, offset)
        block = array.tobytes()
        data += block + bytes(-len(block) % 32)
        offset = len(data)
    return head + bytes(-len(head) % 32) + data


def _value(value: Any) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    if isinstance(value, list):
        kind = 8 if isinstance(value[0], str) else 5
        items = [_text(item) if kind == 8 else struct.pack("<i", item) for item in value]
        return struct.pack("<IIQ", 9, kind, len(value)) + b"".join(items)
    kind, form = KINDS[type(value)]
    return struct.pack("<I", kind) + struct.pack(form, value)


def _text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()
