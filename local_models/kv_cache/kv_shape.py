"""How large the keys and values of a model are."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class KVShape:
    """What one token leaves in one layer, and in how many layers."""

    layers: int
    heads: int
    dimensions: int
    dtype: torch.dtype
    batch: int = 1

    @property
    def row(self) -> tuple[int, int, int, int]:
        """Keys and values of one token in one layer: (2, batch, heads, dimensions)."""
        return (2, self.batch, self.heads, self.dimensions)

    @property
    def row_bytes(self) -> int:
        """Bytes of one token in one layer."""
        return 2 * self.batch * self.heads * self.dimensions * self.dtype.itemsize

    @property
    def token_bytes(self) -> int:
        """Bytes of one token in all layers; 491,520 for DeepSeek LLM 7B in bf16."""
        return self.layers * self.row_bytes
