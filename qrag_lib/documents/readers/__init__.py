"""One module a format. Each has `read(data, limits) -> Extract` and raises DocumentRefused.

::

    pdf     PDF
    office  Word, PowerPoint, Excel, OpenDocument, Rich Text
    markup  Markdown, web pages, mail, books, notebooks
    plain   text, tables, JSON
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from qrag_lib.documents.limits import Limits
from qrag_lib.documents.text.draft import Extract

Read = Callable[[bytes, Limits], Extract]


@dataclass(frozen=True, slots=True)
class Format:
    """Where a format is read. explodes: a small file may need much time or memory."""

    module: str
    explodes: bool


FORMATS = {
    "pdf": Format("pdf.pdf", True),
    "zip": Format("office.container", True),
    "docx": Format("office.docx", True),
    "pptx": Format("office.pptx", True),
    "xlsx": Format("office.xlsx", True),
    "odt": Format("office.odt", True),
    "epub": Format("markup.epub", True),
    "html": Format("markup.html", True),
    "xml": Format("markup.xml", True),
    "rtf": Format("office.rtf", True),
    "eml": Format("markup.mail", True),
    "csv": Format("plain.csv", False),
    "md": Format("markup.markdown", False),
    "rst": Format("markup.rst", False),
    "txt": Format("plain.txt", False),
    "json": Format("plain.json", False),
    "jsonl": Format("plain.json", False),
    "ipynb": Format("markup.ipynb", False),
}


def reader_of(kind: str) -> Read:
    """The function that reads a kind; its module and library are imported now.

    >>> reader_of("txt")(b"ol\\xe1", Limits()).text
    'olá'
    """
    read: Read = import_module(f"{__name__}.{FORMATS[kind].module}").read
    return read
