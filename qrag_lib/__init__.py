"""Q-RAG: ask questions of your own documents; every quote can be checked.

The public names are imported when they are first used, so `import qrag_lib` costs nothing.

>>> import qrag_lib
>>> qrag_lib.Settings().top_k
5
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qrag_lib.settings import quiet

if TYPE_CHECKING:
    from local_models.engines.open_llm import open_llm
    from qrag_lib.errors import QragError
    from qrag_lib.magics import load_ipython_extension, unload_ipython_extension
    from qrag_lib.settings import Settings, load_settings
    from qrag_lib.types import (
        Answer,
        Chunk,
        Citation,
        Document,
        Filter,
        Hit,
        Hits,
        IndexConfig,
        IngestReport,
        Refusal,
        Section,
        Sentence,
        Verdict,
        Verdicts,
    )
    from qrag_lib.workspace import Workspace

__version__ = "0.1.0"
__all__ = [
    "Answer",
    "Chunk",
    "Citation",
    "Document",
    "Filter",
    "Hit",
    "Hits",
    "IndexConfig",
    "IngestReport",
    "QragError",
    "Refusal",
    "Section",
    "Sentence",
    "Settings",
    "Verdict",
    "Verdicts",
    "Workspace",
    "load_ipython_extension",
    "load_settings",
    "open_llm",
    "unload_ipython_extension",
]

_HOMES = {
    "QragError": "qrag_lib.errors",
    "Settings": "qrag_lib.settings",
    "Workspace": "qrag_lib.workspace",
    "load_ipython_extension": "qrag_lib.magics",
    "load_settings": "qrag_lib.settings",
    "open_llm": "local_models.engines.open_llm",
    "unload_ipython_extension": "qrag_lib.magics",
}

quiet()


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(f"module 'qrag_lib' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(import_module(_HOMES.get(name, "qrag_lib.types")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
