"""A model by its address."""

from __future__ import annotations

from collections.abc import Callable

from local_models.configuration import Configuration
from local_models.engines.generation import Engine
from local_models.errors import SettingsError
from local_models.interface import suggest
from local_models.interface.messages import _

Open = Callable[[str, Configuration], Engine]
AUTO = "auto"


def open_engine(address: str | None = None, config: Configuration | None = None) -> Engine:
    """The model at an address, loaded, but for `openai:`, whose server may be down until it is asked.

    address: `offload:FOLDER` or `offload:NAME` of the hub (in memory, or streamed from disk), `gguf:FILE`,
    `openai:URL` or `openai:URL#MODEL`, another scheme of `ENGINES`, `auto:` (the best that is here); None takes
    what the configuration says. Raises SettingsError for an address of no known scheme, NotFound, ModelRefused,
    ModelDamaged, ModelTooLarge with the numbers, ModelUnavailable where what runs it is missing.
    """
    config = config or Configuration()
    scheme, place = _parts(resolved(address or config.model, config)[0])
    return ENGINES[scheme](place, config)


def resolved(address: str, config: Configuration) -> tuple[str, str]:
    """The address itself, and for `auto:` the one that it stands for here and now, with the reason ("" for others)."""
    if address.partition(":")[0] != AUTO:
        return address, ""
    from local_models.engines.model_choice import choose_address

    return choose_address(config)


def check_address(address: str, config: Configuration) -> None:
    """Raise SettingsError for an address of no known scheme, NotFound for one that names nothing on this disk.

    Whether the model can be loaded, or a server answers, is not looked at.
    """
    from local_models.engines.model_choice import find_model_files

    scheme, place = _parts(address)
    if scheme == AUTO and config.model_path:
        find_model_files(str(config.model_path), config)
    elif scheme in ("offload", "gguf"):
        find_model_files(place or str(config.model_path or ""), config)


def _parts(address: str) -> tuple[str, str]:
    """Scheme and place of an address. Raises SettingsError where it is none."""
    scheme, colon, place = address.partition(":")
    if colon and (scheme == AUTO or scheme in ENGINES):
        return scheme, place
    known = [f"{each}:" for each in (AUTO, *ENGINES)]
    hint = _("an address begins with one of {kinds}").format(kinds=", ".join(known))
    meant = suggest.meant(scheme + colon, known) if colon else ""
    message = _("{address} is no address of a language model").format(address=address)
    raise SettingsError(message, hint=f"{meant} {hint}".strip())


def _openai(url: str, config: Configuration) -> Engine:
    from local_models.remote.openai_api import OpenAIEngine

    base, _hash, model = (url or config.openai_url).partition("#")
    engine = OpenAIEngine(base, model=model, key=config.openai_api_key)
    engine.learn()
    return engine


def _gguf(place: str, config: Configuration) -> Engine:
    from local_models.engines.model_choice import find_model_files
    from local_models.llama_cpp.open_gguf import open_gguf

    return open_gguf(find_model_files(place or str(config.model_path or ""), config), config)


def _offload(place: str, config: Configuration) -> Engine:
    from local_models.clients.open_worker import open_hosted
    from local_models.engines.model_choice import find_model_files

    return open_hosted(find_model_files(place or str(config.model_path or ""), config), config)


ENGINES: dict[str, Open] = {"offload": _offload, "gguf": _gguf, "openai": _openai}  # by scheme; others may add theirs
