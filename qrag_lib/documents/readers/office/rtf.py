"""Rich Text Format, through striprtf."""

from __future__ import annotations

from qrag_lib.documents.limits import Limits
from qrag_lib.documents.text.draft import Extract
from qrag_lib.documents.text.tidy import clean
from qrag_lib.errors import DocumentRefused
from qrag_lib.i18n import _


def read(data: bytes, limits: Limits) -> Extract:
    """The text without control words; cells of a table stand apart by a bar."""
    from striprtf.striprtf import rtf_to_text

    try:
        text = rtf_to_text(data.decode("cp1252", "replace"), errors="replace")
    except (ValueError, LookupError, IndexError, KeyError) as error:
        raise DocumentRefused("broken", _("the file is damaged: {error}").format(error=error)) from error
    return Extract(clean(text), media_type="application/rtf")
