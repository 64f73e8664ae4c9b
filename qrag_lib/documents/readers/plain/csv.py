"""Tables in plain text: each row with the names of its columns."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, islice

from qrag_lib.documents.limits import Limits
from qrag_lib.documents.text.draft import Draft, Extract
from qrag_lib.documents.text.encoding import decode
from qrag_lib.documents.text.row_text import has_header, row_text
from qrag_lib.documents.text.tidy import unseen
from qrag_lib.errors import DocumentRefused
from qrag_lib.i18n import _

_DELIMITERS = ",;\t|"
_SECTIONS = 20_000  # rows beyond it are text without a section of their own


def read(data: bytes, limits: Limits) -> Extract:
    """A line a row, `column: value; column: value` where the first row names the columns."""
    text, encoding = decode(data)
    text = unseen(text)
    delimiter = sniff_delimiter(text)
    csv.field_size_limit(max(limits.file_bytes, 131_072))
    rows = (row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if any(cell.strip() for cell in row))
    draft = Draft()
    try:
        _write(draft, rows, delimiter)
    except csv.Error as error:
        raise DocumentRefused("broken", _("the table cannot be read: {error}").format(error=error)) from error
    return draft.finish("text/csv", encoding)


def _write(draft: Draft, rows: Iterator[list[str]], delimiter: str) -> None:
    first = list(islice(rows, 200))
    header = first.pop(0) if has_header(first) else []
    draft.metadata["columns"] = "; ".join(header)[:500]
    if header and not first:
        draft.add(_raw(header, delimiter))
    lines = (row_text(header, row) if header else _raw(row, delimiter) for row in chain(first, rows))
    for number, line in enumerate(islice(lines, _SECTIONS), start=2 if header else 1):
        draft.begin("record", str(number))
        draft.add(line, gap="\n")
    draft.end()
    while some := list(islice(lines, 1_000)):
        draft.add("\n".join(some), gap="\n")


def _raw(row: Sequence[str], delimiter: str) -> str:
    separator = delimiter + ("" if delimiter == "\t" else " ")
    return separator.join(" ".join(cell.split()) for cell in row)


def sniff_delimiter(text: str) -> str:
    """The separator that parts the first lines into the same number of columns, most of them.

    >>> sniff_delimiter("a;b,c;d\\n1;2;3\\n")
    ';'
    """
    lines = [line for line in text[:65536].split("\n") if line.strip()][:50]

    def regularity(delimiter: str) -> tuple[float, int]:
        counts = Counter(len(row) for row in csv.reader(lines, delimiter=delimiter))
        columns, n = counts.most_common(1)[0] if counts else (1, 0)
        return (n / max(1, len(lines)) if columns > 1 else 0.0, columns)

    return max(_DELIMITERS, key=regularity)
