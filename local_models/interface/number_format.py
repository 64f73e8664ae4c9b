"""Numbers as the reader's language writes them."""

from __future__ import annotations

from local_models.interface.translations import interface_language

_SWAPPED = str.maketrans(",.", ".,")


def number(value: float, digits: int = 0) -> str:
    """The number with its thousands apart: 1,234.5 in English, 1.234,5 in Portuguese."""
    text = f"{value:,.{digits}f}"
    return text.translate(_SWAPPED) if interface_language() == "pt_BR" else text


def percent(share: float) -> str:
    """The share in whole per cent.

    >>> percent(0.834)
    '83 %'
    """
    return f"{share:.0%}".replace("%", " %")


def size(n_bytes: float) -> str:
    """A number of bytes in the unit that reads best, of 1,024 each."""
    for unit in ("B", "KiB", "MiB"):
        if n_bytes < 1024:
            return f"{number(n_bytes, 0 if unit == 'B' or n_bytes >= 10 else 1)} {unit}"
        n_bytes /= 1024
    return f"{number(n_bytes, 1)} GiB"


def duration(seconds: float) -> str:
    """A time in the unit that reads best.

    >>> duration(0.0123), duration(75)
    ('12 ms', '1 min 15 s')
    """
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{number(seconds, 1 if seconds < 10 else 0)} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"
