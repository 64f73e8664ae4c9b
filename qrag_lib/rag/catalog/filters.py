"""Conditions on metadata as SQL over `chunks c JOIN documents d`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from qrag_lib.errors import QragError
from qrag_lib.i18n import _
from qrag_lib.types import Filter, Value

BUILT_IN = {
    "document": "c.document_id",
    "name": "d.name",
    "language": "c.language",
    "page": "c.page",
    "source": "d.source",
    "media_type": "d.media_type",
}
COMPARISONS = {"==": "IS", "!=": "IS NOT", ">": ">", ">=": ">=", "<": "<", "<=": "<="}


@dataclass(frozen=True, slots=True)
class Condition:
    """A piece of SQL, empty where everything is meant, and its parameters."""

    sql: str = ""
    parameters: tuple[Value, ...] = ()


def condition(filters: Sequence[Filter]) -> Condition:
    """All the filters at once.

    >>> condition([Filter("language", "==", "pt")])
    Condition(sql='c.language IS ?', parameters=('pt',))
    """
    parts = [_one(each) for each in filters]
    parameters = tuple(value for part in parts for value in part.parameters)
    return Condition(" AND ".join(part.sql for part in parts), parameters)


def _one(each: Filter) -> Condition:
    column, path = _column(each.key)
    if each.operator in ("in", "nin"):
        values = each.value if isinstance(each.value, tuple) else (each.value,)
        negation = "NOT " if each.operator == "nin" else ""
        return Condition(f"{column} {negation}IN (SELECT value FROM json_each(?))", (*path, json.dumps(values)))
    if isinstance(each.value, tuple):
        raise QragError(_("a list of values goes with `in` or `nin`, not with {op}").format(op=each.operator))
    if each.operator == "contains":
        return Condition(f"instr({column}, ?) > 0", (*path, str(each.value)))
    if each.operator not in COMPARISONS:
        known = ", ".join([*COMPARISONS, "in", "nin", "contains"])
        raise QragError(_("unknown operator {op} in a filter; known are {known}").format(op=each.operator, known=known))
    return Condition(f"{column} {COMPARISONS[each.operator]} ?", (*path, each.value))


def _column(key: str) -> tuple[str, tuple[str, ...]]:
    if key in BUILT_IN:
        return BUILT_IN[key], ()
    if '"' in key:
        raise QragError(_("a metadata key cannot hold a quotation mark: {key}").format(key=key))
    return "json_extract(d.metadata, ?)", (f'$."{key}"',)
