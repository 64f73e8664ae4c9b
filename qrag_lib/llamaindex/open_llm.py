"""A model by its address, as a LlamaIndex LLM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local_models.engines.generation import Sampling
from qrag_lib.answer.written.engines import open_engine, resolved
from qrag_lib.settings import load_settings

if TYPE_CHECKING:
    from qrag_lib.llamaindex.llm import QragLLM
    from qrag_lib.settings import Settings


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
    from qrag_lib.llamaindex.llm import QragLLM, as_stops

    chosen = settings or load_settings()
    if "stop" in sampling:
        sampling["stop"] = as_stops(sampling["stop"])
    wanted = Sampling(**sampling)
    address, reason = resolved(address or chosen.model, chosen)
    return QragLLM(open_engine(address, chosen), sampling=wanted, address=address, reason=reason)
