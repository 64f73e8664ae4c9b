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
ORDER = (">", ">=", "<", "<=")
OPERATORS = (*COMPARISONS, "in", "nin", "contains")


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
    _check(each)
    if each.key not in BUILT_IN:
        return _of_metadata(each)
    column = BUILT_IN[each.key]
    if each.key == "page" and each.operator in ORDER:
        return Condition(f"meets(json_quote({column}), ?)", (_wanted(each),))
    if each.operator in ("in", "nin"):
        values = each.value if isinstance(each.value, tuple) else (each.value,)
        negation = "NOT " if each.operator == "nin" else ""
        return Condition(f"{column} {negation}IN (SELECT value FROM json_each(?))", (json.dumps(values),))
    if each.operator == "contains":
        return Condition(f"instr({column}, ?) > 0", (str(each.value),))
    return Condition(f"{column} {COMPARISONS[each.operator]} ?", (each.value,))  # type: ignore[arg-type]


def _of_metadata(each: Filter) -> Condition:
    """Looked up once a document, not once a chunk; compared in `compare`."""
    held = "json_quote(json_extract(metadata, ?))"
    sql = f"c.document_id IN (SELECT id FROM documents WHERE meets({held}, ?))"
    return Condition(sql, (f'$."{each.key}"', _wanted(each)))


def _wanted(each: Filter) -> str:
    many = each.operator in ("in", "nin") and not isinstance(each.value, tuple)
    return json.dumps([each.operator, [each.value] if many else each.value])


def _check(each: Filter) -> None:
    if each.operator not in OPERATORS:
        known = ", ".join(OPERATORS)
        raise QragError(_("unknown operator {op} in a filter; known are {known}").format(op=each.operator, known=known))
    if isinstance(each.value, tuple) and each.operator not in ("in", "nin"):
        raise QragError(_("a list of values goes with `in` or `nin`, not with {op}").format(op=each.operator))
    if '"' in each.key:
        raise QragError(_("a metadata key cannot hold a quotation mark: {key}").format(key=each.key))
