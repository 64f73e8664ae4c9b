"""Prompts of an exact length in tokens: words of two texts that stay, drawn in one and the same order."""

from __future__ import annotations

import random
from pathlib import Path

from benchmarks.machine import ROOT

SOURCES = ("samples/documents/course/course-faq.md", "LICENSE")
WORDS, TRIES = 4_000, 200


def prompt_of(folder: Path, n_tokens: int) -> str:
    """A text that the tokenizer in the folder makes exactly n_tokens of, with the token that begins a text.

    Raises ValueError where no text of that length is found.
    """
    from tokenizers import Tokenizer

    tokenizer, text = Tokenizer.from_file(str(folder / "tokenizer.json")), _drawn()
    ends = [end for _start, end in tokenizer.encode(text, add_special_tokens=False).offsets]
    for end in ends[n_tokens - 2 : n_tokens - 2 + TRIES]:  # a text that ends within a word may have other tokens
        if len(tokenizer.encode(text[:end]).ids) == n_tokens:
            return text[:end]
    raise ValueError(f"no beginning of the drawn words has {n_tokens} tokens by {folder}")


def _drawn() -> str:
    texts = [(ROOT / name).read_text("utf-8") for name in SOURCES]
    return " ".join(random.Random(0).choices(" ".join(texts).split(), k=WORDS))
