"""Plain text: as it stands."""

from __future__ import annotations

from qrag_lib.rag.documents.clean import clean
from qrag_lib.rag.documents.draft import Extract
from qrag_lib.rag.documents.encoding import decode
from qrag_lib.rag.documents.limits import Limits


def read(data: bytes, limits: Limits) -> Extract:
    """The text of the file."""
    text, encoding = decode(data)
    return Extract(clean(text), media_type="text/plain", encoding=encoding)
