"""Models for the hub on loopback, of any size: sound in form, with noise for weights."""

from __future__ import annotations

import io
import json
import random
import struct

CONFIG = json.dumps({"model_type": "llama", "architectures": ["LlamaForCausalLM"]}).encode()
MODEL = "org/model"


def safetensors(n_bytes: int, seed: int = 0) -> bytes:
    """One tensor, t0 for seed 0, of so many bytes."""
    header = json.dumps({f"t{seed}": {"dtype": "U8", "shape": [n_bytes], "data_offsets": [0, n_bytes]}}).encode()
    return struct.pack("<Q", len(header)) + header + random.Random(seed).randbytes(n_bytes)


def torch_zip(n_bytes: int, seed: int = 0, name: str = "") -> bytes:
    """The same as torch saves it."""
    import torch

    content = io.BytesIO()
    numbers = torch.frombuffer(bytearray(random.Random(seed).randbytes(n_bytes)), dtype=torch.uint8)
    torch.save({name or f"t{seed}": numbers}, content)
    return content.getvalue()


def gguf(n_bytes: int) -> bytes:
    key, name = b"general.architecture", b"llama"
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + struct.pack("<Q", len(key)) + key + struct.pack("<I", 8)
    head += struct.pack("<Q", len(name)) + name + struct.pack("<Q", 1) + b"a" + struct.pack("<IQIQ", 1, n_bytes, 24, 0)
    return head + bytes(-len(head) % 32) + random.Random(0).randbytes(n_bytes)


def in_shards(*shards: bytes, form: str = "safetensors") -> dict[str, bytes]:
    """config, tokenizer and the shards with their index; what nobody needs is there too."""
    stem = "model" if form == "safetensors" else "pytorch_model"
    names = [f"{stem}-{i + 1:05}-of-{len(shards):05}.{form}" for i in range(len(shards))]
    index = json.dumps({"weight_map": {f"t{i}": name for i, name in enumerate(names)}}).encode()
    return {
        "config.json": CONFIG,
        "tokenizer.json": b'{"version": "1.0", "model": {}}' + b" " * 2000,
        "README.md": b"# read me",
        "onnx/model.onnx": bytes(5000),
        "training_args.bin": b"\x80\x02.",
        f"{stem}.{form}.index.json": index,
        **dict(zip(names, shards, strict=True)),
    }
