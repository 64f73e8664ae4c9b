"""A checkpoint of the full shape of DeepSeek LLM 7B with random weights, to measure on; nothing is downloaded.

    python -m benchmarks.checkpoint_7b FOLDER [--format bin] [--quick]

13.8 GB in about a minute, block by block in bounded memory. A shard gets its name when it is
whole, so that a run that was cut goes on with the shards that are missing.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from benchmarks.vocabulary import base_size, write_tokenizer

if TYPE_CHECKING:
    import torch

Format = Literal["safetensors", "bin"]
DEFAULT_FOLDER = Path.home() / ".cache" / "qrag" / "checkpoint-7b"
SHARD_BYTES = 5_000_000_000
STD = 0.02
EMBEDDING = 2.0  # of a row: as long as what the layers add, so that the text depends on its last token
POOL = 33_554_393  # random numbers that all tensors are cut from; a prime, so that no two rows are alike
BLOCK = 1 << 22  # numbers in one write
STEMS = {"safetensors": "model", "bin": "pytorch_model"}


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes that decide a Llama model's weights; DeepSeek LLM 7B's where none is given."""

    layers: int = 30
    hidden: int = 4096
    intermediate: int = 11008
    heads: int = 32
    vocab: int = 102400

    @property
    def streamed_bytes(self) -> int:
        """Bytes that a decoded token needs: every weight but the norms and the embedding."""
        norms = self.hidden * (2 * self.layers + 1)
        return 2 * (sum(rows * columns for _name, rows, columns in self.tensors()) - self.vocab * self.hidden - norms)

    def tensors(self) -> Iterator[tuple[str, int, int]]:
        """(name, rows, columns) of every weight, in the order of a pass; a norm is one row."""
        h, wide = self.hidden, self.intermediate
        yield "model.embed_tokens.weight", self.vocab, h
        for number in range(self.layers):
            layer = f"model.layers.{number}."
            yield layer + "input_layernorm.weight", 1, h
            yield from ((f"{layer}self_attn.{name}_proj.weight", h, h) for name in "qkvo")
            yield layer + "post_attention_layernorm.weight", 1, h
            yield from ((f"{layer}mlp.{name}_proj.weight", wide, h) for name in ("gate", "up"))
            yield layer + "mlp.down_proj.weight", h, wide
        yield "model.norm.weight", 1, h
        yield "lm_head.weight", self.vocab, h


DEEPSEEK_7B = Shape()
QUICK = Shape(layers=6, hidden=1024, intermediate=2752, heads=8, vocab=8192)  # 185 MB


def write_checkpoint(folder: Path, shape: Shape = DEEPSEEK_7B, *, format: Format = "safetensors") -> Path:
    """The folder, holding the whole checkpoint in that format.

    Raises ValueError where the folder holds a checkpoint of another shape.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write_config(folder, shape)
    if not (folder / "tokenizer.json").exists():
        write_tokenizer(folder, shape.vocab)
    pool = None
    shards = list(_shards(shape))
    for number, tensors in enumerate(shards):
        target = folder / _file(number, len(shards), format)
        if target.exists():
            continue
        pool = _pool() if pool is None else pool
        print(f"writing {target.name}", file=sys.stderr, flush=True)
        plain = _write_shard(folder / _file(number, len(shards), "safetensors"), tensors, shape, pool)
        if format == "bin":
            _pickle(plain, target)
    _write_index(folder, shards, format)
    return folder


def _shards(shape: Shape) -> Iterator[list[tuple[str, int, int]]]:
    shard: list[tuple[str, int, int]] = []
    held = 0
    for tensor in shape.tensors():
        size = 2 * tensor[1] * tensor[2]
        if shard and held + size > SHARD_BYTES:
            yield shard
            shard, held = [], 0
        shard.append(tensor)
        held += size
    yield shard


def _file(number: int, n: int, format: Format) -> str:
    return f"{STEMS[format]}-{number + 1:05}-of-{n:05}.{format}"


def _write_config(folder: Path, shape: Shape) -> None:
    base = base_size(shape.vocab)
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": shape.vocab,
        "hidden_size": shape.hidden,
        "intermediate_size": shape.intermediate,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads,
        "hidden_act": "silu",
        "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-06,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "bos_token_id": base,
        "eos_token_id": base + 1,
    }
    path = folder / "config.json"
    if path.exists() and json.loads(path.read_text("utf-8")) != config:
        raise ValueError(f"{folder} holds another checkpoint, not {asdict(shape)}; give another folder")
    path.write_text(json.dumps(config, indent=2), "utf-8")
    ends = {"bos_token_id": base, "eos_token_id": base + 1, "pad_token_id": base + 1}
    (folder / "generation_config.json").write_text(json.dumps(ends, indent=2), "utf-8")


def _write_index(folder: Path, shards: Sequence[Sequence[tuple[str, int, int]]], format: Format) -> None:
    files = {name: _file(i, len(shards), format) for i, shard in enumerate(shards) for name, _rows, _columns in shard}
    total = sum(2 * rows * columns for shard in shards for _name, rows, columns in shard)
    index = {"metadata": {"total_size": total}, "weight_map": files}
    (folder / f"{STEMS[format]}.{format}.index.json").write_text(json.dumps(index, indent=2), "utf-8")


def _pool() -> torch.Tensor:
    import torch

    generator = torch.Generator().manual_seed(0)
    parts = (torch.randn(n, generator=generator) * STD for n in _lengths(POOL))
    return torch.cat([part.bfloat16() for part in parts])


def _write_shard(path: Path, tensors: Sequence[tuple[str, int, int]], shape: Shape, pool: torch.Tensor) -> Path:
    """One safetensors file: eight bytes of length, the header as JSON, the tensors."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, rows, columns in tensors:
        sizes = [columns] if rows == 1 else [rows, columns]
        begin, end = end, end + 2 * rows * columns
        header[name] = {"dtype": "BF16", "shape": sizes, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, rows, columns in tensors:
            _write_tensor(file, name, rows, columns, shape, pool)
        file.flush()
        os.fsync(file.fileno())
    return part.replace(path)


def _write_tensor(file: BinaryIO, name: str, rows: int, columns: int, shape: Shape, pool: torch.Tensor) -> None:
    import torch

    if rows == 1:
        _write(file, torch.ones(columns, dtype=torch.bfloat16))
        return
    scales = loudness(shape) if name == "lm_head.weight" else None
    if name == "model.embed_tokens.weight":
        scales = torch.full((rows,), EMBEDDING / STD)
    start = sum(name.encode()) * 1_000_003 + len(name)  # every tensor begins elsewhere in the pool
    step = max(1, BLOCK // columns)
    for first in range(0, rows, step):
        n = min(step, rows - first)
        block = _cut(pool, start + first * columns, n * columns).view(n, columns)
        _write(file, block if scales is None else (block * scales[first : first + n, None]).bfloat16())


def loudness(shape: Shape) -> torch.Tensor:
    """What each row of lm_head is multiplied with: (vocab,).

    A trained model's best token stands clear of the second; a random one's two best are often the
    same bfloat16 number. A few loud rows give it that margin. The rows of tokens that are not text,
    the end among them, are silent: every text is written to its full length.
    """
    import torch

    generator = torch.Generator().manual_seed(1)
    scales = torch.rand(shape.vocab, generator=generator)
    loud = scales[256::97]
    loud *= 8 * torch.randn(loud.shape, generator=generator).exp()
    scales[base_size(shape.vocab) :] = 0
    return scales


def _cut(pool: torch.Tensor, start: int, n: int) -> torch.Tensor:
    """n numbers of the pool from `start`, beginning again at its end."""
    import torch

    start %= POOL
    return pool[start : start + n] if start + n <= POOL else torch.cat([pool[start:], pool[: start + n - POOL]])


def _lengths(n: int) -> Iterator[int]:
    for first in range(0, n, BLOCK):
        yield min(BLOCK, n - first)


def _write(file: BinaryIO, tensor: torch.Tensor) -> None:
    import torch

    file.write(memoryview(tensor.contiguous().view(torch.uint8).numpy()))


def _pickle(plain: Path, target: Path) -> None:
    """The shard as torch.save writes it, in the place of the safetensors file; its tensors stay mapped, not loaded.

    Its checksum is recorded, for nothing loads a .bin that nobody has verified.
    """
    import torch
    from safetensors import safe_open

    from local_models.checkpoint.checksum_record import add_to_record, sha256

    part = target.with_suffix(".part")
    with safe_open(plain, "pt") as shard:
        torch.save({name: shard.get_tensor(name) for name in shard.keys()}, part)  # noqa: SIM118 - not a dict
    part.replace(target)
    add_to_record(target.parent, {target.name: sha256(target)})
    plain.unlink()


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a checkpoint, as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.checkpoint_7b", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=DEFAULT_FOLDER, help="default: %(default)s")
    parser.add_argument("--format", choices=list(STEMS), default="safetensors")
    parser.add_argument("--quick", action="store_true", help="a model of 185 MB of the same kind")
    options = parser.parse_args(arguments)
    print(write_checkpoint(options.folder, QUICK if options.quick else DEEPSEEK_7B, format=options.format))
    return 0


if __name__ == "__main__":
    sys.exit(main())
