"""Numbers as Brazilian laws write them: 5º, V, quinto, único."""

from __future__ import annotations

import re

_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}
_ORDINALS = (
    ["primeir", "segund", "terceir", "quart", "quint", "sext", "setim", "oitav", "non", "decim"],
    ["vigesim", "trigesim", "quadragesim", "quinquagesim", "sexagesim", "septuagesim", "octogesim", "nonagesim"],
)
_WORD = rf"(?:{'|'.join([*_ORDINALS[0], *_ORDINALS[1]])})[oa]"
ROMAN = r"(?:c{0,3}(?:x[cl]|l?x{0,3})(?:i[xv]|v?i{0,3}))(?<=[ivxlc])"
ORDINAL = rf"(?:{_WORD}(?:[ -]{_WORD})?)"


def number_of(written: str) -> int | None:
    """The number that figures, a Roman numeral or an ordinal in words give, in lower case, without accents.

    >>> number_of("lxxviii"), number_of("decima segunda"), number_of("1.024"), number_of("x-y")
    (78, 12, 1024, None)
    """
    figures = written.replace(".", "")
    if figures.isdigit():
        return int(figures)
    if re.fullmatch(ROMAN, written):
        return _roman(written)
    return _ordinal(written) if re.fullmatch(ORDINAL, written) else None


def _roman(written: str) -> int:
    values = [_ROMAN[letter] for letter in written]
    return sum(-a if a < b else a for a, b in zip(values, [*values[1:], 0], strict=True))


def _ordinal(written: str) -> int:
    stems = [word[:-1] for word in re.split(r"[ -]", written)]
    units, tens = _ORDINALS
    return sum(units.index(s) + 1 if s in units else 10 * (tens.index(s) + 2) for s in stems)
