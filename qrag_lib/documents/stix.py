"""MITRE ATT&CK as documents: techniques, mitigations, software, groups and the relations between them.

The text holds no dates and no versions: a new release of the bundle changes only the texts whose
words changed. MITRE's notice goes with each document, as its licence asks.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from qrag_lib.documents.records import plain_metadata
from qrag_lib.documents.text.tidy import clean, squeeze
from qrag_lib.errors import SourceError
from qrag_lib.i18n import _
from qrag_lib.types import Document

Object = Mapping[str, Any]

KINDS = {
    "techniques": ("attack-pattern",),
    "mitigations": ("course-of-action",),
    "relations": ("relationship",),
    "software": ("malware", "tool"),
    "groups": ("intrusion-set", "campaign"),
}
DEFAULT = ("techniques", "mitigations", "relations")
NOTICE = (
    "© The MITRE Corporation. This work is reproduced and distributed with the permission of The MITRE Corporation. "
    "Terms of use: https://attack.mitre.org/resources/legal-and-branding/terms-of-use/"
)
_HEAD = 64 * 1024
_CITATION = re.compile(r"\s*\(Citation:[^)]{0,300}\)")
_LINK = re.compile(r"\[([^\]]{0,300})\]\(https?://[^)\s]{0,1000}\)")
_TAG = re.compile(r"</?(?:code|br|p|li|ul|ol|b|i)\s*/?>", re.I)


def looks_like_stix(path: str | os.PathLike[str]) -> bool:
    """True where the file begins like a STIX bundle with objects."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    return bool(re.match(rb"\s*\{", head) and re.search(rb'"type"\s*:\s*"bundle"', head) and b'"objects"' in head)


def from_stix(
    path: str | os.PathLike[str],
    include: Iterable[str] = DEFAULT,
    limit: int | None = None,
    *,
    deprecated: bool = False,
) -> tuple[str, Iterator[Document]]:
    """The name of the bundle's collection, the same for all its releases, and its documents.

    include: some of techniques, mitigations, relations, software, groups. limit: documents at most.
    deprecated: also what MITRE has deprecated; what it has revoked is always left out, as are
    relations with an end that is left out or unknown.
    Documents come in the order of include, then by their ATT&CK number or id.
    Raises SourceError where the file is no bundle or a name in include is unknown.
    """
    if unknown := set(include := tuple(include)) - set(KINDS):
        message = _("unknown kinds: {unknown}; known: {known}")
        raise SourceError(message.format(unknown=", ".join(sorted(unknown)), known=", ".join(KINDS)))
    objects = [o for o in _objects(Path(path)) if not o.get("revoked") and (deprecated or not is_deprecated(o))]
    source = _source(objects)
    bundle = _Bundle(objects, source)
    return source, islice(bundle.documents(include), limit)


def is_deprecated(obj: Object) -> bool:
    """True where MITRE keeps the object only for old references."""
    return bool(obj.get("x_mitre_deprecated"))


def _objects(path: Path) -> list[dict[str, Any]]:
    try:
        bundle = json.loads(path.read_bytes())
        return [o for o in bundle["objects"] if isinstance(o.get("id"), str) and isinstance(o.get("type"), str)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        message = _("not a STIX bundle: {path} ({error})").format(path=path.name, error=error)
        raise SourceError(message, hint=_("give the JSON file of an ATT&CK release")) from error


def _source(objects: Iterable[Object]) -> str:
    """`stix:` and the id of the collection, which releases keep; else of the matrix."""
    ids = {o["type"]: o["id"] for o in objects if o["type"] in ("x-mitre-collection", "x-mitre-matrix")}
    return f"stix:{ids.get('x-mitre-collection') or ids.get('x-mitre-matrix') or 'bundle'}"


class _Bundle:
    """The objects that count, with what the relations say of each."""

    def __init__(self, objects: list[dict[str, Any]], source: str) -> None:
        self._known = {o["id"]: o for o in objects}
        self._source = source
        notices = [
            str((o.get("definition") or {}).get("statement") or "")
            for o in objects
            if o["type"] == "marking-definition"
        ]
        self._notice = squeeze(f"{' '.join(sorted(filter(None, notices)))} {NOTICE}")
        self._relations = [o for o in objects if o["type"] == "relationship" and _ends(o) <= self._known.keys()]
        self._links = self._linked()

    def _linked(self) -> dict[str, dict[str, list[str]]]:
        links: dict[str, dict[str, list[str]]] = {}
        for relation in self._relations:
            kind, start, end = relation["relationship_type"], relation["source_ref"], relation["target_ref"]
            if kind == "mitigates":
                links.setdefault(end, {}).setdefault("mitigated_by", []).append(_number(self._known[start]) or start)
                links.setdefault(start, {}).setdefault("mitigates", []).append(_number(self._known[end]) or end)
            elif kind == "subtechnique-of":
                links.setdefault(start, {}).setdefault("parent", []).append(_number(self._known[end]) or end)
        return links

    def documents(self, include: Iterable[str]) -> Iterator[Document]:
        for kind in include:
            if kind == "relations":
                yield from (self._relation(o) for o in sorted(self._relations, key=lambda o: o["id"]))
            else:
                chosen = [o for o in self._known.values() if o["type"] in KINDS[kind]]
                yield from (self._object(o) for o in sorted(chosen, key=lambda o: (_number(o), o["id"])))

    def _object(self, obj: Object) -> Document:
        name = squeeze(f"{_number(obj)} {obj.get('name') or ''}")
        tactics = [phase.get("phase_name", "") for phase in obj.get("kill_chain_phases") or []]
        facts = {"Tactics": tactics, "Platforms": obj.get("x_mitre_platforms"), "Aliases": _aliases(obj)}
        lines = [f"{label}: {', '.join(values)}" for label, values in facts.items() if values]
        detection = prose(obj.get("x_mitre_detection"))
        parts = [name, "\n".join(lines), prose(obj.get("description")), detection and f"Detection: {detection}"]
        metadata = {
            "type": obj["type"],
            "external_id": _number(obj),
            "url": _url(obj),
            "tactics": tactics,
            "platforms": obj.get("x_mitre_platforms"),
            "version": obj.get("x_mitre_version"),
            **{key: sorted(values) for key, values in self._links.get(obj["id"], {}).items()},
        }
        return self._document(obj, name, parts, metadata)

    def _relation(self, obj: Object) -> Document:
        start, end = self._known[obj["source_ref"]], self._known[obj["target_ref"]]
        verb = str(obj.get("relationship_type") or "related-to").replace("-", " ")
        name = squeeze(f"{start.get('name')} {verb} {end.get('name')}")
        metadata = {
            "type": obj["type"],
            "relation": obj.get("relationship_type"),
            "source_id": start["id"],
            "source_external_id": _number(start),
            "target_id": end["id"],
            "external_id": _number(end),
            "url": _url(end),
        }
        ends = squeeze(f"{_named(start)} {verb} {_named(end)}.")
        return self._document(obj, name, [ends, prose(obj.get("description"))], metadata)

    def _document(self, obj: Object, name: str, parts: list[str], metadata: dict[str, Any]) -> Document:
        text = clean("\n\n".join(part for part in parts if part))
        filled = {key: value for key, value in metadata.items() if value}
        return Document(
            id=obj["id"],
            name=clean(name) or obj["id"],
            text=text,
            metadata=plain_metadata({**filled, "notice": self._notice}),
            media_type="application/stix+json",
            source=self._source,
        )


def prose(text: object) -> str:
    """A description without citation marks, link targets and tags.

    >>> prose("[Spy](https://attack.mitre.org/S1) reads <code>SMS</code>.(Citation: X 2024)")
    'Spy reads SMS.'
    """
    return _TAG.sub("", _LINK.sub(r"\1", _CITATION.sub("", str(text or "")))).strip()


def _ends(relation: Object) -> set[str]:
    return {str(relation.get("source_ref")), str(relation.get("target_ref"))}


def _reference(obj: Object) -> Object:
    references = obj.get("external_references") or []
    return next(
        (r for r in references if str(r.get("source_name", "")).startswith("mitre-") and r.get("external_id")), {}
    )


def _number(obj: Object) -> str:
    """The ATT&CK number: T1603, M1006, S0305."""
    return str(_reference(obj).get("external_id") or "")


def _url(obj: Object) -> str:
    return str(_reference(obj).get("url") or "")


def _named(obj: Object) -> str:
    number = _number(obj)
    return f"{obj.get('name')} ({number})" if number else str(obj.get("name"))


def _aliases(obj: Object) -> list[str]:
    aliases = obj.get("x_mitre_aliases") or obj.get("aliases") or []
    return [alias for alias in aliases if alias != obj.get("name")]
