"""Keys and values of what a model has read, in memory or in a file, as transformers' `Cache`.

DeepSeek LLM 7B keeps 480 KiB a token: 503 MB for 1,024 tokens, more than a small machine has. On disk, a row
is what one token leaves in one layer, (2, batch, heads, dimensions), and the rows of a layer follow one another:
a new token is one write, a rejected one is forgotten by counting back, and any prefix is a contiguous range.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from transformers.cache_utils import Cache

from local_models.kv_cache.kv_layers import DiskLayer, MemoryLayer, Window, heads_of_a_layer
from local_models.kv_cache.kv_shape import KVShape
from local_models.streaming.row_file import RowFile

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel


def kv_shape(config: PreTrainedConfig, dtype: torch.dtype, batch: int = 1) -> KVShape:
    """The shape that a model's configuration asks for."""
    text: Any = config.get_text_config(decoder=True)
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    dimensions = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return KVShape(text.num_hidden_layers, heads, dimensions, dtype, batch)


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
        self.shape, self.max_length = shape, max_length
        self.window: Window | None = None
        held = shape.layers
        if memory_bytes is not None and folder is not None:
            held = min(held, max(0, memory_bytes) // max(1, shape.row_bytes * max_length))
        kept: list[Any] = [MemoryLayer(shape, max_length, device) for _layer in range(held)]
        if folder is not None and held < shape.layers:
            store = heads_of_a_layer(shape, max_length)  # before the file: it may fail
            self.window = Window(store, RowFile(folder, shape.layers - held, max_length, shape.row_bytes))
            self.window.layers = [DiskLayer(shape, max_length, self.window, i) for i in range(shape.layers - held)]
            kept += self.window.layers
        super().__init__(layers=kept)

    @property
    def bytes_read(self) -> int:
        """Bytes read from the file so far."""
        return self.window.file.bytes_read if self.window else 0

    def rows(self, start: int, stop: int) -> Iterator[torch.Tensor]:
        """Rows of some tokens, layer by layer, each valid until the next."""
        for layer in self._kept():
            yield layer.read(start, stop)

    def write(self, layer: int, start: int, rows: torch.Tensor) -> None:
        """Put rows of one layer in place; they count once `take` says so."""
        self._kept()[layer].write(start, rows)

    @contextmanager
    def reading_ahead(self, model: PreTrainedModel) -> Iterator[None]:
        """While a model computes: once a layer has attended, the next one's keys and values are read from the file."""
        layers: Sequence[Any] = getattr(model.base_model, "layers", ()) if self.window else ()
        disk = [(getattr(part, "self_attn", None), kept) for part, kept in zip(layers, self._kept(), strict=False)]
        hooks = [
            attention.register_forward_hook(lambda *_seen, kept=kept: kept.attended())
            for attention, kept in disk
            if isinstance(kept, DiskLayer) and attention is not None
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

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
        self.layers = []
        if self.window:
            self.window.close()

    def __enter__(self) -> DiskCache:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _kept(self) -> Sequence[MemoryLayer | DiskLayer]:
        return cast(Sequence[MemoryLayer | DiskLayer], self.layers)
