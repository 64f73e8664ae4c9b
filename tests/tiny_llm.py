"""Llama-type checkpoints with random weights and a tokenizer trained on the spot."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from local_models.checkpoint.tensor_location import Place

WORDS = (
    "o rato roeu a roupa do rei de roma; prazo de trinta dias; lei número 8.078; ação, coração, não é só isso\n"
    "the quick brown fox jumps over the lazy dog; a limit of thirty days; what does the answer say?\n"
)
CHAT = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ 'User: ' + message['content'] "
    "+ '\\n\\n' }}{% elif message['role'] == 'assistant' %}{{ 'Assistant: ' + message['content'] + eos_token }}"
    "{% else %}{{ message['content'] + '\\n\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
Kind = Literal["llama", "qwen2", "mistral"]
Format = Literal["safetensors", "bin"]


def make_tiny_llm(
    folder: Path,
    *,
    kind: Kind = "llama",
    format: Format = "safetensors",
    shards: int = 2,
    layers: int = 4,
    hidden: int = 64,
    kv_heads: int = 2,
    tied: bool = False,
    vocab: int = 512,
    heads: int = 4,
    seed: int = 0,
) -> Path:
    """A folder that AutoModelForCausalLM and AutoTokenizer load: random bf16 weights, in shards with an index.

    The weights are spread wider than a trainer would, so that the likeliest token has no tie.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    folder.mkdir(parents=True, exist_ok=True)
    _write_tokenizer(folder, vocab)
    config = AutoConfig.for_model(
        kind,
        vocab_size=vocab,
        hidden_size=hidden,
        intermediate_size=hidden * 11 // 4,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=hidden // heads,
        max_position_embeddings=2048,
        initializer_range=0.2,
        tie_word_embeddings=tied,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.2)  # a fresh bias is zero, which would hide a lost one
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    tensors = {name: t for name, t in model.state_dict().items() if not (tied and name == "lm_head.weight")}
    _write_shards(folder, tensors, format, shards)
    return folder


def copy_of(folder: Path, to: Path) -> Path:
    """A copy of a model's folder, to be damaged."""
    to.mkdir()
    for path in folder.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
    return to


def bytes_at(place: Place) -> bytes:
    """What the file holds where a tensor is said to lie."""
    with place.file.open("rb") as file:
        file.seek(place.offset)
        return file.read(place.n_bytes)


def assert_in_place(weights: Mapping[str, Place], tensors: Mapping[str, Any]) -> None:
    """Every tensor, and no other, lies where it is said to."""
    import torch

    assert weights.keys() == tensors.keys()
    for name, place in weights.items():
        tensor = tensors[name]
        assert bytes_at(place) == tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes(), name
        assert place.shape == tuple(tensor.shape)


def _write_tokenizer(folder: Path, vocab: int) -> None:
    """Byte-level BPE with <s> before every text, as Llama's and DeepSeek's."""
    from tokenizers import ByteLevelBPETokenizer
    from tokenizers.processors import ByteLevel, Sequence, TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    trained = ByteLevelBPETokenizer()
    numbers = " ".join(str(n) for n in range(vocab))  # enough different words for a vocabulary of that size
    trained.train_from_iterator(
        [WORDS, numbers], vocab_size=vocab, min_frequency=1, special_tokens=["<s>", "</s>"], show_progress=False
    )
    backend = trained._tokenizer
    backend.post_processor = Sequence(
        [ByteLevel(trim_offsets=False), TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="</s>",
        padding_side="left",
        model_max_length=2048,
    )
    tokenizer.chat_template = CHAT
    tokenizer.save_pretrained(folder)


def _write_shards(folder: Path, tensors: dict[str, Any], format: Format, n: int) -> None:
    stem, suffix = ("model", "safetensors") if format == "safetensors" else ("pytorch_model", "bin")
    names = list(tensors)
    parts = [names[i * len(names) // n : (i + 1) * len(names) // n] for i in range(n)]
    files = [f"{stem}.{suffix}"] if n == 1 else [f"{stem}-{i + 1:05}-of-{n:05}.{suffix}" for i in range(n)]
    for file, part in zip(files, parts, strict=True):
        _save(folder / file, {name: tensors[name].contiguous() for name in part})
    if n > 1:
        index = {
            "metadata": {"total_size": sum(t.nbytes for t in tensors.values())},
            "weight_map": dict(_placed(files, parts)),
        }
        (folder / f"{stem}.{suffix}.index.json").write_text(json.dumps(index, indent=2))


def _placed(files: list[str], parts: list[list[str]]) -> Iterator[tuple[str, str]]:
    for file, part in zip(files, parts, strict=True):
        yield from ((name, file) for name in part)


def _save(path: Path, tensors: dict[str, Any]) -> None:
    import torch
    from safetensors.torch import save_file

    if path.suffix == ".bin":
        torch.save(tensors, path)
    else:
        save_file(tensors, path, metadata={"format": "pt"})
