"""The language of the interface, and its translations: English in the code, Brazilian Portuguese by gettext."""

from __future__ import annotations

import gettext
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import Literal

from local_models.interface.reached import as_reached

Language = Literal["en", "pt_BR"]
LANGUAGES: tuple[Language, ...] = ("en", "pt_BR")
_spoken: ContextVar[Language | None] = ContextVar("qrag_language", default=None)


def interface_language() -> Language:
    """That of this thread or task, else `QRAG_LANG`, else the locale; English where none says Portuguese."""
    if (spoken := _spoken.get()) is not None:
        return spoken
    for name in ("QRAG_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return _language(value)
    return "en"


def use_language(language: str) -> None:
    """Show the interface in `language` from now on, in this process and those that it starts."""
    os.environ["QRAG_LANG"] = _language(language)


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Show the interface in `language` inside, in this thread or task alone: others speak theirs at the same time.

    >>> with speaking("pt"):
    ...     interface_language()
    'pt_BR'
    """
    token = _spoken.set(_language(language))
    try:
        yield
    finally:
        _spoken.reset(token)


class Translations:
    """The texts of a package. folder: holds LANGUAGE/LC_MESSAGES/DOMAIN.mo; a language without one is English."""

    def __init__(self, domain: str, folder: Path) -> None:
        self._domain, self._folder = domain, folder

    def gettext(self, message: str) -> str:
        """The message in the interface language; its commands as they are typed here."""
        return as_reached(_catalogue(self._domain, self._folder, interface_language()).gettext(message))

    def ngettext(self, singular: str, plural: str, n: int) -> str:
        """The form of the message for `n` things, in the interface language."""
        return as_reached(_catalogue(self._domain, self._folder, interface_language()).ngettext(singular, plural, n))


@lru_cache(maxsize=8)
def _catalogue(domain: str, folder: Path, language: str) -> gettext.NullTranslations:
    return gettext.translation(domain, folder, [language], fallback=True)


def _language(value: str) -> Language:
    return "pt_BR" if value.lower().startswith("pt") else "en"
