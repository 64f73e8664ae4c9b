"""The encoder of BERT (Devlin et al., NAACL 2019) in plain torch.

Its states are those of transformers' BertModel, bit for bit, and its tensors bear the same names. To import
transformers' takes 4 s (5.23, two cores), more than a question at the prompt may take in all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import embedding, gelu, layer_norm, linear, scaled_dot_product_attention

from local_models.embedding.bert_shape import Shape

EMBEDDINGS: Final = "embeddings"
LAYER: Final = "encoder.layer"


class States(NamedTuple):
    """What the encoder gives, by the name that transformers gives it."""

    last_hidden_state: Tensor  # (n, t, d)


@dataclass(frozen=True)
class Bert:
    """The encoder, without the pooler that BERT was trained with. tensors: as `bert_shape.tensor_shapes` lists them."""

    shape: Shape
    tensors: Mapping[str, Tensor]

    @property
    def device(self) -> torch.device:
        """Where its tensors are."""
        return self.tensors[f"{EMBEDDINGS}.word_embeddings.weight"].device

    def __call__(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> States:
        """States (n, t, d) from ids, mask (1 where there is a piece) and types (n, t); no types are all 0."""
        states = self._embedded(input_ids, torch.zeros_like(input_ids) if token_type_ids is None else token_type_ids)
        mask = None if attention_mask.all() else _additive(attention_mask, states)  # without one it is quicker
        for n in range(self.shape.layers):
            layer = f"{LAYER}.{n}"
            states = self._attended(f"{layer}.attention", states, mask)
            inner = gelu(self._linear(f"{layer}.intermediate.dense", states))  # (n, t, inner)
            states = self._added(f"{layer}.output", inner, states)
        return States(states)

    def _embedded(self, ids: Tensor, types: Tensor) -> Tensor:
        words, kinds, places = (
            self.tensors[f"{EMBEDDINGS}.{name}_embeddings.weight"] for name in ("word", "token_type", "position")
        )
        states = embedding(ids, words) + embedding(types, kinds)  # in this order: bf16 rounds every sum
        return self._normed(f"{EMBEDDINGS}.LayerNorm", states + places[: ids.shape[1]])

    def _attended(self, at: str, states: Tensor, mask: Tensor | None) -> Tensor:
        query, key, value = (
            self._linear(f"{at}.self.{part}", states).view(*states.shape[:2], self.shape.heads, -1).transpose(1, 2)
            for part in ("query", "key", "value")
        )  # (n, heads, t, d / heads)
        found = scaled_dot_product_attention(query, key, value, mask)
        return self._added(f"{at}.output", found.transpose(1, 2).reshape(states.shape), states)

    def _added(self, at: str, found: Tensor, seen: Tensor) -> Tensor:
        """What a step found, mixed and added to what it saw."""
        return self._normed(f"{at}.LayerNorm", self._linear(f"{at}.dense", found) + seen)

    def _linear(self, at: str, states: Tensor) -> Tensor:
        return linear(states, self.tensors[f"{at}.weight"], self.tensors[f"{at}.bias"])

    def _normed(self, at: str, states: Tensor) -> Tensor:
        weight, bias = self.tensors[f"{at}.weight"], self.tensors[f"{at}.bias"]
        return layer_norm(states, weight.shape, weight, bias, self.shape.epsilon)


def _additive(mask: Tensor, states: Tensor) -> Tensor:
    """The mask (n, t) as what is added to every layer's attention (n, 1, t, t): made once, not by each layer."""
    n_texts, n_pieces = mask.shape
    added = states.new_zeros(n_texts, 1, 1, n_pieces).masked_fill(mask[:, None, None, :] == 0, float("-inf"))
    return added.expand(-1, 1, n_pieces, -1)
