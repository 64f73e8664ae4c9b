"""The sizes of a BERT encoder, and whether the configuration of a checkpoint asks for nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of the encoder, as BERT names them."""

    hidden: int
    layers: int
    heads: int
    inner: int
    pieces: int
    positions: int
    types: int
    epsilon: float


def plain_shape(config: Mapping[str, Any]) -> Shape | None:
    """The sizes in a checkpoint's config.json; None for anything but the encoder of the paper.

    >>> plain_shape({"model_type": "bert", "hidden_act": "relu"}) is None
    True
    """
    plain = (
        config.get("model_type") == "bert"
        and config.get("hidden_act", "gelu") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and not config.get("is_decoder")
        and not config.get("quantization_config")
    )
    names = {
        "hidden": "hidden_size",
        "layers": "num_hidden_layers",
        "heads": "num_attention_heads",
        "inner": "intermediate_size",
        "pieces": "vocab_size",
        "positions": "max_position_embeddings",
        "types": "type_vocab_size",
    }
    given = {ours: config.get(theirs) for ours, theirs in names.items()}
    sizes = {ours: size for ours, size in given.items() if isinstance(size, int) and size > 0}
    if not plain or sizes != given:
        return None
    shape = Shape(**sizes, epsilon=float(config.get("layer_norm_eps", 1e-12)))
    return None if shape.hidden % shape.heads else shape


def tensor_shapes(shape: Shape) -> dict[str, tuple[int, ...]]:
    """The tensors of the encoder by transformers' names, each with its shape."""
    h, inner = shape.hidden, shape.inner
    tables = {"word": shape.pieces, "position": shape.positions, "token_type": shape.types}
    found: dict[str, tuple[int, ...]] = {f"embeddings.{name}_embeddings.weight": (n, h) for name, n in tables.items()}
    found |= _affine("embeddings.LayerNorm", h)
    for n in range(shape.layers):
        at = f"encoder.layer.{n}"
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            found |= _affine(f"{at}.attention.{part}", h, h)
        found |= _affine(f"{at}.intermediate.dense", inner, h) | _affine(f"{at}.output.dense", h, inner)
        found |= _affine(f"{at}.attention.output.LayerNorm", h) | _affine(f"{at}.output.LayerNorm", h)
    return found


def _affine(name: str, *weight: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": weight, f"{name}.bias": weight[:1]}
