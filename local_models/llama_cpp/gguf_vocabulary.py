"""The tokens of a GGUF file that are more than text: what a document quotes of them must stay text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from local_models.interface.messages import ngettext
from local_models.llama_cpp.gguf_header import reading

_TOKENS, _KINDS = "tokenizer.ggml.tokens", "tokenizer.ggml.token_type"
_UNKNOWN, _CONTROL, _USER_DEFINED = 2, 3, 4  # kinds of tokens, as in llama.h; 1 is text
_LIKE_CONTROL = re.compile(r"<\|.*\|>|</?s>|<(start|end)_of_\w+>|_?<EOT>")
MOST_CONTROLS = 10_000
_ENDS = ("bos", "eos", "eot")


@dataclass(frozen=True, slots=True)
class GgufVocabulary:
    """The tokens of a GGUF file that are no text. bos, eos: their spelling, "" where there is none."""

    controls: tuple[str, ...]
    bos: str
    eos: str


def read_gguf_vocabulary(path: Path) -> GgufVocabulary:
    """The tokens that llama.cpp takes for more than text; raises as `read_gguf_header`."""
    with reading(path) as reader:
        header = reader.header()
        kinds = reader.kinds(reader.lists.get(_KINDS))
        named = {header.metadata.get(f"tokenizer.ggml.{name}_token_id"): name for name in _ENDS}
        spelt, controls = dict.fromkeys(_ENDS, ""), []
        for number, token in enumerate(reader.strings(reader.lists.get(_TOKENS))):
            kind = kinds[number] if number < len(kinds) else 1
            if number in named:
                spelt[named[number]] = token
            if number in named or _is_control(token, kind):
                controls.append(token)
            if len(controls) > MOST_CONTROLS:
                raise reader.refused(
                    ngettext(
                        "it has more than {n} control token", "it has more than {n} control tokens", MOST_CONTROLS
                    ).format(n=MOST_CONTROLS)
                )
    return GgufVocabulary(tuple(controls), spelt["bos"], spelt["eos"])


def _is_control(token: str, kind: int) -> bool:
    """Whether llama.cpp may take a token for more than text: by its kind, or by its spelling alone."""
    marked = kind in (_UNKNOWN, _USER_DEFINED) and bool(set(token) & set("<>[]|"))
    return kind == _CONTROL or marked or _LIKE_CONTROL.fullmatch(token) is not None
