"""The folder of DeepSeek LLM's tokenizer, made from the vocabulary that llama.cpp publishes."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import IO, Any

NUMBERS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
# llama.cpp names these expressions deepseek-llm: line ends, cased letters, punctuation, trailing space,
# scripts without cases, numbers; each cuts what those before it have left
CUTS = (
    r"[\r\n]",
    r"\s?[\p{Lu}\p{Ll}\p{Lt}]+",
    r"\s?[!-/:-~！-／：-～‘-‟　-。]+",
    r"\s+$",
    r"[一-龥ࠀ-一가-퟿]+",
    r"\p{N}+",
)
FIRST_ADDED = 100_000


def make_deepseek_tokenizer(vocabulary: Path, folder: Path) -> Path:
    """A folder with tokenizer.json and the settings that DeepSeek LLM's repository has beside it.

    As there, no chat template, and the ids from 100002 on are added tokens that are not special.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

    held = read_metadata(vocabulary)
    tokens, merges = held["tokenizer.ggml.tokens"], held["tokenizer.ggml.merges"]
    pairs = [tuple(merge.split(" ", 1)) for merge in merges]
    backend = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens[:FIRST_ADDED])}, pairs))
    cuts: list[Any] = [pre_tokenizers.Split(Regex(cut), "isolated") for cut in CUTS]
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.pre_tokenizer = pre_tokenizers.Sequence([*cuts, byte_level])
    backend.decoder = decoders.ByteLevel()
    added = [token for token in tokens[FIRST_ADDED:] if not token.startswith("[PAD")]
    backend.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in added[:2]])
    backend.add_tokens([AddedToken(token, special=False) for token in added[2:]])
    folder.mkdir(parents=True)
    backend.save(str(folder / "tokenizer.json"))
    settings = {"add_bos_token": True, "bos_token": {"content": added[0]}, "eos_token": {"content": added[1]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), "utf-8")
    return folder


def read_metadata(path: Path) -> dict[str, Any]:
    """The key-value pairs of a GGUF file."""
    with path.open("rb") as file:
        assert file.read(4) == b"GGUF"
        _version, _tensors, pairs = struct.unpack("<IQQ", file.read(20))
        return {_string(file): _value(file, _number(file, "<I")) for _ in range(pairs)}


def _number(file: IO[bytes], form: str) -> Any:
    return struct.unpack(form, file.read(struct.calcsize(form)))[0]


def _string(file: IO[bytes]) -> str:
    return file.read(_number(file, "<Q")).decode()


def _value(file: IO[bytes], kind: int) -> Any:
    if kind == 8:
        return _string(file)
    if kind == 9:
        inner, n = _number(file, "<I"), _number(file, "<Q")
        return [_value(file, inner) for _ in range(n)]
    return _number(file, NUMBERS[kind])
