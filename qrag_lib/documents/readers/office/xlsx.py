"""Excel: a section a sheet, each row with the names of its columns, values as computed when it was saved."""

from __future__ import annotations

import datetime
import io
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from qrag_lib.documents.bounded.archive import Archive
from qrag_lib.documents.limits import Limits
from qrag_lib.documents.readers.office.ooxml import read_properties
from qrag_lib.documents.text.draft import Draft, Extract
from qrag_lib.documents.text.row_text import has_header, row_text
from qrag_lib.errors import DocumentRefused
from qrag_lib.i18n import _, ngettext

_MEDIA = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def read(data: bytes, limits: Limits) -> Extract:
    """The rows that hold something; chart sheets and formulas without a stored value are left out."""
    from openpyxl import load_workbook

    archive = Archive(data, limits)
    draft = Draft()
    read_properties(archive, draft)
    try:
        with warnings.catch_warnings(action="ignore"):
            book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
            if len(book.worksheets) > limits.pages:
                raise DocumentRefused(
                    "too_large",
                    ngettext("{n} sheet, limit {limit}", "{n} sheets, limit {limit}", len(book.worksheets)).format(
                        n=len(book.worksheets), limit=limits.pages
                    ),
                )
            for sheet in book.worksheets:
                draft.begin("sheet", sheet.title)
                if rows := list(_rows(sheet)):
                    draft.heading(sheet.title, 1)
                    _write(draft, rows)
    except (KeyError, ValueError, TypeError, AttributeError, IndexError, OSError, SyntaxError) as error:
        raise DocumentRefused("broken", _("the file is damaged: {error}").format(error=error)) from error
    return draft.finish(_MEDIA)


def _rows(sheet: Any) -> Iterator[list[str]]:
    sheet.reset_dimensions()  # the stored extent is often wrong, and then rows are missing
    for row in sheet.iter_rows(values_only=True):
        cells = [cell_text(value) for value in row]
        if any(cells):
            yield cells


def cell_text(value: object) -> str:
    """A cell as a person reads it.

    >>> cell_text(3.0), cell_text(datetime.datetime(2024, 5, 1)), cell_text(None)
    ('3', '2024-05-01', '')
    """
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    return str(value)


def _write(draft: Draft, rows: Sequence[list[str]]) -> None:
    """Lines of title stand above the first row that has two cells; that row may name the columns."""
    top = next((i for i, row in enumerate(rows) if sum(map(bool, row)) > 1), len(rows))
    header = rows[top] if has_header(rows[top:]) else []
    for row in rows[: top + bool(header and len(rows) == top + 1)]:
        draft.add("\t".join(filter(None, row)), gap="\n")
    for row in rows[top + bool(header) :]:
        draft.add(row_text(header, row) if header else "\t".join(filter(None, row)), gap="\n")
