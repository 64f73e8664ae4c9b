"""Values as JSON, for programs: exact, and safe to print on a terminal all the same."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from pathlib import PurePath
from typing import Any

from local_models.interface.sanitize import OBEYED


def to_json(value: object) -> Any:
    """The value as what JSON knows: dataclasses become objects, sequences lists, paths text.

    >>> to_json({"found": ("a", None)})
    {'found': ['a', None]}
    """
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if is_dataclass(value):
        return {f.name: to_json(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): to_json(each) for name, each in value.items()}
    if isinstance(value, (Sequence, Set)):
        return [to_json(each) for each in value]
    if isinstance(value, PurePath):
        return str(value)
    return to_json(value.item()) if hasattr(value, "item") else str(value)


def dumps(value: object, indent: int | None = 2) -> str:
    """The value as a JSON document; characters that a terminal would obey are written as \\\\uXXXX.

    >>> dumps("a\\x9b\\u202e", indent=None)
    '"a\\\\u009b\\\\u202e"'
    """
    text = json.dumps(to_json(value), ensure_ascii=False, indent=indent)
    return OBEYED.sub(lambda match: json.dumps(match[0])[1:-1], text)
