"""Interface texts in the reader's language: English in the code, Brazilian Portuguese by gettext."""

from __future__ import annotations

import gettext as _gettext
from functools import lru_cache
from pathlib import Path

from qrag_lib.reached import as_reached

LANGUAGES = ("en", "pt_BR")


@lru_cache(maxsize=4)
def catalogue(language: str) -> _gettext.NullTranslations:
    """Translations into `language`; a language without a catalogue gets the English of the code."""
    return _gettext.translation("qrag", Path(__file__).parent, [language], fallback=True)


def _(message: str) -> str:
    """The message in the interface language (`QRAG_LANG`, else the locale); its commands as they are typed here."""
    from qrag_lib.settings import interface_language

    return as_reached(catalogue(interface_language()).gettext(message))


def ngettext(singular: str, plural: str, n: int) -> str:
    """The form of the message for `n` things, in the interface language."""
    from qrag_lib.settings import interface_language

    return as_reached(catalogue(interface_language()).ngettext(singular, plural, n))


def N_(message: str) -> str:
    """The message itself, marked for the catalogues; `_` translates it where it is shown.

    >>> N_("passages")
    'passages'
    """
    return message
