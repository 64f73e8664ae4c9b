"""XML and SVG: the text of the elements, one line each."""

from __future__ import annotations

from qrag_lib.documents.bounded.archive import parse_xml
from qrag_lib.documents.limits import Limits
from qrag_lib.documents.text.draft import Draft, Extract
from qrag_lib.documents.text.tidy import squeeze

_UNSEEN = ("script", "style")


def read(data: bytes, limits: Limits) -> Extract:
    """The texts between the tags, in order; attributes, comments, scripts and styles are left out."""
    from lxml import etree

    draft = Draft()
    walk = etree.iterwalk(parse_xml(data), events=("start", "end", "comment", "pi"))
    for event, element in walk:
        if event != "start":
            draft.add(squeeze(element.tail or ""), gap="\n")
        elif etree.QName(element).localname.lower() in _UNSEEN:
            walk.skip_subtree()
        else:
            draft.add(squeeze(element.text or ""), gap="\n")
    return draft.finish("application/xml")
