"""The language models that a workspace uses, looked through for what is broken and what is of no use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from qrag_lib import show
from qrag_lib.errors import ModelError, NotFound
from qrag_lib.i18n import _
from qrag_lib.rag.doctor import Finding
from qrag_lib.settings import Settings


def model_findings(settings: Settings) -> Iterator[Finding]:
    """What is wrong with models and caches: sizes and headers are read, of the weights not a byte."""
    from qrag_lib.models.choose import installed

    for path in installed(settings):
        yield from _gguf(path) if path.is_file() else _folder(path)
    yield from _waste(settings)
    yield from _computed(settings)


def _gguf(path: Path) -> Iterator[Finding]:
    from qrag_lib.models.gguf_header import read_gguf_header

    try:
        read_gguf_header(path)
    except ModelError as error:
        yield Finding("models", error.message, _("fetch the file again"))


def _folder(path: Path) -> Iterator[Finding]:
    from qrag_lib.models.choose import name_of
    from qrag_lib.models.hub.verify import verify
    from qrag_lib.models.intake import read_config

    try:
        read_config(path)
        broken = [file.name for file in verify(path, deep=False).broken]
    except (ModelError, NotFound) as error:
        yield Finding("models", error.message, error.hint or "")
        return
    if broken:
        message = _("{n} files of {model} are missing or broken: {names}").format(
            n=len(broken), model=name_of(path), names=", ".join(broken[:3])
        )
        yield Finding("models", message, _("qrag model repair {model}").format(model=name_of(path)))


def _waste(settings: Settings) -> Iterator[Finding]:
    from qrag_lib.models.hub.cache import find_waste

    found = find_waste(settings.hub_folder)
    if found.items:
        message = _("{size} in {folder} belong to no model").format(
            size=show.size(found.n_bytes), folder=settings.hub_folder
        )
        yield Finding("models", message, _("qrag doctor --repair removes them"), mend=found.apply)


def _computed(settings: Settings) -> Iterator[Finding]:
    """Prompts kept beyond their limit, and what a killed process left of them."""
    from filelock import Timeout

    from qrag_lib.models.offload.prefix import PrefixStore

    store = PrefixStore(settings.computed_folder / "prefixes", int(settings.prefix_cache_mib * 2**20))
    with suppress(OSError, Timeout):  # a folder that cannot be written, or where another process writes now
        if n_bytes := store.clean(dry_run=True):
            message = _("{size} of computed prompts are beyond the limit or were left by a killed process").format(
                size=show.size(n_bytes)
            )
            yield Finding("models", message, _("qrag doctor --repair removes them"), mend=store.clean)
