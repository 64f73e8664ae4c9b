"""The language models that a workspace uses, looked through for what is broken and what is of no use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from qrag_lib import show
from qrag_lib.errors import ModelError, NotFound
from qrag_lib.i18n import _, ngettext
from qrag_lib.settings import Settings
from qrag_lib.upkeep.doctor import Finding


def model_findings(settings: Settings) -> Iterator[Finding]:
    """What is wrong with models and caches: sizes and headers are read, of the weights not a byte."""
    from local_models.engines.model_choice import installed

    for path in installed(settings.engine):
        yield from _gguf(path) if path.is_file() else _folder(path)
    yield from _useless(settings)


def _gguf(path: Path) -> Iterator[Finding]:
    from local_models.llama_cpp.gguf_header import read_gguf_header

    try:
        read_gguf_header(path)
    except ModelError as error:
        yield Finding("models", error.message, _("fetch the file again"))


def _folder(path: Path) -> Iterator[Finding]:
    from local_models.checkpoint.model_safety import read_config
    from local_models.engines.model_choice import name_of
    from local_models.hub.verify import verify

    try:
        read_config(path)
        broken = [file.name for file in verify(path, deep=False).broken]
    except (ModelError, NotFound) as error:
        yield Finding("models", error.message, error.hint or "")
        return
    if broken:
        message = ngettext(
            "{n} file of {model} is missing or broken: {names}",
            "{n} files of {model} are missing or broken: {names}",
            len(broken),
        ).format(n=len(broken), model=name_of(path), names=", ".join(broken[:3]))
        yield Finding("models", message, _("qrag model repair {model}").format(model=name_of(path)))


def _useless(settings: Settings) -> Iterator[Finding]:
    from local_models.hub.model_store import cleaning

    found = cleaning(settings.engine)
    if found.items:
        message = _("{size} of models and of what they computed are of no use").format(size=show.size(found.n_bytes))
        hint = _("qrag doctor --repair removes them; qrag model clean lists them")
        yield Finding("models", message, hint, mend=found.apply)
