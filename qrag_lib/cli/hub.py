"""`qrag model download | verify | repair | list | remove | clean`: a function a verb, as in `verbs`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from qrag_lib.i18n import _
from qrag_lib.show import line

if TYPE_CHECKING:
    from local_models.configuration import Configuration
    from local_models.hub.hub_client import Hub


def add(verbs: Any, verb: Callable[[Any, str, str], ArgumentParser]) -> None:
    """Add the verbs to those below `model`."""
    fetch = verb(verbs, "download", _("fetch a model from the hub; what is there already is not fetched again"))
    fetch.add_argument("model", help=_("its name, such as deepseek-ai/deepseek-llm-7b-chat"))
    fetch.add_argument("--revision", metavar="R", help=_("branch, tag or commit (default: main)"))
    fetch.add_argument("--file", metavar="GLOB", help=_("which of several GGUF files, such as *Q4_K_M*"))
    fetch.add_argument("--plan", action="store_true", help=_("only say what would be fetched"))
    check = verb(verbs, "verify", _("check the files of a model: size, structure, checksum"))
    check.add_argument("model", help=_("folder, or name on the hub"))
    check.add_argument("--quick", action="store_true", help=_("without reading the weights"))
    check.add_argument("--anew", action="store_true", help=_("take the files as they are now for the right ones"))
    mend = verb(verbs, "repair", _("fetch the broken files of a model again, and them alone"))
    mend.add_argument("model", help=_("folder in the cache, or name on the hub"))
    for parser in (fetch, mend):
        parser.add_argument(
            "--endpoint", metavar="URL", help=_("another hub (default: HF_ENDPOINT, else the public one)")
        )
        parser.add_argument("--token", action="store_true", help=_("send the token that `hf auth login` saved"))
    verb(verbs, "list", _("list the models that were fetched, and what they take"))
    away = verb(verbs, "remove", _("remove a model; shown first, done with --yes"))
    away.add_argument("model", help=_("name on the hub"))
    clean = verb(verbs, "clean", _("remove what no model needs; shown first, done with --yes"))
    clean.add_argument("--all", action="store_true", help=_("stopped downloads and old versions too"))
    for parser in (away, clean):
        parser.add_argument("--yes", action="store_true", help=_("do it"))


def download(options: Namespace) -> object:
    """Fetch a model, or say what would be fetched."""
    from local_models.hub.download import check_room
    from local_models.hub.model_store import plan_of_download
    from qrag_lib.cli.options import settings_of
    from qrag_lib.jobs.model_jobs import download as fetch
    from qrag_lib.progress import shown

    wanted = {"revision": options.revision, "pattern": options.file}
    if options.plan:
        with _hub(options) as hub:
            plan = plan_of_download(options.model, _config(options), hub, **wanted)
            check_room(plan)
            return plan
    where = {"endpoint": options.endpoint, "token": options.token}
    with shown() as tell:
        return fetch(settings_of(options), options.model, **wanted, **where, on_progress=tell, say=_say)


def verify(options: Namespace) -> object:
    """Check the files of a model; asks nobody."""
    from local_models.hub.model_store import verify_model
    from qrag_lib.progress import shown

    with shown() as tell:
        return verify_model(options.model, _config(options), deep=not options.quick, anew=options.anew, tell=tell)


def repair(options: Namespace) -> object:
    """Fetch broken files again."""
    from local_models.hub.model_store import repair_model
    from qrag_lib.progress import shown

    with _hub(options) as hub, shown() as tell:
        return repair_model(options.model, _config(options), hub, tell=tell)


def listing(options: Namespace) -> object:
    """List what was fetched."""
    from local_models.hub.model_store import models_kept

    return models_kept(_config(options))


def remove(options: Namespace) -> object:
    """Remove a model, or show what would go."""
    from local_models.hub.model_store import removal

    found = removal(options.model, _config(options))
    return found.apply() if options.yes else found


def clean(options: Namespace) -> object:
    """Remove what is of no use, or show it."""
    from local_models.hub.model_store import cleaning

    found = cleaning(_config(options), everything=options.all)
    return found.apply() if options.yes else found


VERBS: Mapping[str, Callable[[Namespace], object]] = {
    "download": download,
    "verify": verify,
    "repair": repair,
    "list": listing,
    "remove": remove,
    "clean": clean,
}


def _hub(options: Namespace) -> Hub:
    from local_models.hub.model_store import open_hub

    return open_hub(options.endpoint, token=True if options.token else None, say=_say)


def _say(text: str) -> None:
    sys.stderr.write(line(text) + "\n")


def _config(options: Namespace) -> Configuration:
    from qrag_lib.cli.options import settings_of

    return settings_of(options).engine
