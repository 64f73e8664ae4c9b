"""How far a model in int8 is from the one it was made from, on random prompts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from local_models.interface.job_progress import Progress, quiet
from local_models.streaming.load_streamed import load_streamed


@dataclass(frozen=True, slots=True)
class Drift:
    """KL(p || q) in nats of the next token, p by the original and q in int8, over `n_tokens` places.

    same_first: share of places where both choose the same token.
    """

    n_tokens: int
    kl_mean: float
    kl_max: float
    same_first: float


def measure_drift(
    folder: Path, int8_folder: Path, *, n: int = 4, length: int = 32, seed: int = 0, on_progress: Progress = quiet
) -> Drift:
    """The drift over `n` prompts of `length` random tokens, all places in one pass a prompt and model.

    Both models are streamed, one after the other: memory for a prompt's scores, n x length x vocabulary in float32,
    is what it takes beside the ring.
    """
    dice = torch.Generator().manual_seed(seed)
    before = load_streamed(folder)
    prompts = torch.randint(0, before.config.vocab_size, (n, 1, length), generator=dice)
    p = _scores(before, prompts, on_progress, 0)
    q = _scores(load_streamed(int8_folder), prompts, on_progress, n)
    kl = (p.exp() * (p - q)).sum(-1).clamp(min=0)
    same = (p.argmax(-1) == q.argmax(-1)).float().mean()
    return Drift(kl.numel(), float(kl.mean()), float(kl.max()), float(same))


def _scores(model: Any, prompts: torch.Tensor, on_progress: Progress, done: int) -> torch.Tensor:
    """Logarithms of the next token's probabilities, (n, length, vocabulary)."""
    rows = []
    for i, prompt in enumerate(prompts):
        with torch.inference_mode():
            rows.append(model(input_ids=prompt, use_cache=False).logits[0].float().log_softmax(-1))
        on_progress("drift", done + i + 1, 2 * len(prompts))
    model.stream.close()
    return torch.stack(rows)
