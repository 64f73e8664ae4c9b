"""An engine over a transformers model: text piece by piece, within bounded memory."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch

from local_models.decoding.batch import write_together
from local_models.decoding.decode import Tally, decode
from local_models.decoding.stop_text import TextCoder, Writing
from local_models.engines.exclusive_lock import Turn
from local_models.engines.generation import Generation, Message, Sampling
from local_models.errors import GenerationFailed, ModelTooLarge, ModelUnavailable
from local_models.interface.messages import _, ngettext
from local_models.kv_cache.kv import DiskCache, kv_shape
from local_models.kv_cache.prefix import PrefixStore

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedModel

CHUNK_TOKENS = 256  # 40 MB of activations of DeepSeek LLM 7B
DRAFT_TOKENS = 7  # eight rows cost a processor what one does


class StreamedEngine:
    """A transformers model for text, in memory or streamed, as an `Engine`.

    kv_folder, kv_memory_bytes: where keys and values go beyond so much memory; all in memory without a folder.
    prefixes, fingerprint: what was computed of earlier prompts, for the model of that fingerprint.
    draft_tokens: looked up in the text and checked in one pass; 0 for none. The text is the same, but where the two
    likeliest tokens tie within the rounding of bf16: several rows are summed in another order than one.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: TextCoder,
        *,
        name: str = "",
        chunk_tokens: int = CHUNK_TOKENS,
        draft_tokens: int = DRAFT_TOKENS,
        kv_folder: Path | None = None,
        kv_memory_bytes: int | None = None,
        prefixes: PrefixStore | None = None,
        fingerprint: str = "",
    ) -> None:
        self._model: PreTrainedModel | None = model.eval()  # type: ignore[no-untyped-call]
        self.tokenizer = tokenizer
        self.name = name or type(model).__name__
        self.context_length: int = model.config.get_text_config(decoder=True).max_position_embeddings
        self.chunk_tokens, self.draft_tokens = chunk_tokens, draft_tokens
        self.kv_folder, self.kv_memory_bytes = kv_folder, kv_memory_bytes
        self.prefixes, self.fingerprint = prefixes if fingerprint else None, fingerprint
        self._turn = Turn()

    def count_tokens(self, text: str) -> int:
        """Tokens of a text, special tokens left out."""
        return len(self.tokenizer.encode(text))

    def render(self, messages: Sequence[Message]) -> str:
        """The prompt of a conversation, in the model's own chat format."""
        return self.tokenizer.render(messages)

    def generate(self, prompt: str, sampling: Sampling) -> Generator[str, None, Generation]:
        """The continuation, piece by piece; returns the Generation.

        Raises ModelTooLarge where the prompt fills the context, DiskFull, GenerationFailed, ModelUnavailable
        once closed. details: passes, draft_tokens, accepted, prefix_tokens_reused, seconds_prefill, bytes_read,
        kv_bytes_read.
        """
        with self._one_at_a_time() as model, _named_failures(self.name):
            return (yield from self._write(model, self._encode(prompt), sampling))

    def generate_batch(self, prompts: Sequence[str], sampling: Sampling) -> list[Generation]:
        """The continuations of several prompts, written together: each pass gives every one of them a token.

        Without drafts and kept prefixes. Keys and values take as much as the longest prompt, for each.
        """
        with self._one_at_a_time() as model, _named_failures(self.name):
            ids = [self._encode(prompt) for prompt in prompts]
            if not ids:
                return []
            n_new = min(sampling.max_new_tokens, self.context_length - max(map(len, ids)))
            writings = [Writing(self.tokenizer, n_new, sampling.stop) for _prompt in ids]
            read = bytes_read(model)
            cache = self._cache(model, max(map(len, ids)) + n_new, batch=len(ids))
            with cache, cache.reading_ahead(model), _no_other_settings(model):
                made = write_together(model, ids, writings, self._settings(sampling, n_new), sampling.seed, cache)
                shared = {"bytes_read": bytes_read(model) - read, "kv_bytes_read": cache.bytes_read}
        return [replace(text, details=text.details | shared) for text in made]

    def close(self) -> None:
        """Free the memory of the model; waits for a text that is being written."""
        with self._one_at_a_time(closing=True) as model:
            stream = getattr(model, "stream", None)
            if stream is not None:
                stream.close()
            self._model = None

    def _encode(self, prompt: str) -> list[int]:
        ids = self.tokenizer.encode(prompt, special=True)
        if len(ids) >= self.context_length:
            raise ModelTooLarge(
                ngettext(
                    "the prompt has {n} token; {name} reads {limit} with its answer",
                    "the prompt has {n} tokens; {name} reads {limit} with its answer",
                    len(ids),
                ).format(n=len(ids), name=self.name, limit=self.context_length),
                hint=_("shorten the prompt or ask with fewer passages"),
            )
        return ids or [*self.tokenizer.eos_ids, 0][:1]  # a text must follow something

    def _write(self, model: PreTrainedModel, ids: list[int], sampling: Sampling) -> Generator[str, None, Generation]:
        began, read, tally = perf_counter(), bytes_read(model), Tally()
        n_new = min(sampling.max_new_tokens, self.context_length - len(ids))
        writing = Writing(self.tokenizer, n_new, sampling.stop)
        with self._cache(model, len(ids) + n_new) as cache, cache.reading_ahead(model):
            if self.prefixes:
                tally.prefix_tokens_reused = self.prefixes.restore(self.fingerprint, cache, ids)
            with closing(self._passes(model, ids, sampling, n_new, cache, tally)) as passes:
                yield from _told(itertools.islice(passes, 1), writing)
                if self.prefixes:  # once the first token is told: the others may never be asked for
                    self.prefixes.save(self.fingerprint, cache, ids)
                yield from _told(passes, writing)
            details = {**vars(tally), "bytes_read": bytes_read(model) - read, "kv_bytes_read": cache.bytes_read}
        return writing.done(len(ids), began, details)

    def _passes(
        self, model: Any, ids: list[int], sampling: Sampling, n_new: int, cache: DiskCache, tally: Tally
    ) -> Generator[list[int], None, None]:
        with _no_other_settings(model):
            passes: Generator[list[int], None, None] = model.generate(
                torch.tensor([ids], device=model.device),
                generation_config=self._settings(sampling, n_new),
                past_key_values=cache,
                custom_generate=decode,
                chunk_tokens=self.chunk_tokens,
                drafts=self.draft_tokens,
                dice=_dice(sampling, model.device),
                tally=tally,
            )
        return passes

    def _settings(self, sampling: Sampling, n_new: int) -> GenerationConfig:
        """The sampling in transformers' words."""
        from transformers import GenerationConfig

        ends = list(self.tokenizer.eos_ids)
        drawn = {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
        return GenerationConfig(  # type: ignore[no-untyped-call]
            max_new_tokens=n_new,
            do_sample=sampling.temperature > 0,
            prefill_chunk_size=self.chunk_tokens,
            eos_token_id=ends or None,
            pad_token_id=ends[0] if ends else 0,
            **(drawn if sampling.temperature > 0 else {}),
        )

    def _cache(self, model: PreTrainedModel, n: int, batch: int = 1) -> DiskCache:
        shape = kv_shape(model.config, model.dtype, batch)
        device = model.device
        folder = self.kv_folder if device.type == "cpu" else None
        return DiskCache(shape, n, folder=folder, memory_bytes=self.kv_memory_bytes, device=device)

    @contextmanager
    def _one_at_a_time(self, *, closing: bool = False) -> Iterator[Any]:
        """The model, for one text at a time. Raises GenerationFailed where this thread writes one already."""
        with self._turn.taken(self.name):
            if self._model is None and not closing:
                raise ModelUnavailable(_("{name} was closed").format(name=self.name), hint=_("open the model again"))
            yield self._model


def bytes_read(model: Any) -> int:
    """Bytes of weights read from disk since the model was loaded; 0 for one in memory."""
    stream = getattr(model, "stream", None)
    return int(stream.stats().bytes_read) if stream is not None else 0


@contextmanager
def _no_other_settings(model: Any) -> Iterator[None]:
    """Nothing of the model's own generation_config in force: transformers takes from it what it was not told."""
    from transformers import GenerationConfig

    own, model.generation_config = model.generation_config, GenerationConfig()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        model.generation_config = own


def _told(passes: Iterator[list[int]], writing: Writing) -> Iterator[str]:
    """The pieces of a text, until it ends."""
    while not writing.finish and (tokens := next(passes, None)):
        for token in tokens:
            if piece := writing.push(token):
                yield piece


def _dice(sampling: Sampling, device: torch.device) -> torch.Generator | None:
    """What draws the tokens: None for the likeliest, by the seed, or by chance."""
    if sampling.temperature == 0:
        return None
    dice = torch.Generator(device)
    if sampling.seed is None:
        dice.seed()
    else:
        dice.manual_seed(sampling.seed)
    return dice


@contextmanager
def _named_failures(name: str) -> Iterator[None]:
    """Errors of torch and of the system as GenerationFailed; ours pass."""
    try:
        yield
    except (RuntimeError, OSError, MemoryError) as error:
        raise GenerationFailed(
            _("{name} could not go on: {error}").format(name=name, error=str(error) or type(error).__name__),
            hint=_("ask again; if it fails again, check the model's files with qrag model verify"),
        ) from error
