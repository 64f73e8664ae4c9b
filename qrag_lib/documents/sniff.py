"""What a file is, by its content; the name only tells kinds of plain text apart."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from qrag_lib.errors import DocumentRefused
from qrag_lib.i18n import _

# First bytes -> what a person calls it. These are no documents that can be read.
_FOREIGN = [
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"BM", "BMP"),
    (b"RIFF", "RIFF"),
    (b"ID3", "MP3"),
    (b"OggS", "Ogg"),
    (b"fLaC", "FLAC"),
    (b"\x1aE\xdf\xa3", "Matroska"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"7z\xbc\xaf'\x1c", "7-Zip"),
    (b"Rar!\x1a\x07", "RAR"),
    (b"(\xb5/\xfd", "Zstandard"),
    (b"\x7fELF", "ELF"),
    (b"MZ", "EXE"),
    (b"\xca\xfe\xba\xbe", "Java/Mach-O"),
    (b"\xcf\xfa\xed\xfe", "Mach-O"),
    (b"\x00asm", "WebAssembly"),
    (b"SQLite format 3\x00", "SQLite"),
    (b"PAR1", "Parquet"),
    (b"\x93NUMPY", "NumPy"),
    (b"\x89HDF", "HDF5"),
    (b"GGUF", "GGUF"),
    (b"%!PS", "PostScript"),
    (b"\x00\x01\x00\x00\x00", "TrueType"),
    (b"wOFF", "WOFF"),
    (b"wOF2", "WOFF2"),
]
_ARCHIVES = {"gzip", "bzip2", "xz", "7-Zip", "RAR", "Zstandard"}
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_TEXT_SUFFIXES = {
    ".md": "md",
    ".markdown": "md",
    ".mdx": "md",
    ".rst": "rst",
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".ipynb": "ipynb",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".eml": "eml",
    ".xml": "xml",
    ".svg": "xml",
}
_PAGE = re.compile(rb"\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--.{0,2000}?-->\s*)*<(?:!doctype\s+html|html)\b", re.I | re.S)
_NOTEBOOK = re.compile(rb'"nbformat"\s*:')
_FIELD = re.compile(rb"^(from|to|date|subject|received|message-id|mime-version|return-path):[ \t]", re.I | re.M)


def sniff(data: bytes, name: str) -> str:
    """The kind of a file: a key of `readers.FORMATS`.

    Raises DocumentRefused where the content cannot be a document: pictures, programs, archives.

    >>> sniff(b"%PDF-1.7 ...", "renamed.docx")
    'pdf'
    """
    head = data[:4096]
    if b"%PDF-" in head[:1024]:
        return "pdf"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if head.startswith(_OLE):
        raise _ole(data)
    if head.lstrip().startswith(b"{\\rtf"):
        return "rtf"
    _refuse_foreign(head)
    return _text_kind(head, data, name)


def _refuse_foreign(head: bytes) -> None:
    for magic, what in _FOREIGN:
        if head.startswith(magic) and (len(magic) > 3 or not head.isascii() or b"\0" in head):
            hint = _("unpack it and ingest the files") if what in _ARCHIVES else _("convert it to a document with text")
            raise DocumentRefused("binary", _("the content is {what}, not a document").format(what=what), hint=hint)
    if head[257:262] == b"ustar":
        raise DocumentRefused("unsupported", _("a tar archive"), hint=_("unpack it and ingest the files"))


def _ole(data: bytes) -> DocumentRefused:
    """Old office files and encrypted new ones share a container; its directory names tell them apart."""
    if "EncryptedPackage".encode("utf-16-le") in data:
        return DocumentRefused(
            "encrypted",
            _("the office file needs a password"),
        )
    return DocumentRefused(
        "unsupported",
        _("a binary office file of the time before 2007 (.doc, .xls, .ppt) or an Outlook message"),
        hint=_("save it as .docx, .xlsx, .pptx or .pdf"),
    )


def _text_kind(head: bytes, data: bytes, name: str) -> str:
    kind = _TEXT_SUFFIXES.get(PurePosixPath(name).suffix.lower(), "")
    if kind not in ("md", "html") and _PAGE.match(head):
        return "html"
    if kind in ("", "json") and head.lstrip()[:1] == b"{" and _NOTEBOOK.search(data):
        return "ipynb"
    if kind == "" and _is_mail(head):
        return "eml"
    if kind == "" and head.lstrip().startswith(b"<?xml"):
        return "xml"
    return kind or "txt"


def _is_mail(head: bytes) -> bool:
    """Mail begins with header fields: at least three of the usual, and none after a blank line."""
    fields = re.split(rb"\r?\n\r?\n", head, maxsplit=1)[0]
    first = re.match(rb"[A-Za-z-]+:[ \t]", fields)
    return bool(first) and len({m.group(1).lower() for m in _FIELD.finditer(fields)}) >= 3
