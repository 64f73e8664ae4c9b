"""Q-RAG: ask questions of your own documents; every quote can be checked.

::

    errors      all that is raised on purpose
    display     how a value shows itself
    rows        a table as a sequence of its rows
    types       the values that the library takes and gives
    settings    what can be set, and where each value comes from
    language    sentences, words and stems of Portuguese and English
    i18n        interface texts in the reader's language
    show        the form of each value on a terminal and in a notebook, made harmless
    progress    how far a long job is
    documents   files to documents, or refusals with their reason
    chunking    documents to chunks
    catalog     the one truth: documents, chunks and vectors in one SQLite file
    stores      where vectors are searched
    jobs        long work, seen from every process
    search      a question in, passages out
    ingest      documents in: found, compared, cut, embedded, committed
    answer      passages to an answer whose every quote can be checked
    evaluation  how good search and answers are
    upkeep      a workspace looked after
    events      what happened, noted on this machine
    llamaindex  our parts as LlamaIndex's
    workspace   one folder, opened; the verbs as its methods
    cli         the verbs at the prompt
    magics      the verbs in a notebook
    ui          the panels of the dashboard
    demo        `make run`

Models are run by `local_models`. Each package has such a map; ARCHITECTURE.md has the picture.
The public names are imported when they are first used, so `import qrag_lib` costs nothing.

>>> import qrag_lib
>>> qrag_lib.Settings().top_k
5
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qrag_lib.settings import quiet

if TYPE_CHECKING:
    from qrag_lib.errors import QragError
    from qrag_lib.llamaindex.open_llm import open_llm
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
    "open_llm": "qrag_lib.llamaindex.open_llm",
    "unload_ipython_extension": "qrag_lib.magics",
}

quiet()


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(f"module 'qrag_lib' has no attribute {name!r}; it has {', '.join(__all__)}")
    if name not in _HOMES:
        import_module("qrag_lib.show")  # how a value shows itself
    value = getattr(import_module(_HOMES.get(name, "qrag_lib.types")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
