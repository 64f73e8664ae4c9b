"""What a citation is given when its answer is whole: its place, the rows of tables in it, whether its file is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from qrag_lib.answer.table_rows import Tables
from qrag_lib.chunking.legal_headings import outline_of
from qrag_lib.chunking.outline import Headings, places
from qrag_lib.ingest.vanished import is_gone
from qrag_lib.language.quote_text import clean
from qrag_lib.types import Answer, Citation, Document, Row, Section


def complete_citations(answer: Answer, load: Callable[[str], Document]) -> Answer:
    """The answer, each citation with what its document says of the place; a passage may begin on the page before.

    load: gives a document by its id.
    """
    documents = {name: load(name) for name in {each.document_id for each in answer.citations}}
    read = {name: _Read(document, outline_of(document), Tables(document.text)) for name, document in documents.items()}
    return replace(answer, citations=tuple(_complete(each, read[each.document_id]) for each in answer.citations))


@dataclass(frozen=True)
class _Read:
    """A cited document with its headings and tables, found once for all of its citations."""

    document: Document
    sections: Sequence[Section]
    tables: Tables


def _complete(citation: Citation, read: _Read) -> Citation:
    """The citation with the page and headings of its quote, and with its passage cutting no row of a table."""
    start, end = citation.passage_start, citation.passage_start + len(citation.passage)
    document, rows = read.document, list(read.tables.rows(start, end))
    here, *others = places(read.sections, [citation.start, *(row.start for row in rows)])
    if rows:
        start, end = min(start, rows[0].start), max(end, rows[-1].end)
    return replace(
        citation,
        page=here.page,
        headings=here.headings,
        passage=document.text[start:end],
        passage_start=start,
        rows=tuple(_titled(row, place.headings) for row, place in zip(rows, others, strict=True)),
        gone=is_gone(document.path or document.source),
    )


def _titled(row: Row, headings: Headings) -> Row:
    """The row under the nearest heading where no caption stands over its table."""
    return row if row.title or not headings else replace(row, title=clean(headings[-1]))
