"""XML and SVG: the text of the elements, one line each."""

from __future__ import annotations

from qrag_lib.rag.documents.archive import parse_xml
from qrag_lib.rag.documents.clean import squeeze
from qrag_lib.rag.documents.draft import Draft, Extract
from qrag_lib.rag.documents.limits import Limits

_UNSEEN = {"script", "style"}


def read(data: bytes, limits: Limits) -> Extract:
    """The texts between the tags, in order; attributes and comments are left out."""
    draft = Draft()
    for element in parse_xml(data).iter():
        name = element.tag.rpartition("}")[2].lower() if isinstance(element.tag, str) else "comment"
        if name not in _UNSEEN | {"comment"}:
            draft.add(squeeze(element.text or ""), gap="\n")
        draft.add(squeeze(element.tail or ""), gap="\n")
    return draft.finish("application/xml")
