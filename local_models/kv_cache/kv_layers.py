"""The layers of a cache: keys and values in memory, or in a file and read ahead of the attention that wants them."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import torch
from transformers.cache_utils import CacheLayerMixin

from local_models.errors import GenerationFailed
from local_models.interface.messages import ngettext

if TYPE_CHECKING:
    from local_models.kv_cache.kv_shape import KVShape
    from local_models.streaming.row_file import RowFile

ATTENDED: Final = 512  # keys that torch's attention on the CPU takes in a step


class KVLayer(CacheLayerMixin):  # type: ignore[no-untyped-call]
    """One layer of at most `max_length` tokens. Rows beyond `length` are whatever was there.

    prompt: tokens of the prompt that is being computed in pieces, 0 for none. Attention adds up as many keys in a
    step as are there, and sums of other lengths round otherwise; so a piece is shown as many as the whole prompt
    would be at that place, zeros under the mask for those to come. In bf16 it then is what it would be of the whole.
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
        return self._shown(query_length), 0

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
                ngettext(
                    "{n} token does not fit: room was made for {limit}",
                    "{n} tokens do not fit: room was made for {limit}",
                    stop,
                ).format(n=stop, limit=self.max_length)
            )
        return stop

    def _shown(self, n: int) -> int:
        """Rows that attention sees once `n` more are there; of a piece of one token, transformers makes no mask."""
        stop = self.length + n
        return stop if n == 1 else max(stop, min(self.prompt, -(-stop // ATTENDED) * ATTENDED))


class MemoryLayer(KVLayer):  # type: ignore[no-untyped-call]
    """Keys and values in memory, taken as they are filled; no copy of the past when a token is added."""

    def __init__(self, shape: KVShape, max_length: int, device: torch.device | str = "cpu") -> None:
        super().__init__(shape, max_length)
        self.store = heads_of_a_layer(shape, max_length, device)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """All keys and all values, (batch, heads, t, dimensions), with the new ones added."""
        stop = self._room_for(key_states.shape[-2])
        self.store[0, :, :, self.length : stop] = key_states
        self.store[1, :, :, self.length : stop] = value_states
        self.length, shown = stop, self._shown(key_states.shape[-2])
        self.store[:, :, :, stop:shown] = 0
        return self.store[0, :, :, :shown], self.store[1, :, :, :shown]

    def read(self, start: int, stop: int) -> torch.Tensor:
        """Rows of some tokens, (t, 2, batch, heads, dimensions)."""
        return self.store[:, :, :, start:stop].permute(3, 0, 1, 2, 4).contiguous().cpu()

    def write(self, start: int, rows: torch.Tensor) -> None:
        """Put rows back where they were; `length` stays."""
        self.store[:, :, :, start : start + len(rows)] = rows.permute(1, 2, 3, 0, 4)


def heads_of_a_layer(shape: KVShape, max_length: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """Memory for the keys and values of one layer, taken as it is filled: (2, batch, heads, t, dimensions)."""
    room = (2, shape.batch, shape.heads, max_length, shape.dimensions)
    return torch.empty(room, dtype=shape.dtype, device=device)


class Window:
    """Keys and values of one layer of a file at a time, laid out as attention reads them fastest: head by head.

    What is read ahead is read by a thread of its own; everybody else waits for it. `layers` are those of the file.
    """

    def __init__(self, store: torch.Tensor, file: RowFile) -> None:
        self.store, self.file = store, file
        self.layers: list[DiskLayer] = []
        self._held, self._length = -1, 0  # the region whose first rows are here, and how many
        self._thread: ThreadPoolExecutor | None = None
        self._ahead: Future[None] | None = None

    def show(self, region: int, length: int) -> torch.Tensor:
        """The store with the first rows of a region in it."""
        self.wait()
        if self._held != region or self._length < length:
            self._read(region, length)
        return self.store

    def read_ahead(self, region: int, length: int) -> None:
        """Begin to read the first rows of a region, for nobody needs those that are here any more."""
        self.wait()
        if self._held == region and self._length >= length:
            return
        self._thread = self._thread or ThreadPoolExecutor(1, "qrag-keys-and-values")
        self._ahead = self._thread.submit(self._read, region, length)

    def wait(self) -> None:
        """Return once nothing is being read. Raises what went wrong."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.result()

    def grown(self, length: int) -> None:
        """The rows of the region that is here were added to."""
        self._length = length

    def forget(self) -> None:
        """What is here is out of date."""
        self.wait()
        self._held = -1

    def close(self) -> None:
        """End the thread, and give the room on the disk back."""
        self.layers = []
        try:
            if self._thread:
                self._thread.shutdown()
        finally:
            self.file.close()

    def _read(self, region: int, length: int) -> None:
        """Rows to heads, by numpy: torch would wake its threads to copy, which compute meanwhile."""
        self._held = -1
        into = _heads(self.store)
        for start, data in self.file.pieces(region, length):
            rows = np.frombuffer(data, into.dtype).reshape(-1, *into.shape[:3])
            into[:, :, :, start : start + len(rows)] = rows.transpose(1, 2, 3, 0)
        self._held, self._length = region, length


def _heads(store: torch.Tensor) -> npt.NDArray[np.void]:
    """A tensor (..., t, dimensions) as an array (..., t) of what a head keeps of a token."""
    one = np.dtype((np.void, store.shape[-1] * store.element_size()))
    return store.view(torch.uint8).numpy().view(one)[..., 0]


class DiskLayer(KVLayer):  # type: ignore[no-untyped-call]
    """Keys and values in a file, shown in a window that all layers share: they are valid until the next layer's."""

    def __init__(self, shape: KVShape, max_length: int, window: Window, region: int) -> None:
        super().__init__(shape, max_length)
        self.window, self.region = window, region

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """All keys and all values, (batch, heads, t, dimensions), with the new ones added and written."""
        stop = self._room_for(key_states.shape[-2])
        shown, store = self._shown(key_states.shape[-2]), self.window.show(self.region, self.length)
        new = store[:, :, :, self.length : stop]
        new[0], new[1] = key_states, value_states
        store[:, :, :, stop:shown] = 0
        self.window.file.write(self.region, self.length, _bytes(new.permute(3, 0, 1, 2, 4)))
        self.window.grown(stop)
        self.length = stop
        return store[0, :, :, :shown], store[1, :, :, :shown]

    def read(self, start: int, stop: int) -> torch.Tensor:
        """Rows of some tokens, (t, 2, batch, heads, dimensions)."""
        self.window.wait()
        data = self.window.file.read(self.region, start, stop)
        return torch.frombuffer(data, dtype=self.shape.dtype).view(-1, *self.shape.row)

    def write(self, start: int, rows: torch.Tensor) -> None:
        """Put rows back where they were; `length` stays."""
        self.window.forget()
        self.window.file.write(self.region, start, _bytes(rows))

    def attended(self) -> None:
        """Read the next layer's ahead: nobody looks at these any more."""
        following = self.window.layers[(self.region + 1) % len(self.window.layers)]
        self.window.read_ahead(following.region, following.length)


def _bytes(rows: torch.Tensor) -> memoryview:
    return rows.contiguous().view(torch.uint8).numpy().reshape(-1).data
