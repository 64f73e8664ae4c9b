"""LlamaIndex's side of the search: hits as nodes, its postprocessors as rerankers, and a retriever."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle

from qrag_lib.catalog import Catalog
from qrag_lib.search.rerank import to_node
from qrag_lib.stores.dense import DenseIndex
from qrag_lib.types import Hits

if TYPE_CHECKING:
    from qrag_lib.search.retrieve import OpenEmbedding


class QragRetriever(BaseRetriever):
    """The search of a workspace as a LlamaIndex retriever, for query engines, chat engines and agents.

    Takes what `search` takes; filters may be LlamaIndex MetadataFilters.
    """

    def __init__(
        self, catalog: Catalog, dense: DenseIndex, embedding: OpenEmbedding, *, k: int = 5, **options: Any
    ) -> None:
        from qrag_lib.search.retrieve import search

        self._search: Callable[[str], Hits] = lambda question: search(
            catalog, dense, embedding, question, k=k, **options
        )
        super().__init__()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [to_node(hit) for hit in self._search(query_bundle.query_str)]
