"""What a language model takes, by part, from its configuration and the headers of its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_models.checkpoint.model_folder import read_json
from local_models.checkpoint.tensor_location import ITEM_BYTES, Place
from local_models.errors import ModelRefused
from local_models.interface.messages import _

STREAMED = ("llama", "mistral", "qwen2")  # whose weights may stay on the disk; DeepSeek LLM says llama
_EMBEDDING = "embed_tokens"
_OUTPUT = "lm_head"
_LARGEST = 2**31  # no count of a configuration is larger


@dataclass(frozen=True, slots=True)
class Footprint:
    """A model in bytes.

    weights_bytes: all tensors. linear_bytes: the matrices that every new token passes through, the output
    layer among them; tied embeddings count here, for they are the output layer too. kv_token_bytes: keys
    and values of one token in all layers. activation_token_bytes: of one token while a prompt is computed.
    file: the largest file of the weights.
    """

    family: str
    n_layers: int
    vocabulary: int
    context_length: int
    weights_bytes: int
    linear_bytes: int
    kv_token_bytes: int
    activation_token_bytes: int
    file: Path

    @property
    def can_stream(self) -> bool:
        """Whether the loader knows how to leave the weights of this family on the disk."""
        return self.family in STREAMED


def read_footprint(folder: Path) -> Footprint:
    """The footprint of a model's folder; nothing of the weights but their headers is read.

    Raises ModelRefused for what is no language model or a configuration without the numbers,
    ModelDamaged where weights are missing.
    """
    from local_models.checkpoint.weights import open_weights

    config = read_json(folder / "config.json")
    if not writes_text(config):
        raise ModelRefused(
            _("{folder} holds no model that writes text: config.json names no ...ForCausalLM").format(folder=folder),
            hint=_("give the folder of a language model, such as DeepSeek LLM"),
        )
    weights = open_weights(folder)
    return Footprint(
        family=str(config.get("model_type"))[:40],
        n_layers=_count(config, "num_hidden_layers", folder),
        vocabulary=_count(config, "vocab_size", folder),
        context_length=_count(config, "max_position_embeddings", folder),
        weights_bytes=weights.n_bytes,
        linear_bytes=_linear_bytes(weights, tied=bool(config.get("tie_word_embeddings"))),
        kv_token_bytes=_kv_token_bytes(config, _number_bytes(weights), folder),
        activation_token_bytes=_activation_token_bytes(config, _number_bytes(weights), folder),
        file=max(weights.files, key=lambda file: file.stat().st_size),
    )


def writes_text(config: object) -> bool:
    """Whether a configuration is that of a causal language model, as opposed to an embedding model."""
    named = config.get("architectures") if isinstance(config, dict) else None
    return isinstance(named, list) and any(str(name).endswith("ForCausalLM") for name in named)


def _linear_bytes(weights: Mapping[str, Place], *, tied: bool) -> int:
    matrices = {n: place for n, place in weights.items() if len(place.shape) == 2 and n.endswith(".weight")}
    linear = sum(place.n_bytes for name, place in matrices.items() if _EMBEDDING not in name)
    has_output = any(_OUTPUT in name for name in matrices)
    return linear + (0 if has_output or not tied else _embedding_bytes(matrices))


def _embedding_bytes(matrices: Mapping[str, Place]) -> int:
    return sum(place.n_bytes for name, place in matrices.items() if _EMBEDDING in name)


def _number_bytes(weights: Mapping[str, Place]) -> int:
    """Bytes of a number as the model computes: float32 where the embedding is stored so, else 16 bits."""
    stored = [ITEM_BYTES[place.dtype] for name, place in weights.items() if _EMBEDDING in name]
    return 4 if stored and max(stored) >= 4 else 2


def _kv_token_bytes(config: Mapping[str, Any], number_bytes: int, folder: Path) -> int:
    """2 (keys, values) x layers x heads of them x their length: 480 KiB for DeepSeek LLM 7B."""
    layers = _count(config, "num_hidden_layers", folder)
    return 2 * layers * _kv_width(config, folder) * number_bytes


def _activation_token_bytes(config: Mapping[str, Any], number_bytes: int, folder: Path) -> int:
    """Three rows of the feed-forward, one of queries, keys and values, four of the hidden states in float32.

    Measured on the 7B shape: 40 MB for 256 tokens, 80 MB for 512.
    """
    hidden, wide = (_count(config, name, folder) for name in ("hidden_size", "intermediate_size"))
    attention = _head(config, folder) * _count(config, "num_attention_heads", folder) + 2 * _kv_width(config, folder)
    return number_bytes * (3 * wide + attention) + 4 * 4 * hidden


def _kv_width(config: Mapping[str, Any], folder: Path) -> int:
    heads = "num_key_value_heads" if config.get("num_key_value_heads") else "num_attention_heads"
    return _count(config, heads, folder) * _head(config, folder)


def _head(config: Mapping[str, Any], folder: Path) -> int:
    if config.get("head_dim"):
        return _count(config, "head_dim", folder)
    return _count(config, "hidden_size", folder) // _count(config, "num_attention_heads", folder)


def _count(config: Mapping[str, Any], name: str, folder: Path) -> int:
    value = config.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < _LARGEST:
        raise ModelRefused(
            _("{path} has {name} = {value!r}, which is no number of things").format(
                path=folder / "config.json", name=name, value=value
            ),
            hint=_("fetch config.json again"),
        )
    return value
