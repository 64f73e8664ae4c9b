"""The passes of a generation: the prompt in chunks, then each new token, or several where a draft holds."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

import torch

from local_models.decoding.draft_lookup import draft
from local_models.planning.footprint import STREAMED

if TYPE_CHECKING:
    from transformers import GenerationConfig, LogitsProcessorList, PreTrainedModel

    from local_models.kv_cache.kv import DiskCache


@dataclass
class Tally:
    """What a generation did. passes: times that the model was run through."""

    passes: int = 0
    draft_tokens: int = 0
    accepted: int = 0
    prefix_tokens_reused: int = 0
    seconds_prefill: float = 0.0


def decode(
    model: PreTrainedModel,
    input_ids: torch.Tensor,
    logits_processor: LogitsProcessorList,
    generation_config: GenerationConfig,
    chunk_tokens: int,
    drafts: int,
    dice: torch.Generator | None,
    tally: Tally,
    **model_kwargs: Any,
) -> Iterator[list[int]]:
    """The new tokens, pass by pass, without end; whoever asks stops at an end token or at the limit.

    A `custom_generate` of transformers' `generate`, for one prompt of (1, t) ids. The cache may hold a beginning
    of the prompt already. A pass gives one token and the drafted ones that the model would have written itself:
    the text is the one without drafts, bit for bit in float32 and but for ties in bf16, whose sums take another
    order. dice: None for the likeliest token.
    """
    cache: DiskCache = model_kwargs["past_key_values"]
    tokens: list[int] = input_ids[0].tolist()
    began = perf_counter()
    scores = prefill(model, input_ids, cache, chunk_tokens, tally)
    tally.seconds_prefill = perf_counter() - began
    drafted: list[int] = []
    limit = generation_config.max_length or cache.max_length
    while True:
        new = _accept(scores, tokens, drafted, logits_processor, dice)
        cache.crop(len(new) - 1 - len(drafted))
        tally.accepted += len(new) - 1
        tokens += new
        yield new
        drafted = draft(tokens, min(drafts, limit - len(tokens) - 1))
        tally.draft_tokens += len(drafted)
        scores = _scores(model, [tokens[-1], *drafted], cache, tally)


def prefill(
    model: PreTrainedModel, input_ids: torch.Tensor, cache: DiskCache, chunk_tokens: int, tally: Tally
) -> torch.Tensor:
    """Scores of the token after the prompt, (1, vocabulary); what the cache holds of the prompt is not read again.

    Chunks end at multiples of `chunk_tokens`, wherever they begin. Only the last one asks for the head of the
    model, which is 6 % of DeepSeek LLM 7B's bytes.
    """
    start, n = cache.get_seq_length(), input_ids.shape[1]
    alike = model.config.model_type in STREAMED  # other families may not bear more keys than tokens
    with cache.computing(n if alike else 0):
        while (stop := (start // chunk_tokens + 1) * chunk_tokens) < n:
            tally.passes += 1
            _read_on(model, input_ids[:, start:stop], cache)
            start = stop
        return _scores(model, input_ids[0, start:].tolist(), cache, tally, keep=1)


def _read_on(model: PreTrainedModel, ids: torch.Tensor, cache: DiskCache) -> None:
    """Run ids through the model without its head, as one pass of its stream where it has one."""
    stream: Any = getattr(model, "stream", None)
    known: dict[str, Any] = {"past_key_values": cache, "use_cache": True}
    if (seen := cache.get_mask_sizes(ids.shape[1], 0)[0]) > cache.get_seq_length() + ids.shape[1]:
        # all ones; without it transformers takes the first chunk for a prompt, and cuts off the keys under the mask
        known["attention_mask"] = ids.new_ones(1, seen)
    with torch.inference_mode():
        run = functools.partial(model.base_model, input_ids=ids, **known)
        _states = run() if stream is None else stream.in_a_pass(run)


def _scores(
    model: PreTrainedModel, tokens: Sequence[int], cache: DiskCache, tally: Tally, keep: int | None = None
) -> torch.Tensor:
    """Scores of what follows the last `keep` tokens (all by default), (keep, vocabulary) in float32."""
    ids = torch.tensor([tokens], device=model.device)
    tally.passes += 1
    with torch.inference_mode():
        output = model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=keep or len(tokens))
    scores: torch.Tensor = output.logits[0].float()
    return scores


def _accept(
    scores: torch.Tensor,
    tokens: list[int],
    drafted: list[int],
    processor: LogitsProcessorList,
    dice: torch.Generator | None,
) -> list[int]:
    """The tokens that the model chooses: one, and one more for each drafted token that it would have chosen."""
    new: list[int] = []
    for row, guess in zip(scores, [*drafted, -1], strict=True):
        said = torch.tensor([tokens + new] if processor else [[]], device=scores.device).long()
        new.append(choose(processor(cast("torch.LongTensor", said), cast("torch.FloatTensor", row[None])), dice))
        if new[-1] != guess:
            break
    return new


def choose(scores: torch.Tensor, dice: torch.Generator | None) -> int:
    """The likeliest token of (1, vocabulary) scores, or one drawn by their probabilities."""
    if dice is None:
        return int(scores.argmax())
    return int(torch.multinomial(scores.softmax(-1), 1, generator=dice))
