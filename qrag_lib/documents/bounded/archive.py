"""Zip containers of office files and e-books, judged by their table of contents before anything is inflated."""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
import zlib
from typing import Any
from urllib.parse import unquote

from qrag_lib.documents.limits import MIB, Limits, mebibytes
from qrag_lib.errors import DocumentRefused
from qrag_lib.i18n import _, ngettext

Element = Any  # lxml ships no types


class Archive:
    """A checked zip container.

    Raises DocumentRefused: bomb beyond the limits, encrypted, broken.
    """

    def __init__(self, data: bytes, limits: Limits) -> None:
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
            raise _broken(error) from error
        self.names = self._zip.namelist()
        self._known = set(self.names)
        _check(self._zip.infolist(), limits)

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def read(self, name: str) -> bytes:
        """The bytes of an entry."""
        try:
            return self._zip.read(name)
        except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, NotImplementedError, OSError) as error:
            raise _broken(error) from error
        except RuntimeError as error:
            raise encrypted() from error

    def xml(self, name: str) -> Element:
        """The root element of an XML entry."""
        return parse_xml(self.read(name))

    def kind(self) -> str:
        """docx, pptx, xlsx, odt or epub, by what lies inside; empty where it is none of them."""
        if "mimetype" in self:
            mimetype = self.read("mimetype")[:200].strip()
            if mimetype == b"application/epub+zip":
                return "epub"
            if mimetype.startswith(b"application/vnd.oasis.opendocument."):
                return "odt"
        if "META-INF/container.xml" in self:
            return "epub"
        folders = {"word/": "docx", "ppt/": "pptx", "xl/": "xlsx"}
        return next((kind for folder, kind in folders.items() if any(n.startswith(folder) for n in self.names)), "")


def parse_xml(data: bytes) -> Element:
    """The root element. Entities are refused, nothing outside is loaded.

    Raises DocumentRefused (bomb) on an entity declaration, (broken) on XML that cannot be read.
    """
    from lxml import etree

    if re.search(rb"<!ENTITY", data[:65536]) or re.search("<!ENTITY".encode("utf-16-le"), data[:65536]):
        raise DocumentRefused("bomb", _("the XML declares entities, which documents do not need"))
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, recover=True, huge_tree=False)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise _broken(error) from error
    if root is None:
        raise DocumentRefused("broken", _("the XML cannot be read"))
    return root


def relative_to(part: str, target: str) -> str:
    """The entry that a reference inside another entry means.

    >>> relative_to("OEBPS/content.opf", "text/ch%201.xhtml#top")
    'OEBPS/text/ch 1.xhtml'
    """
    path = unquote(target.split("#")[0])
    if path.startswith("/"):
        return path.lstrip("/")
    return posixpath.normpath(posixpath.join(posixpath.dirname(part), path))


def encrypted() -> DocumentRefused:
    """The refusal of a container whose entries need a password."""
    return DocumentRefused("encrypted", _("the file needs a password"))


def _check(entries: list[zipfile.ZipInfo], limits: Limits) -> None:
    if any(entry.flag_bits & 1 for entry in entries):
        raise encrypted()
    if len(entries) > limits.archive_entries:
        raise _bomb(
            ngettext("{n} entry, limit {limit}", "{n} entries, limit {limit}", len(entries)).format(
                n=len(entries), limit=limits.archive_entries
            )
        )
    total = sum(entry.file_size for entry in entries)
    if total > limits.archive_bytes:
        raise _bomb(_too_big(_("it"), total, limits.archive_bytes))
    for entry in entries:
        if entry.file_size > limits.archive_entry_bytes:
            raise _bomb(_too_big(repr(entry.filename[:80]), entry.file_size, limits.archive_entry_bytes))
        if entry.file_size > MIB and entry.file_size > limits.archive_ratio * max(1, entry.compress_size):
            ratio = entry.file_size // max(1, entry.compress_size)
            raise _bomb(
                ngettext(
                    "an entry expands {n} time, limit {limit}", "an entry expands {n} times, limit {limit}", ratio
                ).format(n=ratio, limit=limits.archive_ratio)
            )


def _too_big(what: str, n_bytes: int, limit: int) -> str:
    message = _("{what} would expand to {size}, limit {limit}")
    return message.format(what=what, size=mebibytes(n_bytes), limit=mebibytes(limit))


def _bomb(why: str) -> DocumentRefused:
    return DocumentRefused(
        "bomb", why, hint=_("if the file is yours, save it again or raise the limits of the archive")
    )


def _broken(error: Exception) -> DocumentRefused:
    return DocumentRefused("broken", _("the file is damaged: {error}").format(error=str(error)[:200]))
