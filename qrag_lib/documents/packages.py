"""The documentation of the Python packages installed here, as their own metadata holds it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import distributions
from typing import Any

from qrag_lib.documents.limits import Limits
from qrag_lib.documents.readers import reader_of
from qrag_lib.documents.text.draft import Extract
from qrag_lib.documents.text.tidy import clean, squeeze
from qrag_lib.types import Document, Section

ADDRESS = "installed:"
OURSELVES = "qrag"
KINDS = {"text/markdown": "md", "text/plain": "txt"}  # anything else, and nothing, is reStructuredText
LICENSE = "License :: "
LONGEST_LICENSE = 60  # characters; some packages put the whole licence where its name belongs
LINK = r"\s?(?:\([^()]{0,1000}\)|\[[^\[\]]{0,200}\])"
IMAGE = rf"!\[[^\[\]]{{0,300}}\]{LINK}"
DIRECTIVE = r"^\.\. (?:\|[^|\n]*\| )?image::[^\n]*(?:\n[ \t]+:[^\n]*)*"
BADGES = re.compile(rf"<!--.*?-->|\[\s*(?:{IMAGE})?\s*\]{LINK}|{IMAGE}|{DIRECTIVE}", re.S | re.M)
LEFT = re.compile(r"^[ \t]*[#|•·]?[ \t]*$", re.M)
ATTRIBUTES = r"(?:\s+[\w:-]+\s*=[^<>]{0,2000})?\s*/?>"
INLINE = re.compile(rf"</?(?:a|b|em|i|kbd|span|strong|sub|sup){ATTRIBUTES}", re.I)
LAYOUT = re.compile(
    r"</?(?:br|center|details|div|h[1-6]|hr|img|li|ol|p|picture|source|summary|table|tbody|td|th|thead|tr|ul|video)"
    rf"{ATTRIBUTES}",
    re.I,
)
CODE = re.compile(r"(^ {0,3}```.*?^ {0,3}```)", re.S | re.M)
HOMES = ("homepage", "home", "source", "sourcecode", "repository", "documentation")


def from_packages() -> Iterator[Document]:
    """A document for each installed package but this one: what it says of itself, and its long description.

    name: name and version. metadata: package, version, summary, license, home_page.

    >>> {"papermill", "pypdf"} <= {document.metadata["package"] for document in from_packages()}
    True
    """
    found = {key(each.metadata["Name"]): each.metadata.json for each in distributions() if each.metadata["Name"]}
    return (_document(name, found[name]) for name in sorted(found) if name != OURSELVES)


def key(name: str) -> str:
    """The name of a package as its index writes it.

    >>> key("Jupyter_Client")
    'jupyter-client'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def _document(name: str, fields: dict[str, Any]) -> Document:
    metadata = _metadata(name, fields)
    title = f"{name} {metadata['version']}"
    python = squeeze(clean(fields.get("requires_python") or ""))
    said = {"License": metadata["license"], "Home page": metadata["home_page"], "Requires Python": python}
    about = "\n".join(f"{label}: {value}" for label, value in said.items() if value)
    described = _described(fields)
    text = "\n\n".join(part for part in (title, metadata["summary"], about, described.text) if part)
    below = (_moved(section, len(text) - len(described.text)) for section in described.sections)
    sections = (Section("heading", title, 0, len(text), 1), *below)
    return Document(f"{ADDRESS}{name}", title, text, sections, metadata, described.media_type, ADDRESS)


def _described(fields: dict[str, Any]) -> Extract:
    """The long description, read in the markup that the package names."""
    kind = KINDS.get(fields.get("description_content_type", "").partition(";")[0].strip().lower(), "rst")
    text = without_decoration(_known(fields.get("description")))
    return reader_of(kind)(text.encode("utf-8", "replace"), Limits())


def without_decoration(text: str) -> str:
    """The text without badges, pictures, comments and HTML tags; code stays as it is.

    A tenth of what packages say of themselves is decoration (measured on 280 of them).

    >>> without_decoration("[![CI](https://a/b.svg)](https://a)\\n<p align='center'><b>Fast</b> and small</p>").strip()
    'Fast and small'
    """
    parts = CODE.split(text)
    parts[::2] = (LAYOUT.sub(" ", INLINE.sub("", BADGES.sub("", part))) for part in parts[::2])
    return re.sub(r"\n{3,}", "\n\n", LEFT.sub("", "".join(parts))).strip()


def _moved(section: Section, by: int) -> Section:
    """The section, one level below the title of the document."""
    return replace(section, start=section.start + by, end=section.end + by, level=section.level + 1)


def _metadata(name: str, fields: dict[str, Any]) -> dict[str, str]:
    summary = squeeze(clean(_known(fields.get("summary"))))
    values = {"package": name, "version": fields["version"], "summary": summary}
    return {**values, "license": _license(fields), "home_page": _home_page(fields)}


def _known(value: str | None) -> str:
    """The value; nothing for the word that old packaging tools wrote where there was none."""
    return "" if value is None or value.strip() == "UNKNOWN" else value.strip()


def _license(fields: dict[str, Any]) -> str:
    """The licence as an SPDX expression, a short name, or the class of the package; empty where it says nothing."""
    named = squeeze(clean(_known(fields.get("license_expression") or fields.get("license"))))
    if named and len(named) <= LONGEST_LICENSE:
        return named
    classes = [each for each in fields.get("classifier", ()) if each.startswith(LICENSE)]
    return ", ".join(each.rpartition(" :: ")[2] for each in classes)


def _home_page(fields: dict[str, Any]) -> str:
    links = (link.partition(",") for link in fields.get("project_url", ()))
    named = {re.sub(r"[^a-z]", "", label.lower()): address.strip() for label, _comma, address in links}
    known = [_known(fields.get("home_page")), *(named.get(label, "") for label in HOMES)]
    return next((clean(address) for address in known if address.startswith("http")), "")
