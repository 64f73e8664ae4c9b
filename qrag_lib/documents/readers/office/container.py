"""Zip containers: an office file or an e-book by its content, or refused."""

from __future__ import annotations

from qrag_lib.documents.bounded.archive import Archive
from qrag_lib.documents.limits import Limits
from qrag_lib.documents.readers import reader_of
from qrag_lib.documents.text.draft import Extract
from qrag_lib.errors import DocumentRefused
from qrag_lib.i18n import _


def read(data: bytes, limits: Limits) -> Extract:
    """What the reader of the kind inside finds."""
    kind = Archive(data, limits).kind()
    if not kind:
        raise DocumentRefused(
            "unsupported",
            _("a zip archive, not an office file or e-book"),
            hint=_("unpack it and ingest the files"),
        )
    return reader_of(kind)(data, limits)
