"""Interface texts in the reader's language: English in the code, Brazilian Portuguese by gettext.

::

    extract    collects the texts of the code into the catalogues
    notebooks  the notebooks in the other languages
"""

from __future__ import annotations

from pathlib import Path

from local_models.interface.messages import N_
from local_models.interface.translations import LANGUAGES, Translations

__all__ = ["LANGUAGES", "N_", "_", "ngettext"]

_texts = Translations("qrag", Path(__file__).parent)
_ = _texts.gettext
ngettext = _texts.ngettext
