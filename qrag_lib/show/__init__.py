"""The one place where text that a document, a person or a model wrote reaches a screen.

::

    phrases      the words that both forms share
    passages     a passage in paragraphs, with what is marked in it
    next_search  the command that searches, as it works in the place
    notebook     the HTML form of each value
    terminal     the plain text form of each value, 80 columns wide
    shown_rows   a table of rows that shows itself
    json_form    JSON for programs, nothing changed

What makes text harmless, numbers, tables and panels is in `local_models.interface`.

Whatever is not written in this package's own source is data: it is escaped, never run,
never opened as a path, never fetched.
"""

from __future__ import annotations

from local_models.interface.blocks import Html, panel_html, rows_html, table_html, table_text, wrapped
from local_models.interface.number_format import duration, number, percent, size
from local_models.interface.sanitize import escape, excerpt, line, plain
from qrag_lib.display import as_html, as_text
from qrag_lib.show.json_form import dumps, to_json
from qrag_lib.show.next_search import search_command
from qrag_lib.show.notebook import answer_html, document_html, hits_html, report_html, verdicts_html
from qrag_lib.show.terminal import answer_text, document_text, hits_text, report_text, verdicts_text
from qrag_lib.types import Answer, Document, Hits, IngestReport, Verdicts

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

for kind, text, html in (
    (Answer, answer_text, answer_html),
    (Document, document_text, document_html),
    (Hits, hits_text, hits_html),
    (IngestReport, report_text, report_html),
    (Verdicts, verdicts_text, verdicts_html),
):
    as_text.register(kind, text)
    as_html.register(kind, html)
