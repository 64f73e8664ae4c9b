"""Documents in a catalogue that is searched by words alone: no model is loaded."""

from __future__ import annotations

import re
from pathlib import Path

from qrag_lib.catalog import Catalog
from qrag_lib.chunking.chunker import chunk
from qrag_lib.language import ANALYZER
from qrag_lib.search.lexical import chunk_terms
from qrag_lib.search.retrieve import search
from qrag_lib.stores.dense import DenseIndex
from qrag_lib.types import Document, Hits, IndexConfig


class WordCounter:
    """Counts words, as chunking asks of an embedder."""

    max_tokens = 200
    overhead_tokens = 0

    def token_spans_many(self, texts: list[str]) -> list[list[tuple[int, int]]]:
        """Character spans of the words of each text."""
        return [[match.span() for match in re.finditer(r"\w+|[^\w\s]", text)] for text in texts]


class WordCorpus:
    """Texts by their names, cut and indexed as a workspace would."""

    def __init__(self, folder: Path, texts: dict[str, str], chunk_size: int = 200, analyzer: str = ANALYZER) -> None:
        self.catalog = Catalog(folder / "catalog.db")
        self.dense = DenseIndex(self.catalog, folder / "chroma")
        config = IndexConfig("words", "words-1", chunk_size, chunk_size // 5, analyzer=analyzer)
        with self.catalog.write():
            self.index = self.catalog.indexes.create(config)
            for name, text in texts.items():
                document = Document(name, name, text)
                chunks = chunk(document, WordCounter(), config)
                terms = [" ".join(chunk_terms(each, config.analyzer)) for each in chunks]
                self.catalog.documents.put(document, language="pt")
                self.catalog.chunks.put(self.index.id, name, chunks, terms, "content")

    def search(self, question: str, k: int = 5) -> Hits:
        """What is found by words."""
        return search(self.catalog, self.dense, _no_model, question, k=k, mode="lexical")


def _no_model(_index: object) -> None:
    raise AssertionError("a search by words loads no model")
