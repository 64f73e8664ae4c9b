"""Numbers that name something, as people write them: with all of their marks, with some, or with none.

CPF, CNPJ, telephones, process numbers (CNJ, administrative), laws and contracts "number/year".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Found = tuple[int, int, tuple[str, ...]]

_YEAR = r"(?:1[89]|20)\d\d"
_AREA, _MOBILE, _FIXED = r"[1-9]\d", r"9\d{4}[ .-]?\d{4}", r"[2-5]\d{3}[ .-]?\d{4}"
_GROUPED = r"\d{1,3}(?:[.,]\d{3})+"
_KINDS = {
    "whole": r"[\dA-Z]{2}\.?[\dA-Z]{3}\.?[\dA-Z]{3}/[\dA-Z]{4}-?\d\d"  # CNPJ, letters and all
    r"|\d{3}\.\d{3}\.\d{3}[-/.]?\d\d"  # CPF
    r"|0[389]00[ .-]?\d{3}[ .-]?\d{4}",
    "spaced": r"\d{3} \d{3} \d{3}[ -]\d\d|9\d{4} \d{4}",  # a CPF, a telephone; or numbers side by side
    "process": rf"\d{{5}}\.?\d{{6}}/{_YEAR}-?\d\d|\d{{7}}-?\d\d\.{_YEAR}\.\d\.\d\d\.\d{{4}}",
    "telephone": rf"(?:\+?\d{{1,3}}[ .-]?)?\(0?\d{{2,3}}\)[ .-]{{0,3}}\d{{3,5}}[ .-]?\d{{4}}"  # (84) 99876-5432
    rf"|(?:\+?55[ .-]?|0)?{_AREA}[ .-]?(?:{_MOBILE}|(?!{_YEAR}-{_YEAR}){_FIXED})"  # +55 84 99876 5432, 84998765432
    r"|\+\d{1,3}[ .-]\d{2,4}[ .-]\d{3,4}[ .-]\d{3,4}|9\d{4}-\d{4}",
    "numbered": rf"(?:{_GROUPED}|\d{{1,6}})/{_YEAR}",  # 8.112/1990
    "dated": rf"(?:{_GROUPED}|\d{{1,6}})(?=,? de (?:\d{{1,2}}[º°o]? de [a-zç]{{4,9}} de )?(?P<year>{_YEAR}))",
    "abbreviated": rf"(?:{_GROUPED}|\d{{3,6}})/\d\d",  # 8.112/90
}
_IDENTIFIER = re.compile(
    r"(?<![\w/])(?<![\d\w][.,-])(?=[\dA-Z(+])(?:" + "|".join(f"(?P<{k}>{p})" for k, p in _KINDS.items()) + r")(?![\w/])"
)
_MARKS = re.compile(r"[\W_]+")
_BRACKET = re.compile(r"\(0?(\d+)\)(.+)")
_BRAZILIAN = re.compile(rf"{_AREA}(?:9\d{{8}}|[2-5]\d{{7}})")
_THIS_CENTURY = 50  # 8112/90 is of 1990, 14133/21 of 2021


def identifiers(text: str) -> Iterator[Found]:
    """Where each identifier stands, with its terms: first the whole without its marks.

    >>> [names for _start, _end, names in identifiers("CPF 123.456.789-09, (84) 99876-5432, Lei 8.112/90")]
    [('12345678909',), ('84998765432', '998765432'), ('8112', '8112/1990', '1990', '90')]
    """
    for match in _IDENTIFIER.finditer(text):
        written = f"{match[0]}/{match['year']}" if match["year"] else match[0]
        yield match.start(), match.end(), _TERMS.get(match.lastgroup or "", _whole)(written)


def _whole(written: str) -> tuple[str, ...]:
    return (_MARKS.sub("", written).lower(),)


def _spaced(written: str) -> tuple[str, ...]:
    return (*_whole(written), *_MARKS.split(written))


def _process(written: str) -> tuple[str, ...]:
    """The whole, and the number that people call it by; its year alone would find whatever is of that year."""
    number = _MARKS.split(written)[0]
    return tuple(dict.fromkeys([*_whole(written), number, number.lstrip("0")]))


def _telephone(written: str) -> tuple[str, ...]:
    """With and without the code of the country, and without the code of the area."""
    digits = _MARKS.sub("", written).lstrip("0")
    if bracket := _BRACKET.search(written):
        area, local = bracket[1], _MARKS.sub("", bracket[2])
        return tuple(dict.fromkeys([digits, area + local, local]))
    national = _national(digits, abroad=written.startswith("+"))
    local = national[2:] if _BRAZILIAN.fullmatch(national) else national
    return tuple(dict.fromkeys([digits, national, local]))


def _national(digits: str, abroad: bool) -> str:
    """The digits without the code of Brazil; after a plus sign, without that of North America too."""
    if digits.startswith("55") and len(digits) in (12, 13):
        return digits[2:]
    return digits[1:] if abroad and digits.startswith("1") and len(digits) == 11 else digits


def _numbered(written: str) -> tuple[str, ...]:
    """Number and year of a law, an edict, a contract: apart, and together."""
    number, year = written.split("/")
    number = _MARKS.sub("", number)
    return number, f"{number}/{year}", year


def _dated(written: str) -> tuple[str, ...]:
    """Number and year, where the year follows among the words."""
    return _numbered(written)[:2]


def _abbreviated(written: str) -> tuple[str, ...]:
    number, year = written.split("/")
    return (*_numbered(f"{number}/{'19' if int(year) >= _THIS_CENTURY else '20'}{year}"), year)


_TERMS = {
    "spaced": _spaced,
    "process": _process,
    "telephone": _telephone,
    "numbered": _numbered,
    "dated": _dated,
    "abbreviated": _abbreviated,
}
