"""Plain text: as it stands."""

from __future__ import annotations

from qrag_lib.documents.limits import Limits
from qrag_lib.documents.text.draft import Extract
from qrag_lib.documents.text.encoding import decode
from qrag_lib.documents.text.tidy import clean


def read(data: bytes, limits: Limits) -> Extract:
    """The text of the file."""
    text, encoding = decode(data)
    return Extract(clean(text), media_type="text/plain", encoding=encoding)
