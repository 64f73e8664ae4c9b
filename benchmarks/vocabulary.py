"""A tokenizer of any size for a random model: trained on installed packages' descriptions, then filled up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.metadata import distributions
from itertools import islice, product
from pathlib import Path

BEGIN, END = "<|begin|>", "<|end|>"
MOST_CHARACTERS = 3_000_000  # of the descriptions; enough for some 30,000 words
CHAT = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ 'User: ' + message['content'] + '\\n\\n' }}"
    "{% elif message['role'] == 'assistant' %}{{ 'Assistant: ' + message['content'] + eos_token }}"
    "{% else %}{{ message['content'] + '\\n\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)


def base_size(vocab: int) -> int:
    """How many of the ids are text; after them come the begin, the end, and ids that mean nothing.

    >>> base_size(102_400)
    100000
    """
    return vocab - vocab * 3 // 128


def write_tokenizer(folder: Path, vocab: int) -> None:
    """A fast tokenizer of byte-level BPE with as many entries as the model has text ids."""
    from tokenizers import AddedToken, ByteLevelBPETokenizer, Tokenizer
    from tokenizers.processors import ByteLevel, Sequence, TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    size = base_size(vocab)
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(_descriptions(), vocab_size=size, min_frequency=2, show_progress=False)
    described = json.loads(trained.to_str())
    _fill(described["model"], size)
    backend = Tokenizer.from_str(json.dumps(described))
    backend.add_special_tokens([AddedToken(BEGIN, special=True), AddedToken(END, special=True)])
    template = TemplateProcessing(single=f"{BEGIN} $A", special_tokens=[(BEGIN, size)])
    backend.post_processor = Sequence([ByteLevel(trim_offsets=False), template])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=BEGIN,
        eos_token=END,
        pad_token=END,
        padding_side="left",
        model_max_length=4096,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHAT
    tokenizer.save_pretrained(folder)


def _descriptions() -> Iterator[str]:
    left = MOST_CHARACTERS
    for each in sorted(distributions(), key=lambda found: found.name or ""):
        text = (each.metadata.get_payload() or "")[:left]
        left -= len(text)
        yield text


def _fill(model: dict[str, object], size: int) -> None:
    """Merges of two known tokens, shortest first, until the vocabulary has its size."""
    vocab, merges = model["vocab"], model["merges"]
    assert isinstance(vocab, dict) and isinstance(merges, list)
    short = sorted((token for token in vocab if token.isalpha() and token.isascii()), key=lambda t: (len(t), t))
    pairs = ((a, b) for a, b in product(short, short) if a + b not in vocab)
    for a, b in islice(pairs, size - len(vocab)):
        vocab[a + b] = len(vocab)
        merges.append([a, b])
