"""A folder that holds plain BERT, read without transformers; anything else is left to the general loader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from local_models.checkpoint.model_folder import read_json, weights_of
from local_models.embedding.bert_shape import Shape, plain_shape, tensor_shapes

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

    from local_models.embedding.bert import Bert

_PREFIX: Final = "bert."  # of the tensors' names where a checkpoint was trained with a head
_MARKS: Final = {name: f"[{name.upper()}]" for name in ("unk", "sep", "pad", "cls", "mask")}


def read_bert(folder: Path, dtype: torch.dtype, device: torch.device) -> Bert | None:
    """The encoder in a folder that passed `check_weights`; None where it is not BERT's, or not all of it is there."""
    shape = plain_shape(read_json(folder / "config.json"))
    if shape is None:
        return None
    from local_models.embedding.bert import Bert

    tensors = _tensors(folder, shape)
    wanted = tensor_shapes(shape)
    if any(name not in tensors or tuple(tensors[name].shape) != size for name, size in wanted.items()):
        return None
    return Bert(shape, {name: tensors[name].to(device, dtype) for name in wanted})


def read_tokenizer(folder: Path) -> tuple[Tokenizer, int] | None:
    """The word pieces of BERT from tokenizer.json, and the id of its padding.

    None where the folder's two files on them differ: transformers then makes a tokenizer of its own from both.
    """
    from tokenizers import Tokenizer, processors

    path, config_path = folder / "tokenizer.json", folder / "tokenizer_config.json"
    if not path.is_file() or not config_path.is_file():
        return None
    text, config = path.read_text("utf-8"), read_json(config_path)
    if not _agree(json.loads(text), config):
        return None
    tokenizer = Tokenizer.from_str(text)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    begin, end = _MARKS["cls"], _MARKS["sep"]
    marks = [(mark, tokenizer.token_to_id(mark)) for mark in (begin, end)]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}", pair=f"{begin} $A {end} $B:1 {end}:1", special_tokens=marks
    )
    return tokenizer, tokenizer.token_to_id(_MARKS["pad"]) or 0


def _tensors(folder: Path, shape: Shape) -> dict[str, Any]:
    from safetensors.torch import load_file

    found = {name: tensor for path in weights_of(folder) for name, tensor in load_file(path).items()}
    return {name.removeprefix(_PREFIX): tensor for name, tensor in found.items()}


def _agree(tokenizer: dict[str, Any], config: dict[str, Any]) -> bool:
    """Whether tokenizer.json is what transformers would build from the two files."""
    normalizer = {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": config.get("tokenize_chinese_chars", True),
        "strip_accents": config.get("strip_accents"),
        "lowercase": config.get("do_lower_case", True),
    }
    special = {token["content"] for token in tokenizer.get("added_tokens", ()) if token["special"]}
    return (
        config.get("tokenizer_class") in ("BertTokenizer", "BertTokenizerFast")
        and all(config.get(f"{name}_token", mark) == mark for name, mark in _MARKS.items())
        and special == set(_MARKS.values())
        and (tokenizer.get("model") or {}).get("type") == "WordPiece"
        and tokenizer.get("normalizer") == normalizer
        and tokenizer.get("pre_tokenizer") == {"type": "BertPreTokenizer"}
    )
