"""HTML: what a reader of the page sees, block by block; no script, no style, nothing fetched."""

from __future__ import annotations

import re
from collections.abc import Mapping

from qrag_lib.documents.limits import Limits
from qrag_lib.documents.text.draft import Draft, Extract
from qrag_lib.documents.text.encoding import decode
from qrag_lib.documents.text.tidy import squeeze
from qrag_lib.errors import DocumentRefused
from qrag_lib.i18n import _

_UNSEEN = {"script", "style", "noscript", "template", "head", "iframe", "object", "embed", "svg", "canvas", "audio",
           "video", "select", "textarea", "datalist"}  # fmt: skip
_BLOCKS = {"address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dialog", "div",
           "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6",
           "header", "hr", "html", "legend", "li", "main", "nav", "ol", "p", "pre", "section", "summary", "table",
           "tbody", "tfoot", "thead", "tr", "ul"}  # fmt: skip
_TIGHT = {"li", "tr", "dt", "dd"}
_LAYOUT = ("table", "h1", "h2", "h3", "ul", "ol", "pre")  # a row that holds one of these lays out the page
_LEVELS = {f"h{n}": n for n in range(1, 7)}
_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w-]{1,40})", re.I)
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)


def read(data: bytes, limits: Limits) -> Extract:
    """The text of the page with its headings; the title becomes metadata."""
    text, encoding = decode_html(data)
    draft = Draft()
    write_html(draft, text)
    return draft.finish("text/html", encoding)


def decode_html(data: bytes) -> tuple[str, str]:
    """The text; the page's own word on its encoding counts where the bytes are not UTF-8."""
    text, encoding = decode(data)
    named = _CHARSET.search(data[:4096])
    if named and encoding in ("cp1252", "cp1250", "cp1251"):
        try:
            return data.decode(name := named.group(1).decode("ascii")), name.lower()
        except (LookupError, ValueError):
            pass
    return text, encoding


def write_html(draft: Draft, text: str) -> None:
    """Append what the page shows, block by block."""
    from lxml import etree

    page = _Page(draft)
    parser = etree.HTMLParser(encoding="utf-8", no_network=True, huge_tree=True, target=page)
    try:
        etree.fromstring(text.encode("utf-8", "replace"), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise DocumentRefused("broken", _("the page cannot be read: {error}").format(error=error)) from error


class _Page:
    """Takes the parser's events: no tree is built, so pages may nest deeper than any stack."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._inline: list[str] = []
        self._gap = "\n\n"
        self._heading = 0
        self._pre = 0
        self._hidden = 0  # depth below an element that is not shown
        self._item = False
        self._row = False
        self._title: list[str] | None = None

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if self._hidden or _is_hidden(tag, attributes):
            self._hidden += 1
            self._title = [] if tag == "title" else self._title
            return
        if tag in _BLOCKS:
            self._break(tag)
        self._row = self._row or tag == "tr"
        self._heading = _LEVELS.get(tag, self._heading)
        self._pre += tag == "pre"
        self._item = self._item or tag == "li"
        if tag == "br":
            self._inline.append("\n" if self._pre else "\x0b")
        elif tag in ("td", "th") and self._inline:
            self._inline.append("\t")

    def end(self, tag: str) -> None:
        if self._hidden:
            self._hidden -= 1
            if tag == "title" and self._title is not None:
                self._draft.metadata.setdefault("title", squeeze("".join(self._title)))
                self._title = None
            return
        self._row = self._row and tag != "tr"
        if tag in _BLOCKS:
            self._break(tag)
        self._pre -= tag == "pre"
        self._heading = 0 if tag in _LEVELS else self._heading

    def data(self, text: str) -> None:
        if not self._hidden:
            self._inline.append(text)
        elif self._title is not None:
            self._title.append(text)

    def close(self) -> None:
        self._flush()

    def _break(self, tag: str) -> None:
        """A block begins or ends; inside a row of a table that does not lay out the page it is only a space."""
        self._row = self._row and tag not in _LAYOUT
        if self._row:
            self._inline.append(" ")
            return
        self._flush()
        self._gap = "\n" if tag in _TIGHT else "\n\n"

    def _flush(self) -> None:
        text = "".join(self._inline)
        self._inline.clear()
        if not text.strip():
            return
        if self._heading:
            self._draft.heading(text, self._heading)
        elif self._pre:
            self._draft.add(text)
        else:
            self._draft.add(("- " if self._item else "") + _inline_text(text), self._gap)
        self._item = False
        self._gap = "\n\n"


def _inline_text(text: str) -> str:
    """One line; breaks asked for by <br> and cells of a row stay apart."""
    lines = re.sub(r"[ \r\n\f]+", " ", text).split("\x0b")
    told = ("\t".join(squeeze(cell) for cell in line.split("\t")).strip("\t") for line in lines)
    return "\n".join(line for line in told if line)


def _is_hidden(tag: str, attributes: Mapping[str, str]) -> bool:
    return tag in _UNSEEN or "hidden" in attributes or bool(_HIDDEN.search(attributes.get("style", "")))
