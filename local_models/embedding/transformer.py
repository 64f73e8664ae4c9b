"""A checked transformer encoder in memory. The one module that runs torch for embeddings."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np

from local_models.checkpoint.model_folder import MINILM, check_weights, find_model
from local_models.embedding.bert_folder import read_bert, read_tokenizer
from local_models.embedding.e5_file import E5, check_e5, find_e5, read_e5
from local_models.embedding.pooling import Recipe, pool, read_recipe
from local_models.errors import ModelError
from local_models.interface.messages import _, ngettext
from local_models.planning.precision import calm_threads, choose_device, choose_dtype

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DEFAULT_MAX_TOKENS = 512  # where neither the model's files nor its positions say
_POSITIONS_AFTER_PADDING = frozenset({"roberta", "xlm-roberta", "camembert", "mpnet", "xmod", "longformer"})
_loading = threading.Lock()


@dataclass(frozen=True)
class Transformer:
    """The network, its tokenizer (Rust, without truncation or padding: safe between threads) and its recipe."""

    network: Any
    tokenizer: Any
    recipe: Recipe
    label: str
    digest: str
    dimensions: int
    max_tokens: int
    n_special: int
    pad_id: int

    @property
    def device_type(self) -> str:
        """ "cpu" or "cuda"."""
        return str(self.network.device.type)

    def name(self, query_prefix: str | None, passage_prefix: str | None) -> str:
        """Label and the first 12 digits of the weights' hash, and a mark where prefixes were set by hand."""
        base = f"{self.label}-{self.digest[:12]}"
        if query_prefix is None and passage_prefix is None:
            return base
        mark = hashlib.sha256(repr((query_prefix, passage_prefix)).encode("utf-8", "surrogatepass"))
        return f"{base}-{mark.hexdigest()[:6]}"

    def piece_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Word piece ids of each text with the special tokens, not cut."""
        return [encoding.ids for encoding in self.tokenizer.encode_batch_fast(list(texts))]

    def spans(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Character spans of the word pieces, special tokens left out."""
        encodings = self.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [encoding.offsets for encoding in encodings]

    def vectors(self, ids: Sequence[list[int]], width: int) -> NDArray[np.float32]:
        """Unit rows (n, d) of texts of at most `width` word pieces; longer ones keep their last special token."""
        import torch

        batch = np.full((len(ids), width), self.pad_id, np.int64)
        mask = np.zeros((len(ids), width), np.int64)
        for row, pieces in enumerate(ids):
            kept = pieces if len(pieces) <= width else [*pieces[: width - 1], pieces[-1]]
            batch[row, : len(kept)] = kept
            mask[row, : len(kept)] = 1
        with torch.inference_mode():
            on_device = torch.from_numpy(mask).to(self.network.device)
            states = self.network(
                input_ids=torch.from_numpy(batch).to(self.network.device), attention_mask=on_device
            ).last_hidden_state  # (n, t, d)
            rows: NDArray[np.float32] = pool(states, on_device, self.recipe.pooling).cpu().numpy()
        return rows


_e5_loaded: WeakValueDictionary[str, Transformer] = WeakValueDictionary()  # by precision, as long as somebody has it


def load_transformer(
    address: str, precision: str = "auto", *, download: bool = False, cache_folder: str | None = None
) -> Transformer:
    """The model at the address, checked, in memory. Raises ModelError where it cannot be used."""
    if address == E5:
        return load_e5(precision)
    folder = find_model(address, download=download, cache_folder=cache_folder)
    recipe = read_recipe(folder)
    digest = check_weights(address, recipe.transformer)
    calm_threads()
    device = choose_device()
    dtype = choose_dtype(precision, device)
    network, dimensions, n_positions = _encoder(recipe.transformer, dtype, device)
    tokenizer, pad_id = read_tokenizer(recipe.transformer) or _load_tokenizer(recipe.transformer)
    return Transformer(
        network,
        tokenizer,
        recipe,
        label=MINILM if address == MINILM else Path(address).name,
        digest=digest,
        dimensions=dimensions,
        max_tokens=min(recipe.max_tokens or _DEFAULT_MAX_TOKENS, n_positions),
        n_special=tokenizer.num_special_tokens_to_add(False),
        pad_id=pad_id,
    )


def load_e5(precision: str = "auto") -> Transformer:
    """The packaged E5, which is not read again while somebody has it in memory. Raises ModelError."""
    with _loading:
        if (loaded := _e5_loaded.get(precision)) is None:
            loaded = _e5_loaded[precision] = _read_e5(precision)
    return loaded


def _read_e5(precision: str) -> Transformer:
    from local_models.embedding import e5

    path = find_e5()
    digest = check_e5(path)
    calm_threads()
    device = choose_device()
    file = read_e5(path)
    tokenizer = e5.build_tokenizer(file)
    return Transformer(
        e5.read_network(file, choose_dtype(precision, device), device),
        tokenizer,
        Recipe(path.parent, "mean", e5.MAX_TOKENS, e5.QUERY, e5.PASSAGE),
        label=E5,
        digest=digest,
        dimensions=file.shape.hidden,
        max_tokens=e5.MAX_TOKENS,
        n_special=tokenizer.num_special_tokens_to_add(False),
        pad_id=file.pad,
    )


def _encoder(folder: Path, dtype: Any, device: Any) -> tuple[Any, int, int]:
    """The network, the length of its states, and the inputs that it has positions for."""
    if bert := read_bert(folder, dtype, device):
        return bert, bert.shape.hidden, bert.shape.positions
    network = _load_network(folder, dtype).to(device)
    return network, int(network.config.hidden_size), _positions(network.config)


def _load_network(folder: Path, dtype: Any) -> Any:
    """The encoder, every tensor of which came from the file: transformers fills missing ones with random numbers."""
    from transformers import AutoModel

    try:
        with _quiet():
            network, report = AutoModel.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=dtype, output_loading_info=True
            )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        message = _("the model {folder} cannot be loaded: {error}")
        raise ModelError(message.format(folder=folder, error=error)) from error
    lost = sorted(name for name in report["missing_keys"] if not name.startswith("pooler."))
    lost += sorted(str(name) for name in report["mismatched_keys"])
    if lost:
        raise ModelError(
            ngettext(
                "{n} tensor of {folder} is missing or of another shape: {names}",
                "{n} tensors of {folder} are missing or of another shape: {names}",
                len(lost),
            ).format(n=len(lost), folder=folder, names=", ".join(lost[:3])),
            hint=_("fetch the weights again; with random numbers in their place every vector would be wrong"),
        )
    return network.eval()


def _load_tokenizer(folder: Path) -> tuple[Any, int]:
    """The tokenizer behind transformers' own, without truncation or padding, and the id of its padding."""
    from transformers import AutoTokenizer

    try:
        with _quiet():
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        message = _("the tokenizer of {folder} cannot be loaded: {error}")
        raise ModelError(message.format(folder=folder, error=error)) from error
    if not tokenizer.is_fast:
        message = _("{folder} has no tokenizer.json, which gives the place of each word piece")
        raise ModelError(message.format(folder=folder))
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    return backend, int(tokenizer.pad_token_id or 0)


def _positions(config: Any) -> int:
    """Inputs that the network has positions for."""
    n = int(getattr(config, "max_position_embeddings", 0) or 1_000_000)
    return n - int(config.pad_token_id or 0) - 1 if config.model_type in _POSITIONS_AFTER_PADDING else n


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bar and no advice from transformers while a model loads."""
    from transformers.utils import logging as untyped

    logging: Any = untyped
    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()
