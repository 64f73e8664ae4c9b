"""What a search asks of an embedding model, wherever it is: in this process, or in a worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Embedder(Protocol):
    """A sentence embedding model, loaded. overhead_tokens: of `max_tokens`, what is not the text's own."""

    @property
    def model_id(self) -> str:
        """Name of the model by its weights."""
        ...

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        ...

    @property
    def max_tokens(self) -> int:
        """Most word pieces of one input."""
        ...

    @property
    def overhead_tokens(self) -> int:
        """Word pieces that special tokens and the passage prefix take of `max_tokens`."""
        ...

    def encode(
        self,
        texts: Sequence[str],
        *,
        kind: Literal["passage", "query"] = "passage",
        on_progress: Callable[[int, int], None] | None = None,
    ) -> NDArray[np.float32]:
        """Unit rows (n, d) in the order of the texts."""
        ...

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Character spans of the word pieces of a text."""
        ...

    def token_spans_many(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """`token_spans` of many texts."""
        ...
