"""Several texts in the same passes over a model: its weights are read once for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch
from transformers import StoppingCriteria, StoppingCriteriaList

from local_models.decoding.stop_text import Writing
from local_models.engines.generation import Generation

if TYPE_CHECKING:
    from transformers import GenerationConfig

    from local_models.kv_cache.kv import DiskCache


class _TextsEnd(StoppingCriteria):
    """Ends each text where its writing does: at an end token, a stop string or the limit."""

    def __init__(self, writings: Sequence[Writing]) -> None:
        self.writings = writings

    def __call__(self, input_ids: torch.Tensor, scores: object, **_kwargs: Any) -> torch.Tensor:
        for writing, token in zip(self.writings, input_ids[:, -1].tolist(), strict=True):
            writing.push(token)
        return torch.tensor([writing.finish is not None for writing in self.writings], device=input_ids.device)


def write_together(
    model: Any,
    prompts: Sequence[list[int]],
    writings: Sequence[Writing],
    settings: GenerationConfig,
    seed: int | None,
    cache: DiskCache,
) -> list[Generation]:
    """The texts that follow the prompts, by transformers' own loop; shorter prompts are filled up on the left.

    seed: repeats a sampled batch; torch's own random state is left as it was.
    """
    began, width = perf_counter(), max(map(len, prompts))
    ids = torch.tensor([[settings.pad_token_id] * (width - len(p)) + p for p in prompts], device=model.device)
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=model.device)
    with torch.random.fork_rng(), torch.inference_mode():
        torch.seed() if seed is None else torch.manual_seed(seed)
        model.generate(
            ids,
            attention_mask=mask,
            generation_config=settings,
            past_key_values=cache,
            stopping_criteria=StoppingCriteriaList([_TextsEnd(writings)]),
        )
    return [writing.done(len(p), began, {"batch": len(prompts)}) for writing, p in zip(writings, prompts, strict=True)]
