"""The texts of this package in the reader's language."""

from __future__ import annotations

from pathlib import Path

from local_models.interface.translations import Translations

_texts = Translations("local_models", Path(__file__).parent)
_ = _texts.gettext
ngettext = _texts.ngettext


def N_(message: str) -> str:
    """The message itself, marked for the catalogues; `_` translates it where it is shown.

    >>> N_("weights")
    'weights'
    """
    return message
