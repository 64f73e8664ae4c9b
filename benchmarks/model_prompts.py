"""Prompts of an exact length in tokens, from this project's own README."""

from __future__ import annotations

from pathlib import Path

from benchmarks.machine import ROOT

TRIES = 200


def prompt_of(folder: Path, n_tokens: int) -> str:
    """A text that the tokenizer in the folder makes exactly n_tokens of, with the token that begins a text.

    Raises ValueError where no text of that length is found.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    text = (ROOT / "README.md").read_text("utf-8") * 2
    ends = [end for _start, end in tokenizer.encode(text, add_special_tokens=False).offsets]
    for end in ends[n_tokens - 2 : n_tokens - 2 + TRIES]:  # a text that ends within a word may have other tokens
        if len(tokenizer.encode(text[:end]).ids) == n_tokens:
            return text[:end]
    raise ValueError(f"no beginning of the README has {n_tokens} tokens by {folder}")
