"""A sentence embedding model of 32 dimensions with random weights and a tokenizer trained on the spot."""

from __future__ import annotations

import json
from pathlib import Path

WORDS = "o rato roeu a roupa do rei de roma the quick brown fox jumps over the lazy dog prazo trinta dias lei número"


def make_tiny_model(folder: Path, *, seed: int = 0) -> Path:
    """A folder that loads like any sentence-transformers model, in a moment."""
    import torch
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertModel

    tokenizer = BertWordPieceTokenizer(lowercase=True)
    alphabet = [chr(code) for code in [*range(33, 127), *range(0xC0, 0x100)]]
    tokenizer.train_from_iterator([WORDS], vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=256,
    )
    folder.mkdir(parents=True, exist_ok=True)
    BertModel(config).save_pretrained(folder, safe_serialization=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", "model_max_length": 256, "do_lower_case": True})
    )
    (folder / "vocab.txt").write_text("\n".join(sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().__getitem__)))
    return folder
