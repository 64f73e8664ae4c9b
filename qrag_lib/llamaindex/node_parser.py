"""Chunking as a LlamaIndex node parser, and other node parsers in its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from llama_index.core.bridge.pydantic import Field
from llama_index.core.node_parser import NodeParser
from llama_index.core.node_parser.node_utils import build_nodes_from_splits
from llama_index.core.schema import BaseNode, MetadataMode, TextNode
from llama_index.core.schema import Document as LlamaDocument

from qrag_lib.chunking.chunker import chunk
from qrag_lib.types import Document, IndexConfig

Span = tuple[int, int]


class SentenceChunker(NodeParser):
    """Our chunks as LlamaIndex nodes, with their character offsets, for any LlamaIndex pipeline.

    embedding: the embedder whose word pieces count; sizes as in IndexConfig.
    """

    embedding: Any = Field(description="the embedder that the nodes must fit", exclude=True)
    chunk_size: int = Field(default=200, gt=0)
    chunk_overlap: int = Field(default=40, ge=0)
    chunk_unit: Literal["tokens", "characters"] = "tokens"

    @classmethod
    def class_name(cls) -> str:
        """Name in LlamaIndex's serialisation."""
        return "SentenceChunker"

    def _parse_nodes(self, nodes: Sequence[BaseNode], show_progress: bool = False, **kwargs: Any) -> list[BaseNode]:
        return [part for node in nodes for part in self._parts(node)]

    def _parts(self, node: BaseNode) -> Iterator[TextNode]:
        """Nodes of one document. Their offsets are set here, and again by LlamaIndex, which searches for the text."""
        document = Document(node.node_id, node.node_id, node.get_content(MetadataMode.NONE))
        config = IndexConfig("", "", self.chunk_size, self.chunk_overlap, self.chunk_unit)
        chunks = chunk(document, self.embedding, config)
        built = build_nodes_from_splits([c.text for c in chunks], node, id_func=self.id_func)
        for part, each in zip(built, chunks, strict=True):
            part.start_char_idx, part.end_char_idx = each.start, each.end
            yield part

    def _postprocess_parsed_nodes(
        self, nodes: list[BaseNode], parent_doc_map: dict[str, LlamaDocument]
    ) -> list[BaseNode]:
        """LlamaIndex's relations and metadata with our offsets: its search may find an equal text too early."""
        spans = [(node.start_char_idx, node.end_char_idx) for node in nodes if isinstance(node, TextNode)]
        done = super()._postprocess_parsed_nodes(nodes, parent_doc_map)
        for node, (start, end) in zip(done, spans, strict=True):
            if isinstance(node, TextNode):
                node.start_char_idx, node.end_char_idx = start, end
        return done
