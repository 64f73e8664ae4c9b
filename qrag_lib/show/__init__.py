"""The one place where text that a document, a person or a model wrote reaches a screen.

::

    neutral    makes text harmless: escape sequences, control and bidi characters, markup
    figures    numbers, sizes and durations as the reader's language writes them
    clean      a quote without the marks of Markdown and HTML
    passages   a passage in paragraphs, with what is marked in it
    onward     the command that searches, as it works in the place
    blocks     tables, panels and bars, for a notebook and for a terminal
    notebook   the HTML form of each value
    terminal   the plain text form of each value, 80 columns wide
    exact      JSON for programs, nothing changed

Whatever is not written in this package's own source is data: it is escaped, never run,
never opened as a path, never fetched.
"""

from __future__ import annotations

from qrag_lib.show.blocks import Html, panel_html, rows_html, table_html, table_text, wrapped
from qrag_lib.show.exact import dumps, to_json
from qrag_lib.show.figures import duration, number, percent, size
from qrag_lib.show.neutral import escape, excerpt, line, plain
from qrag_lib.show.notebook import answer_html, document_html, hits_html, report_html, verdicts_html
from qrag_lib.show.onward import search_command
from qrag_lib.show.terminal import answer_text, document_text, hits_text, report_text, verdicts_text

__all__ = [
    "Html",
    "answer_html",
    "answer_text",
    "document_html",
    "document_text",
    "dumps",
    "duration",
    "escape",
    "excerpt",
    "hits_html",
    "hits_text",
    "line",
    "number",
    "panel_html",
    "percent",
    "plain",
    "report_html",
    "report_text",
    "rows_html",
    "search_command",
    "size",
    "table_html",
    "table_text",
    "to_json",
    "verdicts_html",
    "verdicts_text",
    "wrapped",
]
