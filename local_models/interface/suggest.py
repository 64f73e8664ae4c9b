"""What was probably meant: the nearest known name to one that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from local_models.interface.messages import _

LISTED = 12  # known names that are listed whole


def nearest(name: str, known: Iterable[str], n: int = 1) -> list[str]:
    """The n known names that are nearest, best first; upper and lower case, - and _ count as the same.

    >>> nearest("treshold", ["mode", "threshold"])
    ['threshold']
    """
    plain = {_plain(each): each for each in known}
    return [plain[each] for each in difflib.get_close_matches(_plain(name), plain, n=n, cutoff=0.6)]


def meant(name: str, known: Iterable[str]) -> str:
    """The question whether the nearest name was meant; "" where none is near."""
    near = nearest(name, known)
    return _("did you mean {names}?").format(names=", ".join(near)) if near else ""


def hint(name: str, known: Iterable[str], *, more: str = "") -> str:
    """The next step after a name that is not known: the nearest, then the known where they are few, else `more`."""
    names = sorted(known)
    few = 0 < len(names) <= LISTED
    listed = _("known are: {known}").format(known=", ".join(names)) if few else more
    return " ".join(part for part in (meant(name, names), listed) if part)


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")
