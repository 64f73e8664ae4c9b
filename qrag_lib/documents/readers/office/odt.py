"""OpenDocument: text, spreadsheets and slides, through one walk over their content."""

from __future__ import annotations

from collections.abc import Iterator

from qrag_lib.documents.bounded.archive import Archive, Element, encrypted
from qrag_lib.documents.limits import Limits
from qrag_lib.documents.readers.office.ooxml import attribute, local
from qrag_lib.documents.text.draft import Draft, Extract
from qrag_lib.documents.text.tidy import squeeze
from qrag_lib.errors import DocumentRefused
from qrag_lib.i18n import _

_UNSEEN = {"tracked-changes", "sequence-decls", "forms", "annotation-end", "bookmark", "note-citation"}
_REPEATS = 100  # a row or cell that repeats is told this often at most


def read(data: bytes, limits: Limits) -> Extract:
    """The text with headings (text), a section a sheet or slide (others)."""
    archive = Archive(data, limits)
    if "META-INF/manifest.xml" in archive and b"encryption-data" in archive.read("META-INF/manifest.xml"):
        raise encrypted()
    if "content.xml" not in archive:
        raise DocumentRefused("broken", _("the file has no text part: {name}").format(name="content.xml"))
    draft = Draft()
    if "meta.xml" in archive and (title := squeeze(archive.xml("meta.xml").findtext(".//{*}title") or "")):
        draft.metadata["title"] = title
    body = archive.xml("content.xml").find("{*}body")
    if body is not None:
        _write(draft, body)
    return draft.finish(archive.read("mimetype")[:200].decode("ascii", "replace").strip())


def _write(draft: Draft, body: Element) -> None:
    sheets = body.find("{*}spreadsheet") is not None
    stack = [body]
    while stack:
        element = stack.pop()
        name = local(element)
        if name == "h":
            level = attribute(element, "outline-level")
            draft.heading(_text(element), int(level) if level.isdigit() and 0 < int(level) < 10 else 1)
        elif name == "p":
            draft.add(_text(element), gap="\n" if local(element.getparent()) == "list-item" else "\n\n")
        elif name == "table-row":
            draft.add(_row(element), gap="\n")
        elif name not in _UNSEEN and name:
            if name == "page":
                draft.begin("slide", attribute(element, "name"))
            elif name == "table" and sheets:
                draft.begin("sheet", attribute(element, "name"))
            stack.extend(reversed(element))


def _row(row: Element) -> str:
    cells: list[str] = []
    for cell in row.iterfind("{*}table-cell"):
        repeat = attribute(cell, "number-columns-repeated")
        text = squeeze(" ".join(_text(p) for p in cell.iter("{*}p", "{*}h")))
        cells += [text] * (min(int(repeat), _REPEATS) if repeat.isdigit() and text else 1)
    return "\t".join(cells).strip("\t")


def _text(element: Element) -> str:
    return "".join(_pieces(element)).strip()


def _pieces(element: Element) -> Iterator[str]:
    """Text in order; notes stand in brackets where they are marked."""
    stack: list[Element | str] = [*_inside(element)][::-1]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            yield item
        elif local(item) == "s":
            count = attribute(item, "c")
            yield " " * (min(int(count), 100) if count.isdigit() else 1)
        elif local(item) in ("tab", "line-break"):
            yield "\t" if local(item) == "tab" else "\n"
        elif local(item) in ("note-body", "annotation"):
            yield f" [{squeeze(_text(item))}]" if _text(item) else ""
        elif local(item) and local(item) not in _UNSEEN:
            stack.extend([*_inside(item)][::-1])


def _inside(element: Element) -> Iterator[Element | str]:
    yield element.text or ""
    for child in element:
        yield child
        yield child.tail or ""
