"""Word: paragraphs, headings, lists, tables, text boxes and notes, in the order of the text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from qrag_lib.documents.bounded.archive import Archive, Element
from qrag_lib.documents.limits import Limits
from qrag_lib.documents.readers.office.ooxml import attribute, local, main_part, read_properties, relations
from qrag_lib.documents.text.draft import Draft, Extract
from qrag_lib.documents.text.tidy import squeeze
from qrag_lib.errors import DocumentRefused
from qrag_lib.i18n import _

_MEDIA = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
# Deleted text, field codes, and the second copy of drawings kept for old programs.
_UNSEEN = {"del", "moveFrom", "delText", "instrText", "Fallback", "rPr", "pPr", "sectPr", "tblPr", "tcPr", "trPr"}
_HEADING = re.compile(r"(?:heading|título|titulo)\s*([1-9])$", re.I)
_NOTES = {"footnotes": "footnote", "endnotes": "endnote", "comments": "comment"}


def read(data: bytes, limits: Limits) -> Extract:
    """The text with its headings; foot- and endnotes and comments stand at the end."""
    archive = Archive(data, limits)
    part = main_part(archive, "word/document.xml")
    if part not in archive:
        raise DocumentRefused("broken", _("the file has no text part: {name}").format(name=part))
    draft = Draft()
    read_properties(archive, draft)
    parts = dict(relations(archive, part).values())
    _Body(draft, _heading_levels(archive, parts.get("styles", ""))).write(archive.xml(part))
    for kind, element in _NOTES.items():
        if parts.get(kind, "") in archive:
            _write_notes(draft, archive.xml(parts[kind]), element)
    return draft.finish(_MEDIA)


def _heading_levels(archive: Archive, part: str) -> dict[str, int]:
    """Style id -> heading level, by the style's name or outline level, its own or inherited."""
    if part not in archive:
        return {}
    styles = {attribute(s, "styleId"): s for s in archive.xml(part).iterfind("{*}style")}
    levels = {}
    for style_id in styles:
        seen: set[str] = set()
        current = style_id
        while current in styles and current not in seen:
            seen.add(current)
            if level := _own_level(styles[current]):
                levels[style_id] = level
                break
            current = _value(styles[current], "{*}basedOn")
    return levels


def _own_level(style: Element) -> int:
    name = _value(style, "{*}name")
    if match := _HEADING.match(name):
        return int(match.group(1))
    if name.lower() in ("title", "título"):
        return 1
    outline = _value(style, "{*}pPr/{*}outlineLvl")
    return int(outline) + 1 if outline.isdigit() and int(outline) < 9 else 0


def _value(element: Element, path: str) -> str:
    found = element.find(path)
    return "" if found is None else attribute(found, "val")


class _Body:
    """Writes blocks; containers (content controls, insertions, text boxes) are walked through."""

    def __init__(self, draft: Draft, levels: dict[str, int]) -> None:
        self._draft = draft
        self._levels = levels

    def write(self, container: Element) -> None:
        stack = [container]
        while stack:
            element = stack.pop()
            name = local(element)
            if name == "p":
                self._paragraph(element)
            elif name == "tbl":
                for row in _children(element, "tr"):
                    self._draft.add(row_line(row), gap="\n")
            elif name not in _UNSEEN:
                stack.extend(reversed(element))

    def _paragraph(self, paragraph: Element) -> None:
        text = paragraph_text(paragraph)
        style = _value(paragraph, "{*}pPr/{*}pStyle")
        outline = _value(paragraph, "{*}pPr/{*}outlineLvl")
        level = int(outline) + 1 if outline.isdigit() and int(outline) < 9 else self._levels.get(style, 0)
        if level and text.strip() and len(text) < 300:
            self._draft.heading(text, level)
        elif paragraph.find("{*}pPr/{*}numPr") is not None and text.strip():
            self._draft.add(f"- {text}", gap="\n")
        else:
            self._draft.add(text)


def row_line(row: Element) -> str:
    """The cells of a table row, parted by tabs; a table inside a cell is told in the cell."""
    cells = (" ".join(paragraph_text(p) for p in cell.iter("{*}p")) for cell in _children(row, "tc"))
    return "\t".join(squeeze(cell) for cell in cells).strip("\t")


def _children(element: Element, name: str) -> list[Element]:
    """The rows of a table or the cells of a row, also those inside content controls."""
    wanted = f"{{*}}{name}"
    found = (list(c.iter(wanted))[:1] if local(c) in ("sdt", "ins") else [c] for c in element)
    return [child for some in found for child in some if local(child) == name]


def paragraph_text(paragraph: Element) -> str:
    """The runs of a paragraph as text, with its breaks, tabs and marks of notes."""
    return "".join(_pieces(paragraph))


def _pieces(element: Element) -> Iterator[str]:
    stack = [*reversed(element)]
    while stack:
        child = stack.pop()
        name = local(child)
        if name == "t":
            yield child.text or ""
        elif name in ("tab", "ptab"):
            yield "\t"
        elif name in ("br", "cr"):
            yield "\n"
        elif name == "noBreakHyphen":
            yield "-"
        elif name in ("footnoteReference", "endnoteReference"):
            yield f"[{attribute(child, 'id')}]"
        elif name == "p":  # a text box inside the paragraph
            yield "\n"
            stack.extend(reversed(child))
        elif name not in _UNSEEN:
            stack.extend(reversed(child))


def _write_notes(draft: Draft, root: Element, name: str) -> None:
    for note in root.iterfind(f"{{*}}{name}"):
        if attribute(note, "type") in ("separator", "continuationSeparator", "continuationNotice"):
            continue
        text = squeeze(" ".join(paragraph_text(p) for p in note.iter("{*}p")))
        if text:
            draft.add(f"[{attribute(note, 'id')}] {text}" if name != "comment" else text, gap="\n")
