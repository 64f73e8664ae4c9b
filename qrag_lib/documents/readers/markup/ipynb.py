"""Jupyter notebooks: cells in order, headings of the Markdown, what the cells printed."""

from __future__ import annotations

import json
from typing import Any

from qrag_lib.documents.limits import Limits
from qrag_lib.documents.readers.markup.markdown import markdown_headings
from qrag_lib.documents.text.draft import Draft, Extract
from qrag_lib.documents.text.encoding import decode
from qrag_lib.documents.text.tidy import clean
from qrag_lib.errors import DocumentRefused
from qrag_lib.i18n import _

_OUTPUT = 2_000  # characters kept of one output


def read(data: bytes, limits: Limits) -> Extract:
    """The sources of the cells and their text outputs; pictures, widgets and HTML are left out."""
    text, encoding = decode(data)
    draft = Draft()
    for cell in _cells(text):
        source = clean(_text(cell.get("source")))
        if cell.get("cell_type") == "markdown":
            _write_markdown(draft, source)
        else:
            draft.add(source)
        for output in cell.get("outputs") or []:
            draft.add(_output(output)[:_OUTPUT])
    return draft.finish("application/x-ipynb+json", encoding)


def _cells(text: str) -> list[dict[str, Any]]:
    try:
        notebook = json.loads(text)
        worksheets = notebook.get("worksheets") or [notebook]  # format 3 keeps cells in worksheets
        return [cell for sheet in worksheets for cell in sheet["cells"] if isinstance(cell, dict)]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DocumentRefused(
            "broken",
            _("the notebook cannot be read: {error}").format(error=error),
            hint=_("open it in JupyterLab and save it"),
        ) from error


def _write_markdown(draft: Draft, source: str) -> None:
    """Headings start sections; the text between them stays as written."""
    at = 0
    for start, level, title in markdown_headings(source):
        draft.add(source[at:start])
        draft.heading(title, level)
        at = source.find("\n", start)
        if at < 0:
            return
        after = source[at + 1 :].split("\n", 1)[0]
        if after and not after.strip("=-"):
            at += 1 + len(after)
    draft.add(source[at:])


def _output(output: Any) -> str:
    if not isinstance(output, dict):
        return ""
    data = output.get("data") or {}
    return _text(output.get("text") or (data.get("text/plain") if isinstance(data, dict) else ""))


def _text(value: Any) -> str:
    """A notebook writes text as one string or as a list of lines."""
    if isinstance(value, list):
        return "".join(line for line in value if isinstance(line, str))
    return value if isinstance(value, str) else ""
