"""Where the nodes lie that a LlamaIndex node parser of the user's makes of a document."""

from __future__ import annotations

from collections.abc import Iterator

from llama_index.core.node_parser import NodeParser
from llama_index.core.schema import BaseNode, MetadataMode
from llama_index.core.schema import Document as LlamaDocument

from qrag_lib.errors import SettingsError
from qrag_lib.i18n import _
from qrag_lib.types import Document

Span = tuple[int, int]


def spans_of_nodes(document: Document, parser: NodeParser) -> Iterator[Span]:
    """Where the nodes that a parser makes of the document lie in its text; empty ones are left out.

    Raises SettingsError for a node whose text is not a stretch of the document's.
    """
    nodes = parser.get_nodes_from_documents([LlamaDocument(text=document.text, id_=document.id)])
    after = 0
    for node in nodes:
        text = node.get_content(MetadataMode.NONE).strip()
        if not text:
            continue
        start = _find(document.text, text, node, after)
        if start < 0:
            raise SettingsError(
                _("{parser} made a node that is not in the text of {name}: {text}").format(
                    parser=type(parser).__name__, name=document.name, text=repr(text[:60])
                ),
                hint=_("use a node parser that keeps the text as it is, so that every quote can be checked"),
            )
        after = start + 1
        yield start, start + len(text)


def _find(text: str, part: str, node: BaseNode, after: int) -> int:
    """Offset of the node's text: where the node says, else the next place, else the first; -1 if none."""
    claimed = getattr(node, "start_char_idx", None)
    if claimed is not None and text.startswith(part, claimed):
        return int(claimed)
    following = text.find(part, after)
    return following if following >= 0 else text.find(part)
