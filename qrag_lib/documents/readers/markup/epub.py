"""E-books: the chapters in the order of the spine."""

from __future__ import annotations

from qrag_lib.documents.bounded.archive import Archive, Element, relative_to
from qrag_lib.documents.limits import Limits
from qrag_lib.documents.readers.markup.html import decode_html, write_html
from qrag_lib.documents.text.draft import Draft, Extract
from qrag_lib.documents.text.tidy import squeeze
from qrag_lib.errors import DocumentRefused
from qrag_lib.i18n import _


def read(data: bytes, limits: Limits) -> Extract:
    """The text of the book with its headings; title, author and language become metadata."""
    archive = Archive(data, limits)
    draft = Draft()
    package_name = _package(archive)
    package = archive.xml(package_name)
    for field in ("title", "creator", "language"):
        if value := squeeze(package.findtext(f".//{{http://purl.org/dc/elements/1.1/}}{field}") or ""):
            draft.metadata[field] = value
    title = draft.metadata.get("title")
    for chapter in _spine(package):
        name = relative_to(package_name, chapter)
        if name in archive:
            write_html(draft, decode_html(archive.read(name))[0])
    if title:
        draft.metadata["title"] = title
    return draft.finish("application/epub+zip")


def _package(archive: Archive) -> str:
    if "META-INF/container.xml" in archive:
        rootfile = archive.xml("META-INF/container.xml").find(".//{*}rootfile")
        if rootfile is not None and (path := rootfile.get("full-path", "")) in archive:
            return str(path)
    if packages := [name for name in archive.names if name.endswith(".opf")]:
        return packages[0]
    raise DocumentRefused("broken", _("the e-book has no list of its chapters"))


def _spine(package: Element) -> list[str]:
    items = {item.get("id"): item.get("href", "") for item in package.iterfind(".//{*}manifest/{*}item")}
    return [items[ref.get("idref")] for ref in package.iterfind(".//{*}spine/{*}itemref") if ref.get("idref") in items]
