"""The layers of a streamed model: a linear layer that computes block by block, an embedding that reads rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from local_models.checkpoint.tensor_location import Place
from local_models.errors import ModelRefused
from local_models.int8.int8_layers import int8_linear
from local_models.interface.messages import _
from local_models.streaming.direct_reading import WeightsFile
from local_models.streaming.weight_stream import WeightStream

DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I8": torch.int8}


@dataclass(frozen=True, slots=True)
class Rows:
    """Output rows [start, stop) of a layer: in memory (`kept`), or block `index` of the stream."""

    start: int
    stop: int
    index: int = -1
    kept: torch.Tensor | None = None


class StreamedLinear(nn.Module):
    """y = x Wᵀ + b, W in row blocks of which most come from the disk. It has no weight parameter.

    scale: one factor for each row of a W of int8, (out_features,).
    """

    bias: torch.Tensor | None
    scale: torch.Tensor | None

    def __init__(
        self,
        stream: WeightStream,
        place: Place,
        rows: Sequence[Rows],
        bias: torch.Tensor | None = None,
        scale: torch.Tensor | None = None,
    ) -> None:
        super().__init__()
        self.out_features, self.in_features = place.shape
        self._stream = stream
        self._rows = tuple(rows)
        self._dtype = DTYPES[place.dtype]
        self.register_buffer("bias", bias, persistent=False)
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(…, in_features) -> (…, out_features). Raises ModelRefused where gradients are asked for."""
        if x.requires_grad and torch.is_grad_enabled():
            raise ModelRefused(
                _("a streamed model cannot be trained: its weights are gone after each block"),
                hint=_("compute under torch.inference_mode()"),
            )
        y = x.new_empty(*x.shape[:-1], self.out_features)
        with self._stream.turn:
            for rows in self._rows:
                if rows.kept is not None:
                    y[..., rows.start : rows.stop] = self._product(x, rows.kept, rows)
                else:
                    with self._stream.hold(rows.index) as block:
                        y[..., rows.start : rows.stop] = self._product(x, self._matrix(block), rows)
        return y

    def _matrix(self, block: memoryview) -> torch.Tensor:
        """The bytes of a block as rows, (n, in_features); not copied."""
        return torch.frombuffer(block, dtype=self._dtype).view(-1, self.in_features)

    def _product(self, x: torch.Tensor, matrix: torch.Tensor, rows: Rows) -> torch.Tensor:
        """x times some rows of W, on the device of x."""
        part = slice(rows.start, rows.stop)
        bias = None if self.bias is None else self.bias[part]
        weight = matrix.to(x.device)
        if self.scale is not None:
            y = int8_linear(x, weight, self.scale[part])
            return y if bias is None else y + bias
        return functional.linear(x, weight.to(x.dtype), bias)

    def extra_repr(self) -> str:
        """What a printed model says of the layer."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


def read_tensor(place: Place) -> torch.Tensor:
    """A whole tensor, in memory."""
    flat = torch.empty(place.n_bytes, dtype=torch.uint8)
    WeightsFile(place.file, cached=True).read(place.offset, place.n_bytes, _bytes_of(flat))
    return flat.view(DTYPES[place.dtype]).view(place.shape)


def _bytes_of(flat: torch.Tensor) -> memoryview:
    """The memory of a tensor of uint8, to read into."""
    memory: Any = flat.numpy()
    return memoryview(memory)


class RowEmbedding(nn.Module):
    """The rows of an embedding, read from the file for the tokens asked for: 8 KiB each in a 7B model."""

    def __init__(self, place: Place, dtype: torch.dtype) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim = place.shape
        self._place = place
        self._dtype = dtype
        self._file = WeightsFile(place.file, cached=True)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """(…) of token ids -> (…, embedding_dim). Raises IndexError for an id beyond the vocabulary."""
        distinct, where = torch.unique(ids.cpu(), return_inverse=True)
        if ids.numel() and not 0 <= int(distinct[0]) <= int(distinct[-1]) < self.num_embeddings:
            raise IndexError(f"token ids {int(distinct[0])} to {int(distinct[-1])} of {self.num_embeddings}")
        self._file.check_unchanged()
        n_bytes = self._place.row_bytes
        flat = torch.empty(len(distinct), n_bytes, dtype=torch.uint8)
        for row, token in zip(flat, distinct.tolist(), strict=True):
            self._file.read(self._place.offset + token * n_bytes, n_bytes, _bytes_of(row))
        rows = flat.view(DTYPES[self._place.dtype]).to(self._dtype)
        return rows[where].to(ids.device)

    def extra_repr(self) -> str:
        """What a printed model says of the layer."""
        return f"{self.num_embeddings}, {self.embedding_dim}"
