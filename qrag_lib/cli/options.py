"""What the options that every command takes stand for."""

from __future__ import annotations

from argparse import Namespace

from qrag_lib.settings import Settings


def settings_of(options: Namespace) -> Settings:
    """The settings that hold for the command; the interface speaks their language from here on."""
    from local_models.interface.translations import use_language
    from qrag_lib.settings import load_settings

    found = load_settings(options.workspace)
    if found.lang and not options.lang:
        use_language(found.lang)
    return found
