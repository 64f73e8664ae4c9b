"""`qrag model VERB`: language models planned, fetched, checked and cleaned. A function a verb, as in `verbs`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from typing import Any

from qrag_lib.i18n import _

NewVerb = Callable[[Any, str, str], ArgumentParser]  # arguments._verb: (verbs, name, help) -> its parser


def add(verbs: Any, verb: NewVerb) -> None:
    """Add `model` and the verbs below it to the command line."""
    model = verb(verbs, "model", _("plan, fetch, check and clean language models"))
    model.add_subparsers(dest="model_verb", metavar=_("command"), required=True, title=_("commands"))


def run(options: Namespace) -> object:
    """Run the verb below `model`."""
    return VERBS[options.model_verb](options)


VERBS: Mapping[str, Callable[[Namespace], object]] = {}
