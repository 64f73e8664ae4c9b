"""How a value of a document's metadata compares with the one of a filter: numbers as numbers, dates as dates.

Metadata of front matter is text; a filter on `ano` is written with a number.
"""

from __future__ import annotations

import json
import re
from datetime import date
from functools import lru_cache
from operator import ge, gt, le, lt

from qrag_lib.types import Value

_ORDER = {">": gt, ">=": ge, "<": lt, "<=": le}
_NUMBER = re.compile(r"[-+]?(?:\d+(?:[.,]\d+)?|\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:,\d{3})+\.\d+)")
_ISO = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T ].*)?)?)?")
_DAY_FIRST = re.compile(r"(\d{1,2})[/.](\d{1,2})[/.](\d{4})")
_WORDS = {"true": True, "yes": True, "sim": True, "verdadeiro": True}
_WORDS |= {"false": False, "no": False, "não": False, "nao": False, "falso": False}


@lru_cache(maxsize=8_192)
def meets_json(held: str | None, condition: str) -> bool:
    """`meets` for SQL. held: JSON of the value, condition: JSON of [operator, wanted]."""
    return meets(None if held is None else json.loads(held), *json.loads(condition))


def meets(held: object, operator: str, wanted: Value | list[Value]) -> bool:
    """Whether the value of a document meets a condition; of a list, whether one of its values does.

    wanted: a list for `in` and `nin`. A document without the value meets only `!=` and `== None`.

    >>> meets("9", ">", 10), meets("1.234,56", ">", 1000), meets("2024-03-01", "<=", 2024), meets("sim", "==", True)
    (False, True, True, True)
    """
    if isinstance(held, list):
        among = all if operator in ("!=", "nin") else any
        return among(meets(each, operator, wanted) for each in held)
    if isinstance(wanted, list):
        found = any(_same(held, each) for each in wanted)
        return found if operator == "in" else held is not None and not found
    if operator in ("==", "!="):
        return _same(held, wanted) == (operator == "==")
    if held is None or wanted is None:
        return False
    if operator == "contains":
        return str(wanted) in str(held)
    pair = _comparable(held, wanted)
    return pair is not None and bool(_ORDER[operator](*pair))


def _same(held: object, wanted: Value) -> bool:
    if held is None or wanted is None:
        return held is wanted
    if isinstance(held, bool) or isinstance(wanted, bool):
        return _truth(held) is not None and _truth(held) == _truth(wanted)
    if isinstance(held, str) and isinstance(wanted, str) and not (_date(held) and _date(wanted)):
        return held == wanted  # 007 is not 7 where both are text
    pair = _comparable(held, wanted)
    return pair is not None and pair[0] == pair[1]


def _comparable(held: object, wanted: object) -> tuple[float, float] | tuple[str, str] | None:
    """Both as numbers, else as dates to the precision of the wanted one, else as text; None where neither goes."""
    first, second = _number(held), _number(wanted)
    if first is not None and second is not None:
        return first, second
    day, until = _date(held), _date(wanted)
    if day and until:
        return day[: len(until)], until
    return (held, wanted) if isinstance(held, str) and isinstance(wanted, str) else None


def _number(value: object) -> float | None:
    if isinstance(value, int | float):
        return float(value)
    text = str(value).strip()
    if not _NUMBER.fullmatch(text):
        return None
    if "." in text and "," in text:  # the last of the two marks the decimals
        text = text.replace("." if text.rindex(",") > text.rindex(".") else ",", "")
    return float(text.replace(",", "."))


def _date(value: object) -> str:
    """The year, month or day in ISO 8601, "" where the value is none."""
    text = str(value).strip()
    if match := _DAY_FIRST.fullmatch(text):
        text = f"{match[3]}-{int(match[2]):02}-{int(match[1]):02}"
    if not (match := _ISO.fullmatch(text)):
        return ""
    try:
        date(int(match[1]), int(match[2] or 1), int(match[3] or 1))
    except ValueError:
        return ""
    return "-".join(part for part in match.groups() if part)


def _truth(value: object) -> bool | None:
    return bool(value) if isinstance(value, int | float) else _WORDS.get(str(value).strip().lower())
