"""One module a format. Each has `read(data, limits) -> Extract` and raises DocumentRefused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from qrag_lib.rag.documents.draft import Extract
from qrag_lib.rag.documents.limits import Limits

Read = Callable[[bytes, Limits], Extract]


@dataclass(frozen=True, slots=True)
class Format:
    """Where a format is read. explodes: a small file may need much time or memory."""

    module: str
    explodes: bool


FORMATS = {
    "pdf": Format("pdf", True),
    "zip": Format("container", True),
    "docx": Format("docx", True),
    "pptx": Format("pptx", True),
    "xlsx": Format("xlsx", True),
    "odt": Format("odt", True),
    "epub": Format("epub", True),
    "html": Format("html", True),
    "xml": Format("xml", True),
    "rtf": Format("rtf", True),
    "eml": Format("mail", True),
    "csv": Format("csv", False),
    "md": Format("markdown", False),
    "rst": Format("rst", False),
    "txt": Format("plain", False),
    "json": Format("json", False),
    "jsonl": Format("json", False),
    "ipynb": Format("notebook", False),
}


def reader_of(kind: str) -> Read:
    """The function that reads a kind; its module and library are imported now.

    >>> reader_of("txt")(b"ol\\xe1", Limits()).text
    'olá'
    """
    read: Read = import_module(f"{__name__}.{FORMATS[kind].module}").read
    return read
