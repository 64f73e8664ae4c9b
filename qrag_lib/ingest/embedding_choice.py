"""Which embedding model `auto` stands for: the languages of the texts decide."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from local_models.checkpoint.model_folder import MINILM
from local_models.clients.memory_pressure import is_short
from local_models.embedding.e5_file import E5
from qrag_lib.documents import FoundFile, Reader
from qrag_lib.errors import DocumentRefused
from qrag_lib.i18n import _
from qrag_lib.ingest.sources import Item, Source
from qrag_lib.language import detect
from qrag_lib.types import Document

AUTO: Final = "auto"
LOOKED_AT: Final = 12  # documents that are read to know the languages of a source
RECORDS: Final = 200  # documents of a stream that are looked at
LARGEST: Final = 2_000_000  # bytes of a file that is looked at, if there are smaller ones
FOREIGN: Final = 0.1  # share of texts that are not in English from which MiniLM is left


def choose(languages: Mapping[str, int]) -> tuple[str, str]:
    """The address of the model, and why, from how many texts are in which language.

    all-MiniLM-L6-v2 is ahead on purely English corpora, E5 everywhere else (experiments/retrieval_baseline).

    >>> choose({"en": 30, "pt": 1})[0], choose({"en": 5, "pt": 5})[0]
    ('minilm', 'e5-pt-en')
    """
    if is_short():
        return MINILM, _("embedding model: minilm, the smallest one, for memory is short here")
    foreign = sum(n for language, n in languages.items() if language != "en")
    total = sum(languages.values())
    if total and foreign < FOREIGN * total:
        return MINILM, _("embedding model: minilm, for the texts are in English")
    return E5, _("embedding model: e5-pt-en, for not all of the texts are in English")


def look_at(source: Source, reader: Reader) -> tuple[Source, dict[str, int]]:
    """The source as it was, and how many of some of its texts are in which language."""
    if source.n_items is not None and source.folder:
        items = list(source.items)
        texts: Iterable[str] = _texts_of_files(_spread([i for i in items if isinstance(i, FoundFile)]), reader)
        again: Iterator[Item] = iter(items)
    else:
        first = list(itertools.islice(source.items, RECORDS))
        texts = (item.text for item in first if isinstance(item, Document))
        again = itertools.chain(first, source.items)
    return replace(source, items=again), dict(Counter(detect(text) for text in texts))


def _spread(files: list[FoundFile]) -> list[FoundFile]:
    """LOOKED_AT files from all over the list, small ones if there are enough."""
    small = [file for file in files if _size(file.path) <= LARGEST]
    pool = small if len(small) >= LOOKED_AT else files
    step = max(1, len(pool) // LOOKED_AT)
    return pool[::step][:LOOKED_AT]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _texts_of_files(files: Iterable[FoundFile], reader: Reader) -> Iterator[str]:
    for file in files:
        try:
            yield reader.read(file.path, name=file.name, id="", source="").text
        except DocumentRefused:
            continue
