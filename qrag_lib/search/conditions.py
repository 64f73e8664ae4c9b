"""Conditions on metadata in the forms people write them, as Filters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from local_models.interface import suggest
from qrag_lib.catalog import Catalog
from qrag_lib.catalog.filters import BUILT_IN
from qrag_lib.errors import QragError, QuestionError
from qrag_lib.i18n import _
from qrag_lib.types import Filter, Operator

NAMES = {"eq": "==", "ne": "!=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
OPERATORS: tuple[str, ...] = get_args(Operator)


def to_filters(given: Any) -> tuple[Filter, ...]:
    """The conditions, all of which must hold, from a dict, a list of Filters or LlamaIndex MetadataFilters.

    Raises QragError for an operator or a combination that cannot be searched for.

    >>> to_filters({"language": "pt", "year": {"gte": 2020}})[1]
    Filter(key='year', operator='>=', value=2020)
    """
    if given is None:
        return ()
    if isinstance(given, Filter):
        return (given,)
    if isinstance(given, Mapping):
        return tuple(each for key, value in given.items() for each in _of_pair(str(key), value))
    if hasattr(given, "filters") and hasattr(given, "condition"):
        return _of_llama(given)
    if isinstance(given, Sequence) and not isinstance(given, str) and all(isinstance(f, Filter) for f in given):
        return tuple(given)
    raise QragError(
        _("filters cannot be a {kind}").format(kind=type(given).__name__),
        hint=_('write {"language": "pt"}, {"name": ["a.pdf", "b.pdf"]} or {"year": {">=": 2020}}'),
    )


def check_keys(filters: Sequence[Filter], catalog: Catalog) -> None:
    """Raise QuestionError for a key that no document of the workspace has."""
    asked = {each.key for each in filters} - BUILT_IN.keys()
    known = catalog.documents.metadata_keys() if asked else set()
    for key in sorted(asked - known):
        names = sorted({*BUILT_IN, *known})
        some = _("known are: {known}").format(known=", ".join([*names[: suggest.LISTED], "…"]))
        message = _("no document has the key {key}").format(key=key)
        raise QuestionError(message, hint=suggest.hint(key, names, more=some))


def _of_pair(key: str, value: Any) -> list[Filter]:
    if isinstance(value, Mapping):
        return [_filter(key, name, each) for name, each in value.items()]
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_filter(key, "in", value)]
    return [_filter(key, "==", value)]


def _filter(key: str, operator: str, value: Any) -> Filter:
    name = NAMES.get(str(operator), str(operator))
    if name not in OPERATORS:
        message = _("unknown operator {op} in a filter on {key}").format(op=operator, key=key)
        raise QragError(message, hint=_("known are: {known}").format(known=" ".join((*OPERATORS, *NAMES))))
    many = isinstance(value, (list, tuple, set, frozenset))
    if many != (name in ("in", "nin")):
        raise QragError(_("a list of values goes with `in` or `nin`, one value with the others: {key}").format(key=key))
    if not all(each is None or isinstance(each, (str, int, float)) for each in (value if many else (value,))):
        raise QragError(_("the filter on {key} compares with what is no text or number").format(key=key))
    return Filter(key, name, tuple(value) if many else value)  # type: ignore[arg-type]


def _of_llama(given: Any) -> tuple[Filter, ...]:
    """LlamaIndex MetadataFilters, nested ones too, as long as they are joined by AND."""
    condition = getattr(given.condition, "value", given.condition) or "and"
    if condition != "and" and not (condition == "or" and len(given.filters) == 1):
        raise QragError(
            _("filters joined by {condition} cannot be searched for").format(condition=condition.upper()),
            hint=_("search once for each of them, or use `in` with a list of values"),
        )
    found: list[Filter] = []
    for each in given.filters:
        nested = hasattr(each, "filters")
        found += _of_llama(each) if nested else [_filter(each.key, each.operator.value, each.value)]
    return tuple(found)
