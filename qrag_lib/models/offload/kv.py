"""Keys and values of what a model has read, in memory or in a file, as transformers' `Cache`.

DeepSeek LLM 7B keeps 480 KiB a token: 503 MB for 1,024 tokens, more than a small machine has. On disk, a row
is what one token leaves in one layer, (2, batch, heads, dimensions), and the rows of a layer follow one another:
a new token is one write, a rejected one is forgotten by counting back, and any prefix is a contiguous range.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import torch
from transformers.cache_utils import Cache, CacheLayerMixin

from qrag_lib.errors import GenerationFailed
from qrag_lib.i18n import _
from qrag_lib.models.offload.rowfile import RowFile

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


ATTENDED: Final = 512  # keys that torch's attention on the CPU takes in a step


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


def kv_shape(config: PreTrainedConfig, dtype: torch.dtype, batch: int = 1) -> KVShape:
    """The shape that a model's configuration asks for."""
    text: Any = config.get_text_config(decoder=True)
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    dimensions = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return KVShape(text.num_hidden_layers, heads, dimensions, dtype, batch)


class KVLayer(CacheLayerMixin):  # type: ignore[no-untyped-call]
    """One layer of at most `max_length` tokens. Rows beyond `length` are whatever was there.

    prompt: tokens of the prompt that is being computed in pieces, 0 for none. Attention adds up as many keys in a
    step as are there, and sums of other lengths round otherwise; so a piece is shown as many as the whole prompt
    would be at that place, zeros under the mask for those to come, and is what it would be of the whole.
    """

    is_croppable = True
    is_sliding = False

    def __init__(self, shape: KVShape, max_length: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.shape, self.max_length, self.length, self.prompt = shape, max_length, 0, 0
        self.is_initialized = True

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Nothing: the shape is known from the configuration."""

    def get_seq_length(self) -> int:
        """Tokens held."""
        return self.length

    def get_max_length(self) -> int:
        """-1, which transformers reads as a cache that grows; the engine counts tokens before it begins."""
        return -1

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """(tokens that attention sees, the first of them)."""
        return self._shown(self.length + query_length), 0

    def crop(self, tokens_to_remove: int) -> None:
        """Forget the last tokens, as many as the negative number says."""
        if not -self.length <= tokens_to_remove <= 0:
            raise ValueError(f"crop takes 0 to {-self.length}, not {tokens_to_remove}")
        self.length += tokens_to_remove

    def reset(self) -> None:
        """Forget all tokens."""
        self.length = 0

    def reorder_cache(self, beam_idx: torch.LongTensor) -> None:
        """Refused: beams are not searched."""
        raise NotImplementedError("beam search needs transformers' own DynamicCache")

    def _room_for(self, n: int) -> int:
        """The length once `n` tokens are added. Raises GenerationFailed where they do not fit."""
        if (stop := self.length + n) > self.max_length:
            raise GenerationFailed(
                _("{n} tokens do not fit: room was made for {limit}").format(n=stop, limit=self.max_length)
            )
        return stop

    def _shown(self, stop: int) -> int:
        """Rows that attention sees where the last token of a piece is that before `stop`."""
        return max(stop, min(self.prompt, -(-stop // ATTENDED) * ATTENDED))


class MemoryLayer(KVLayer):  # type: ignore[no-untyped-call]
    """Keys and values in memory, taken as they are filled; no copy of the past when a token is added."""

    def __init__(self, shape: KVShape, max_length: int, device: torch.device | str = "cpu") -> None:
        super().__init__(shape, max_length)
        room = (2, shape.batch, shape.heads, max_length, shape.dimensions)
        self.store = torch.empty(room, dtype=shape.dtype, device=device)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """All keys and all values, (batch, heads, t, dimensions), with the new ones added."""
        stop = self._room_for(key_states.shape[-2])
        self.store[0, :, :, self.length : stop] = key_states
        self.store[1, :, :, self.length : stop] = value_states
        self.length, shown = stop, self._shown(stop)
        self.store[:, :, :, stop:shown] = 0
        return self.store[0, :, :, :shown], self.store[1, :, :, :shown]

    def read(self, start: int, stop: int) -> torch.Tensor:
        """Rows of some tokens, (t, 2, batch, heads, dimensions)."""
        return self.store[:, :, :, start:stop].permute(3, 0, 1, 2, 4).contiguous().cpu()

    def write(self, start: int, rows: torch.Tensor) -> None:
        """Put rows back where they were; `length` stays."""
        self.store[:, :, :, start : start + len(rows)] = rows.permute(1, 2, 3, 0, 4)


class DiskLayer(KVLayer):  # type: ignore[no-untyped-call]
    """Keys and values in a file, read into one buffer that all layers share: they are valid until the next layer's."""

    def __init__(self, shape: KVShape, max_length: int, file: RowFile, region: int) -> None:
        super().__init__(shape, max_length)
        self.file, self.region = file, region

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """All keys and all values, (batch, heads, t, dimensions), with the new ones added and written."""
        stop = self._room_for(key_states.shape[-2])
        rows = self._rows(self.file.read(self.region, self.length, room=self._shown(stop)))
        rows[self.length : stop, 0] = key_states.permute(2, 0, 1, 3)
        rows[self.length : stop, 1] = value_states.permute(2, 0, 1, 3)
        rows[stop:] = 0
        self.file.write_back(self.region, self.length, stop)
        self.length = stop
        keys, values = rows.permute(1, 2, 3, 0, 4)
        return keys, values

    def read(self, start: int, stop: int) -> torch.Tensor:
        """Rows of some tokens, (t, 2, batch, heads, dimensions)."""
        return self._rows(self.file.read_some(self.region, start, stop))

    def write(self, start: int, rows: torch.Tensor) -> None:
        """Put rows back where they were; `length` stays."""
        self.file.write(self.region, start, rows.contiguous().view(torch.uint8).numpy().reshape(-1).data)

    def _rows(self, data: memoryview) -> torch.Tensor:
        return torch.frombuffer(data, dtype=self.shape.dtype).view(-1, *self.shape.row)


class DiskCache(Cache):
    """A model's cache for at most `max_length` tokens: as many layers in memory as fit, the others in a file.

    folder: where the file is made; it has no name, so nothing is left of it however the process ends.
    memory_bytes: for the layers in memory; None for all, 0 for none. Raises DiskFull before anything is computed.
    Close it, or use it in a `with`.
    """

    def __init__(
        self,
        shape: KVShape,
        max_length: int,
        *,
        folder: Path | None = None,
        memory_bytes: int | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.shape, self.max_length, self.file = shape, max_length, None
        held = shape.layers
        if memory_bytes is not None and folder is not None:
            held = min(held, max(0, memory_bytes) // max(1, shape.row_bytes * max_length))
        kept: list[Any] = [MemoryLayer(shape, max_length, device) for _layer in range(held)]
        if folder is not None and held < shape.layers:
            self.file = RowFile(folder, shape.layers - held, max_length, shape.row_bytes)
            kept += [DiskLayer(shape, max_length, self.file, region) for region in range(shape.layers - held)]
        super().__init__(layers=kept)

    @property
    def bytes_read(self) -> int:
        """Bytes read from the file so far."""
        return self.file.bytes_read if self.file else 0

    def rows(self, start: int, stop: int) -> Iterator[torch.Tensor]:
        """Rows of some tokens, layer by layer, each valid until the next."""
        for layer in self._kept():
            yield layer.read(start, stop)

    def write(self, layer: int, start: int, rows: torch.Tensor) -> None:
        """Put rows of one layer in place; they count once `take` says so."""
        self._kept()[layer].write(start, rows)

    @contextmanager
    def computing(self, prompt: int) -> Iterator[None]:
        """While a prompt of so many tokens is computed in pieces."""
        for layer in self._kept():
            layer.prompt = prompt
        try:
            yield
        finally:
            for layer in self._kept():
                layer.prompt = 0

    def take(self, length: int) -> None:
        """Hold the first `length` tokens, whose rows were written."""
        for layer in self._kept():
            layer.length = length

    def close(self) -> None:
        """Give the memory and the disk back."""
        if self.file:
            self.file.close()
        self.layers = []

    def __enter__(self) -> DiskCache:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _kept(self) -> Sequence[MemoryLayer | DiskLayer]:
        return cast(Sequence[MemoryLayer | DiskLayer], self.layers)
