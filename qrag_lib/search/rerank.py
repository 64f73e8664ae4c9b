"""Hits as LlamaIndex has them, and its postprocessors as rerankers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from llama_index.core.schema import NodeRelationship, NodeWithScore, RelatedNodeInfo, TextNode

from qrag_lib.types import Chunk, Hit

if TYPE_CHECKING:
    from llama_index.core.postprocessor.types import BaseNodePostprocessor


def reranked(hits: Sequence[Hit], rerank: BaseNodePostprocessor, question: str) -> list[Hit]:
    """The hits that a LlamaIndex postprocessor keeps, in its order and with its scores."""
    by_id = {hit.chunk.id: hit for hit in hits}
    nodes = rerank.postprocess_nodes([to_node(hit) for hit in hits], query_str=question)
    known = [(by_id[node.node.node_id], node.score) for node in nodes if node.node.node_id in by_id]
    return [hit if score is None else replace(hit, score=float(score)) for hit, score in known]


def to_node(hit: Hit) -> NodeWithScore:
    """A hit as LlamaIndex has it: where the text stands goes into the metadata."""
    chunk = hit.chunk
    place = _place(chunk)
    node = TextNode(
        id_=chunk.id,
        text=chunk.text,
        start_char_idx=chunk.start,
        end_char_idx=chunk.end,
        metadata={**chunk.metadata, **place},
        excluded_embed_metadata_keys=[*place, *chunk.metadata],
        excluded_llm_metadata_keys=["document_id", "start", "end", "language"],
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=chunk.document_id)},
    )
    return NodeWithScore(node=node, score=hit.score)


def _place(chunk: Chunk) -> dict[str, Any]:
    return {
        "document_id": chunk.document_id,
        "document_name": chunk.document_name,
        "page": chunk.page,
        "headings": " > ".join(chunk.headings),
        "start": chunk.start,
        "end": chunk.end,
        "language": chunk.language,
    }
