"""JSON and JSON lines: a line a value, with the path that leads to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from qrag_lib.documents.limits import Limits
from qrag_lib.documents.text.draft import Draft, Extract
from qrag_lib.documents.text.encoding import decode
from qrag_lib.documents.text.tidy import clean, squeeze

_SECTIONS = 20_000  # records beyond it are text without a section of their own
_DEPTH = 100


def read(data: bytes, limits: Limits) -> Extract:
    """The values as `path: value` lines, a section a record; text that is not JSON stays as it is."""
    decoded, encoding = decode(data)
    try:
        records = _records(decoded)
    except (ValueError, RecursionError):
        return Extract(clean(decoded), media_type="text/plain", encoding=encoding)
    draft = Draft()
    for number, record in enumerate(records, start=1):
        draft.end()
        if len(records) > 1 and number <= _SECTIONS:
            draft.begin("record", str(number))
        draft.add("\n".join(_lines(record)))
    return draft.finish("application/json", encoding)


def _records(text: str) -> list[Any]:
    """The elements of a top-level list, the lines of JSON lines, or the one value."""
    try:
        value = json.loads(text.lstrip("\ufeff"))
    except ValueError:
        return [json.loads(line) for line in text.split("\n") if line.strip()]
    return value if isinstance(value, list) else [value]


def _lines(value: Any, path: str = "", depth: int = 0) -> Iterator[str]:
    if isinstance(value, (dict, list)) and depth < _DEPTH:
        items = value.items() if isinstance(value, dict) else enumerate(value, start=1)
        for key, child in items:
            inner = path if isinstance(value, list) and not isinstance(child, (dict, list)) else _join(path, key)
            yield from _lines(child, inner, depth + 1)
    elif value is not None and value != "":
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield f"{path}: {text}" if path else text


def _join(path: str, key: object) -> str:
    return f"{path}.{squeeze(str(key))}" if path else squeeze(str(key))
