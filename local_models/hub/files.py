"""Which files of a model are needed: little ones that say what it is, and its weights in one form only."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from local_models.checkpoint.model_safety import INDEXES, LARGEST_JSON, is_plain_name
from local_models.errors import ModelRefused, NotFound
from local_models.hub.cache_layout import Listing, RemoteFile
from local_models.interface.messages import _, ngettext

SMALL = (
    "config.json", "generation_config.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json",
    "special_tokens_map.json", "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt", "chat_template.jinja",
)  # fmt: skip
# names of weights, and their index
_SAFETENSORS = re.compile(r"model(-\d{5}-of-\d{5})?\.safetensors"), INDEXES[0]
_BIN = re.compile(r"pytorch_model(-\d{5}-of-\d{5})?\.bin"), INDEXES[1]


def needed(
    listing: Listing, *, pattern: str | None = None, use_safetensors: bool = True
) -> tuple[list[RemoteFile], list[RemoteFile]]:
    """(what is fetched first, the weights) of a model.

    pattern: which GGUF file to take, such as *Q4_K_M*; with one, nothing else is taken.
    use_safetensors: of a model that has both forms, take the safetensors; else the .bin.
    Raises NotFound where there is nothing to load or the choice is open, ModelRefused for names
    that could leave the folder.
    """
    top = [file for file in listing.files if "/" not in file.name]
    ggufs = [file for file in top if file.name.lower().endswith(".gguf")]
    forms = (_SAFETENSORS, _BIN) if use_safetensors else (_BIN, _SAFETENSORS)
    for name, index in () if pattern else forms:
        if weights := [file for file in top if name.fullmatch(file.name)]:
            small = [file for file in top if file.name in (*SMALL, index)]
            return _checked(listing, small), _checked(listing, weights)
    return [], _checked(listing, _gguf(listing, ggufs, pattern))


def indexed(listing: Listing, weights: Iterable[RemoteFile], names: Iterable[str]) -> list[RemoteFile]:
    """The weights that the index names, in its order. Raises ModelRefused where the hub does not have one of them."""
    there = {file.name: file for file in weights}
    missing = [name for name in names if name not in there]
    if missing:
        raise ModelRefused(
            _("the index of {model} names files that it does not have: {names}").format(
                model=listing.model, names=", ".join(missing[:3])
            )
        )
    return [there[name] for name in names]


def _gguf(listing: Listing, ggufs: list[RemoteFile], pattern: str | None) -> list[RemoteFile]:
    chosen = [file for file in ggufs if fnmatchcase(file.name, pattern or "*")]
    if len(chosen) == 1:
        return chosen
    names = ", ".join(sorted(file.name for file in ggufs)[:20])
    if not ggufs:
        raise NotFound(
            _("{model} has no weights that can be loaded").format(model=listing.model),
            hint=_("it needs safetensors, torch's pytorch_model.bin or GGUF files"),
        )
    raise NotFound(
        ngettext(
            "{model} has {n} GGUF file that fits; one is needed",
            "{model} has {n} GGUF files that fit; one is needed",
            len(chosen),
        ).format(model=listing.model, n=len(chosen)),
        hint=_("choose with --file, of: {names}").format(names=names),
    )


def _checked(listing: Listing, files: list[RemoteFile]) -> list[RemoteFile]:
    for file in files:
        if not is_plain_name(file.name):
            raise ModelRefused(_("{model} has a file named {name}").format(model=listing.model, name=file.name[:80]))
        if file.name in SMALL and file.n_bytes > LARGEST_JSON:
            message = ngettext(
                "{name} of {model} has {n} byte", "{name} of {model} has {n} bytes", file.n_bytes
            ).format(name=file.name, model=listing.model, n=file.n_bytes)
            raise ModelRefused(message)
    return sorted(files, key=lambda file: file.name)
