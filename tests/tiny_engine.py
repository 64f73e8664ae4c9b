"""Engines over tiny random models, and what they write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from local_models.engines.generation import Generation, Sampling

PROMPT = "o rato roeu a roupa do rei de roma; prazo de trinta dias; " * 5
GREEDY = Sampling(max_new_tokens=24)


def load_whole(folder: Path, dtype: str = "float32") -> Any:
    """The model in memory, as transformers loads it; float32 has no ties, so sums in another order choose the same."""
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))


def make_engine(folder: Path, model: Any, **options: Any) -> Any:
    """An engine over a loaded model, with the folder's tokenizer; chunks of 32 tokens."""
    from local_models.decoding.write import StreamedEngine
    from local_models.engines.tokenizer import load_tokenizer

    return StreamedEngine(model, load_tokenizer(folder), **{"chunk_tokens": 32, **options})


def pieces_of(engine: Any, prompt: str = PROMPT, sampling: Sampling = GREEDY) -> tuple[list[str], Generation]:
    """The pieces as they came, and the finished text."""
    pieces: list[str] = []
    writing = engine.generate(prompt, sampling)
    while True:
        try:
            pieces.append(next(writing))
        except StopIteration as done:
            return pieces, done.value


def written(engine: Any, prompt: str = PROMPT, sampling: Sampling = GREEDY) -> Generation:
    """The finished text."""
    return pieces_of(engine, prompt, sampling)[1]
