"""Texts to vectors: sentence embedding models. `llama_embedding` has them as LlamaIndex's."""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from local_models.checkpoint.model_folder import MINILM
from local_models.errors import ModelError
from local_models.interface.messages import _, ngettext
from local_models.planning.precision import Precision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from local_models.embedding.transformer import Transformer

Kind = Literal["passage", "query"]
Progress = Callable[[int, int], None]
Span = tuple[int, int]

_BUCKET = 16  # word pieces: lengths are padded to a multiple, so that a vector never depends on its batch
_BATCH_TOKENS = {"cpu": 2048, "cuda": 65_536}  # word pieces a batch; more gains nothing on two cores
_LONGEST = 100_000  # characters of a text that are looked at; the limit of word pieces lies far below
_one_at_a_time = threading.RLock()  # a batch already takes all cores; not in the model, which may be pickled
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass
class SentenceEmbedding:
    """A sentence embedding model; a text has the same vector in every batch and order: bit for bit, or nearly.

    Nearly: where the processor has AMX, the kernels depend on the rows of a batch (1e-6 in float32).

    address: "minilm", a folder, or a hub name. Prefixes None: those the model's files name. download: whether
    a hub name may be fetched. cache_folder: the hub's cache; None is its own default.
    The model is loaded at first use, once, and may be used from several threads.
    """

    address: str = MINILM
    query_prefix: str | None = None
    passage_prefix: str | None = None
    precision: Precision = "auto"
    download: bool = False
    cache_folder: str | None = None
    _transformer: Transformer | None = field(default=None, init=False, repr=False, compare=False)

    def load(self) -> SentenceEmbedding:
        """Itself, with the model in memory. Raises ModelError where it cannot be loaded."""
        _ready = self.loaded
        return self

    @property
    def loaded(self) -> Transformer:
        """The model in memory, loaded now if it was not."""
        with _one_at_a_time:
            if self._transformer is None:
                from local_models.embedding.transformer import load_transformer

                self._transformer = load_transformer(
                    self.address, self.precision, download=self.download, cache_folder=self.cache_folder
                )
            return self._transformer

    @property
    def model_id(self) -> str:
        """Name of the model by its weights (and prefixes set by hand), the same in every precision."""
        return self.loaded.name(self.query_prefix, self.passage_prefix)

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self.loaded.dimensions

    @property
    def max_tokens(self) -> int:
        """Most word pieces of one input, special tokens and prefix included."""
        return self.loaded.max_tokens

    @property
    def overhead_tokens(self) -> int:
        """Word pieces that special tokens and the passage prefix take of `max_tokens`."""
        return self.loaded.n_special + len(self.token_spans(self._prefix("passage")))

    def encode(
        self, texts: Sequence[str], *, kind: Kind = "passage", on_progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Unit rows (n, d) in the order of the texts.

        on_progress: called with (texts done, texts in all) after each batch.
        Warns when texts are longer than `max_tokens` and are cut there. Raises ModelError if
        the model gives anything but finite numbers.
        """
        transformer, prefix = self.loaded, self._prefix(kind)
        ids = transformer.piece_ids([prefix + _clean(text) for text in texts])
        _warn_of_cuts(sum(len(i) > transformer.max_tokens for i in ids), transformer.max_tokens)
        rows = np.empty((len(texts), transformer.dimensions), np.float32)
        done = 0
        for batch in _batches([min(len(i), transformer.max_tokens) for i in ids], transformer.device_type):
            width = _width(min(len(ids[batch[0]]), transformer.max_tokens), transformer.max_tokens)
            with _one_at_a_time:
                rows[batch] = transformer.vectors([ids[n] for n in batch], width)
            done += len(batch)
            if on_progress is not None:
                on_progress(done, len(texts))
        if not np.isfinite(rows).all():
            raise ModelError(
                _("the model {name} gave vectors that are not numbers").format(name=self.model_id),
                hint=_("try precision float32, or fetch its weights again"),
            )
        return rows

    def token_spans(self, text: str) -> list[Span]:
        """Character spans of the word pieces of a text, special tokens left out."""
        return self.token_spans_many([text])[0]

    def token_spans_many(self, texts: Sequence[str]) -> list[list[Span]]:
        """`token_spans` of many texts, on all cores."""
        return self.loaded.spans([_clean(text, None) for text in texts])

    def _prefix(self, kind: Kind) -> str:
        if kind not in ("passage", "query"):
            raise ValueError(f"kind {kind!r} is neither 'passage' nor 'query'")
        own = self.query_prefix if kind == "query" else self.passage_prefix
        recipe = self.loaded.recipe
        return own if own is not None else recipe.query_prefix if kind == "query" else recipe.passage_prefix


def open_embedding(
    address: str = MINILM,
    *,
    query_prefix: str | None = None,
    passage_prefix: str | None = None,
    precision: Precision = "auto",
    download: bool = False,
    cache_folder: str | None = None,
) -> SentenceEmbedding:
    """A sentence embedding model, checked and loaded. Raises ModelError where it cannot be."""
    return SentenceEmbedding(address, query_prefix, passage_prefix, precision, download, cache_folder).load()


def _clean(text: str, limit: int | None = _LONGEST) -> str:
    """The text as a tokenizer can take it: lone surrogates replaced, one character for one."""
    text = text[:limit]
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def _width(length: int, limit: int) -> int:
    """Padded length of a text of `length` word pieces: it depends on the text alone."""
    return min(limit, -(-length // _BUCKET) * _BUCKET)


def _batches(lengths: list[int], device: str) -> Iterator[list[int]]:
    """Numbers of the texts of each batch, longest first, one padded length a batch."""
    limit = max(lengths, default=0)
    widths = [_width(n, limit + _BUCKET) for n in lengths]
    order = sorted(range(len(lengths)), key=lambda n: -widths[n])
    batch: list[int] = []
    for n in order:
        if batch and (widths[n] != widths[batch[0]] or (len(batch) + 1) * widths[n] > _BATCH_TOKENS[device]):
            yield batch
            batch = []
        batch.append(n)
    if batch:
        yield batch


def _warn_of_cuts(n_cut: int, limit: int) -> None:
    if n_cut:
        warnings.warn(
            ngettext(
                "{n} text is longer than {limit} word pieces and was cut there",
                "{n} texts are longer than {limit} word pieces and were cut there",
                n_cut,
            ).format(n=n_cut, limit=limit),
            stacklevel=3,
        )
