"""Our sentence embedding models as LlamaIndex's, for pipelines of one's own."""

from __future__ import annotations

import asyncio
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.bridge.pydantic import Field, PrivateAttr

from local_models.checkpoint.model_folder import MINILM
from local_models.embedding.sentence_embedding import SentenceEmbedding
from local_models.planning.precision import Precision


class TransformerEmbedding(BaseEmbedding):
    """A `SentenceEmbedding` as LlamaIndex takes it, with the same vectors."""

    address: str = Field(default=MINILM, description="minilm, a folder, or a name on the hub")
    query_prefix: str | None = Field(default=None, description="put before questions, as E5 wants it")
    passage_prefix: str | None = Field(default=None, description="put before passages")
    precision: Precision = Field(default="auto", description="auto, float32, bfloat16 or float16")
    download: bool = Field(default=False, description="whether a hub name may be fetched")
    cache_folder: str | None = Field(default=None, description="the hub's cache; None is its own default")
    _sentences: SentenceEmbedding = PrivateAttr()

    @classmethod
    def class_name(cls) -> str:
        """Name in LlamaIndex's serialisation."""
        return "TransformerEmbedding"

    def model_post_init(self, context: Any, /) -> None:
        """Nothing is loaded before the first text."""
        super().model_post_init(context)
        prefixes = (self.query_prefix, self.passage_prefix)
        self._sentences = SentenceEmbedding(self.address, *prefixes, self.precision, self.download, self.cache_folder)

    def _get_query_embedding(self, query: str) -> Embedding:
        vector: Embedding = self._sentences.encode([query], kind="query")[0].tolist()
        return vector

    def _get_text_embedding(self, text: str) -> Embedding:
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        vectors: list[Embedding] = self._sentences.encode(texts).tolist()
        return vectors

    async def _aget_query_embedding(self, query: str) -> Embedding:
        return await asyncio.to_thread(self._get_query_embedding, query)

    async def _aget_text_embedding(self, text: str) -> Embedding:
        return await asyncio.to_thread(self._get_text_embedding, text)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)
