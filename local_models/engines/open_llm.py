"""A model by its address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local_models.engines.generation import Engine, Sampling
from qrag_lib import suggest
from qrag_lib.errors import SettingsError
from qrag_lib.i18n import _

if TYPE_CHECKING:
    from local_models.engines.llm import QragLLM
    from qrag_lib.settings import Settings

KINDS = ("auto", "extractive", "offload", "gguf", "openai")


def open_llm(address: str | None = None, *, settings: Settings | None = None, **sampling: Any) -> QragLLM:
    """A LlamaIndex LLM over the model at an address.

    address: `extractive:` (sentences of the prompt), `offload:FOLDER` or `offload:NAME` of the hub (in memory,
    or streamed from disk), `gguf:FILE`, `openai:URL` or `openai:URL#MODEL`, `auto:` (the best that is here);
    None takes the setting `model`. The LLM's `address` names what `auto:` chose, its `reason` says why.
    sampling: max_new_tokens, temperature, top_p, seed, stop, as in `Sampling`.
    The model is loaded here, but for `openai:`, whose server may be down until it is asked.
    Raises SettingsError for an address of no known kind, NotFound, ModelRefused, ModelDamaged, ModelTooLarge
    with the numbers, ModelUnavailable where what runs it is missing.
    """
    from local_models.engines.llm import QragLLM, as_stops
    from qrag_lib.settings import load_settings

    chosen = settings or load_settings()
    if "stop" in sampling:
        sampling["stop"] = as_stops(sampling["stop"])
    wanted = Sampling(**sampling)
    address, reason = resolved(address or chosen.model, chosen)
    return QragLLM(open_engine(address, chosen), sampling=wanted, address=address, reason=reason)


def resolved(address: str, settings: Settings) -> tuple[str, str]:
    """The address itself, and for `auto:` the one that it stands for here and now, with the reason ("" for others)."""
    if address.partition(":")[0] != "auto":
        return address, ""
    from local_models.engines.model_choice import choose_address

    return choose_address(settings)


def check_address(address: str, settings: Settings) -> None:
    """Raise SettingsError for an address of no known kind, NotFound for one that names nothing on this disk.

    Whether the model can be loaded, or a server answers, is not looked at.
    """
    from local_models.engines.model_choice import find_model_files

    kind, place = _parts(address)
    if kind == "auto" and settings.model_path:
        find_model_files(str(settings.model_path), settings)
    elif kind in ("offload", "gguf"):
        find_model_files(place or str(settings.model_path or ""), settings)


def open_engine(address: str, settings: Settings) -> Engine:
    """What `open_llm` opens, without LlamaIndex around it."""
    kind, place = _parts(address)
    if kind == "auto":
        return open_engine(resolved(address, settings)[0], settings)
    if kind == "extractive":
        from local_models.engines.extractive import ExtractiveEngine

        return ExtractiveEngine()
    if kind == "openai":
        return _openai(place or settings.openai_url, settings)
    return _gguf(place, settings) if kind == "gguf" else _offload(place, settings)


def _parts(address: str) -> tuple[str, str]:
    """Kind and place of an address. Raises SettingsError where it is none."""
    kind, colon, place = address.partition(":")
    if colon and kind in KINDS:
        return kind, place
    known = [f"{kind}:" for kind in KINDS]
    hint = _("an address begins with one of {kinds}").format(kinds=", ".join(known))
    meant = suggest.meant(kind + colon, known) if colon else ""
    message = _("{address} is no address of a language model").format(address=address)
    raise SettingsError(message, hint=f"{meant} {hint}".strip())


def _openai(url: str, settings: Settings) -> Engine:
    from local_models.remote.openai_api import OpenAIEngine

    base, _hash, model = url.partition("#")
    engine = OpenAIEngine(base, model=model, key=settings.openai_api_key)
    engine.learn()
    return engine


def _gguf(place: str, settings: Settings) -> Engine:
    from local_models.engines.model_choice import find_model_files
    from local_models.llama_cpp.gguf import open_gguf

    return open_gguf(find_model_files(place or str(settings.model_path or ""), settings), settings)


def _offload(place: str, settings: Settings) -> Engine:
    from local_models.clients.open_worker import open_hosted
    from local_models.engines.model_choice import find_model_files

    return open_hosted(find_model_files(place or str(settings.model_path or ""), settings), settings)
