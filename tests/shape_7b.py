"""The 7B shape of DeepSeek LLM as sparse safetensors: every header true, and not a byte of weights on the disk."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path

HIDDEN, WIDE, LAYERS, HEADS, VOCABULARY = 4096, 11008, 30, 32, 102_400
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": HIDDEN,
    "intermediate_size": WIDE,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": HEADS,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
WEIGHTS_BYTES = 13_820_731_392
LINEAR_BYTES = 12_981_370_880
KV_TOKEN_BYTES = 480 * 1024


def make_7b(folder: Path, **config: object) -> Path:
    """Two shards with an index; the files are as long as they say, and empty."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({**CONFIG, **config}))
    tensors = list(shapes())
    half = len(tensors) // 2
    index = {}
    for number, part in enumerate((tensors[:half], tensors[half:]), 1):
        name = f"model-0000{number}-of-00002.safetensors"
        _write_sparse(folder / name, part)
        index |= {tensor: name for tensor, _shape in part}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    return folder


def shapes() -> Iterator[tuple[str, list[int]]]:
    yield "model.embed_tokens.weight", [VOCABULARY, HIDDEN]
    for layer in range(LAYERS):
        at = f"model.layers.{layer}"
        yield from ((f"{at}.self_attn.{name}_proj.weight", [HIDDEN, HIDDEN]) for name in "qkvo")
        yield from ((f"{at}.mlp.{name}_proj.weight", [WIDE, HIDDEN]) for name in ("gate", "up"))
        yield f"{at}.mlp.down_proj.weight", [HIDDEN, WIDE]
        yield from ((f"{at}.{name}_layernorm.weight", [HIDDEN]) for name in ("input", "post_attention"))
    yield "model.norm.weight", [HIDDEN]
    yield "lm_head.weight", [VOCABULARY, HIDDEN]


def _write_sparse(path: Path, tensors: list[tuple[str, list[int]]]) -> None:
    header, end = {}, 0
    for name, shape in tensors:
        begin, end = end, end + 2 * (shape[0] * shape[1] if len(shape) == 2 else shape[0])
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
