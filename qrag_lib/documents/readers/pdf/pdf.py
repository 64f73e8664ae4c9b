"""PDF, through pypdf: a section a page, paragraphs whole; scans and passwords are told, not passed over."""

from __future__ import annotations

import io
import re
from typing import Any

from qrag_lib.documents.limits import Limits
from qrag_lib.documents.readers.pdf.bookmarks import Bookmarks, read_bookmarks
from qrag_lib.documents.readers.pdf.pages import Page, paragraphs
from qrag_lib.documents.text.draft import Draft, Extract
from qrag_lib.documents.text.tidy import squeeze, unseen
from qrag_lib.errors import DocumentRefused
from qrag_lib.i18n import _, ngettext

_SCAN = 20  # fewer characters than these in the whole file, beside a picture, are no text layer


def read(data: bytes, limits: Limits) -> Extract:
    """The text of the pages. Files locked with an empty password open.

    Raises DocumentRefused: encrypted, no_text, broken, too_large.
    """
    document = _open(data)
    sheets = _pages(document, limits)
    draft = Draft()
    _write_metadata(draft, document)
    pages = [_lines(sheet, draft) for sheet in sheets]
    if draft.metadata.get("pages_unreadable") == len(sheets):
        raise _broken(
            ValueError(
                ngettext("its {n} page cannot be read", "none of {n} pages can be read", len(sheets)).format(
                    n=len(sheets)
                )
            )
        )
    n_characters = sum(len(line.replace(" ", "")) for page in pages for line in page)
    if not n_characters or (n_characters < _SCAN and any(_has_picture(sheet) for sheet in sheets)):
        raise DocumentRefused(
            "no_text",
            ngettext(
                "no text in {n} page: a scan or a drawing", "no text in {n} pages: a scan or a drawing", len(sheets)
            ).format(n=len(sheets)),
        )
    if empty := sum(not any(page) for page in pages):
        draft.metadata["pages_without_text"] = empty
    _write(draft, pages, read_bookmarks(document))
    return draft.finish("application/pdf")


def _open(data: bytes) -> Any:
    from pypdf import PdfReader
    from pypdf.errors import DependencyError

    try:
        document = PdfReader(io.BytesIO(data), strict=False)
        locked = document.is_encrypted and not document.decrypt("")
    except (MemoryError, RecursionError):
        raise
    except DependencyError as error:
        raise DocumentRefused("encrypted", str(error)) from error
    except Exception as error:  # pypdf raises many kinds on damaged files
        raise _broken(error) from error
    if locked:
        raise DocumentRefused("encrypted", _("the PDF needs a password"))
    return document


def _broken(error: Exception) -> DocumentRefused:
    return DocumentRefused(
        "broken",
        _("the PDF is damaged: {error}").format(error=squeeze(str(error) or type(error).__name__)[:200]),
        hint=_("get the file again, or print it to a new PDF"),
    )


def _pages(document: Any, limits: Limits) -> list[Any]:
    sheets: list[Any] = []
    try:
        for sheet in document.pages:
            sheets.append(sheet)
            if len(sheets) > limits.pages:
                raise DocumentRefused("too_large", _("more than {limit} pages").format(limit=limits.pages))
    except (DocumentRefused, MemoryError, RecursionError):
        raise
    except Exception as error:
        raise _broken(error) from error
    if not sheets:
        raise DocumentRefused("broken", _("the PDF has no pages"))
    return sheets


def _lines(sheet: Any, draft: Draft) -> Page:
    """The lines of a page; a page that cannot be read is empty and counted."""
    try:
        text = sheet.extract_text() or ""
    except (MemoryError, RecursionError):
        raise
    except Exception:  # pypdf raises many kinds on damaged pages; the other pages still count
        draft.metadata["pages_unreadable"] = int(draft.metadata.get("pages_unreadable") or 0) + 1
        return []
    text = unseen(re.sub(r"\xad\s*\n\s*", "", text))
    lines = [squeeze(line) for line in text.split("\n")]
    if lines.count("") > 0.4 * len(lines):
        lines = [line for line in lines if line]  # every line is followed by an empty one
    return lines


def _has_picture(sheet: Any) -> bool:
    try:
        objects = (sheet.get("/Resources") or {}).get("/XObject") or {}
        return any(objects[name].get("/Subtype") == "/Image" for name in objects)
    except Exception:  # damaged resources: as good as none
        return False


def _write_metadata(draft: Draft, document: Any) -> None:
    try:
        fields = document.metadata or {}
        values = {
            name: squeeze(unseen(str(fields.get(key) or "")))
            for name, key in (("title", "/Title"), ("author", "/Author"))
        }
    except Exception:  # damaged metadata is no reason to refuse the text
        return
    draft.metadata.update({name: value for name, value in values.items() if value})


def _write(draft: Draft, pages: list[Page], bookmarks: Bookmarks) -> None:
    """The paragraphs, page by page; one that a bookmark of its page names is a heading."""
    at = -1
    for paragraph in paragraphs(pages, bookmarks):
        while at < paragraph.page:
            at += 1
            draft.begin("page", str(at + 1))
        if paragraph.level:
            draft.heading(paragraph.text, paragraph.level)
        else:
            draft.add(paragraph.text, paragraph.gap)
    for number in range(at + 1, len(pages)):
        draft.begin("page", str(number + 1))
