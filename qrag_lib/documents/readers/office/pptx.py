"""PowerPoint: a section a slide, in the order of the show, with tables and speaker notes."""

from __future__ import annotations

from qrag_lib.documents.bounded.archive import Archive, Element
from qrag_lib.documents.limits import Limits
from qrag_lib.documents.readers.office.ooxml import attribute, local, main_part, read_properties, relations
from qrag_lib.documents.text.draft import Draft, Extract
from qrag_lib.documents.text.tidy import squeeze
from qrag_lib.errors import DocumentRefused
from qrag_lib.i18n import _, ngettext

_MEDIA = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
_TITLES = ("title", "ctrTitle")
_UNTOLD = ("sldNum", "ftr", "dt", "sldImg", "hdr")


def read(data: bytes, limits: Limits) -> Extract:
    """The text of the slides; a slide's notes follow it."""
    archive = Archive(data, limits)
    draft = Draft()
    read_properties(archive, draft)
    slides = _slides(archive)
    if len(slides) > limits.pages:
        raise DocumentRefused(
            "too_large",
            ngettext("{n} slide, limit {limit}", "{n} slides, limit {limit}", len(slides)).format(
                n=len(slides), limit=limits.pages
            ),
        )
    for number, part in enumerate(slides, start=1):
        draft.begin("slide", str(number))
        for shape in _shapes(archive.xml(part)):
            if _placeholder(shape) in _TITLES:
                draft.heading(_told(shape), 1)
            else:
                draft.add(_told(shape))
        for kind, notes in relations(archive, part).values():
            if kind == "notesSlide" and notes in archive:
                for shape in _shapes(archive.xml(notes)):
                    draft.add(_told(shape))
    return draft.finish(_MEDIA)


def _slides(archive: Archive) -> list[str]:
    """The parts of the slides in the order of the show."""
    part = main_part(archive, "ppt/presentation.xml")
    if part not in archive:
        raise DocumentRefused("broken", _("the file has no text part: {name}").format(name=part))
    known = relations(archive, part)
    ids = [s.get(key, "") for s in archive.xml(part).iterfind("{*}sldIdLst/{*}sldId") for key in s.attrib if "}" in key]
    return [known[i][1] for i in ids if i in known and known[i][1] in archive]


def _shapes(slide: Element) -> list[Element]:
    """The shapes that hold words, titles first."""
    shapes = [s for s in slide.iter("{*}sp", "{*}graphicFrame") if _placeholder(s) not in _UNTOLD]
    return sorted(shapes, key=lambda s: _placeholder(s) not in _TITLES)


def _told(shape: Element) -> str:
    """The lines of a shape; a table row is one, its cells parted by tabs."""
    if rows := list(shape.iter("{*}tr")):
        return "\n".join("\t".join(_text(cell) for cell in row.iterfind("{*}tc")) for row in rows)
    return "\n".join(filter(None, (_text(p) for p in shape.iter("{*}p"))))


def _placeholder(shape: Element) -> str:
    found = shape.find("{*}nvSpPr/{*}nvPr/{*}ph")
    return "" if found is None else attribute(found, "type")


def _text(element: Element) -> str:
    pieces = ((t.text or "") if local(t) == "t" else "\n" for t in element.iter("{*}t", "{*}br", "{*}p"))
    return squeeze("".join(pieces))
