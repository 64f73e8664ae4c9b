"""What Word and PowerPoint files share: parts, their relations, properties and runs of text."""

from __future__ import annotations

from qrag_lib.documents.bounded.archive import Archive, Element, relative_to
from qrag_lib.documents.text.draft import Draft
from qrag_lib.documents.text.tidy import squeeze

_RELATION = "{*}Relationship"


def relations(archive: Archive, part: str) -> dict[str, tuple[str, str]]:
    """Relation id -> (kind, part) of what a part refers to inside the file; nothing outside is followed."""
    folder, slash, name = part.rpartition("/")
    rels = f"{folder}{slash}_rels/{name}.rels"
    if rels not in archive:
        return {}
    return {
        r.get("Id", ""): (r.get("Type", "").rpartition("/")[2], relative_to(part, r.get("Target", "")))
        for r in archive.xml(rels).iterfind(_RELATION)
        if r.get("TargetMode") != "External"
    }


def main_part(archive: Archive, usual: str) -> str:
    """The part that the package names as its document, else the usual one."""
    named = [part for kind, part in relations(archive, "").values() if kind == "officeDocument"]
    return next((part for part in named if part in archive), usual)


def read_properties(archive: Archive, draft: Draft) -> None:
    """Title and author as metadata."""
    if "docProps/core.xml" not in archive:
        return
    core = archive.xml("docProps/core.xml")
    for field, name in (("title", "title"), ("creator", "author")):
        if value := squeeze(core.findtext(f".//{{*}}{field}") or ""):
            draft.metadata[name] = value


def local(element: Element) -> str:
    """The name of an element without its namespace; comments have none."""
    return str(element.tag).rpartition("}")[2] if isinstance(element.tag, str) else ""


def attribute(element: Element, name: str) -> str:
    """An attribute by its name without the namespace (strict and transitional files differ in it)."""
    return next((str(v) for k, v in element.attrib.items() if k.rpartition("}")[2] == name), "")
