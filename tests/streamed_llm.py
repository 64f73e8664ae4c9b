"""Streamed models and what they are compared with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

SMALL: dict[str, Any] = {"block_bytes": 8192, "ring_bytes": 3 * 8192, "poison": True}
PROMPT = torch.arange(2, 14)[None]


def in_memory(folder: Path) -> Any:
    """The same model, all of it in memory."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype="auto")


def written(model: Any, prompt: torch.Tensor = PROMPT, n: int = 12, **options: Any) -> list[int]:
    """The prompt and the likeliest tokens after it."""
    tokens: torch.Tensor = model.generate(prompt, max_new_tokens=n, do_sample=False, **options)
    return tokens[0].tolist()
