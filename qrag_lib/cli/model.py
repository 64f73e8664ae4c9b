"""`qrag model VERB`: language models planned, fetched, checked and cleaned. A function a verb, as in `verbs`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from typing import Any

from qrag_lib.cli import hub
from qrag_lib.i18n import _, ngettext

NewVerb = Callable[[Any, str, str], ArgumentParser]  # arguments._verb: (verbs, name, help) -> its parser


def add(verbs: Any, verb: NewVerb) -> None:
    """Add `model` and the verbs below it to the command line."""
    model = verb(verbs, "model", _("plan, fetch, check and clean language models"))
    below = model.add_subparsers(dest="model_verb", metavar=_("command"), title=_("commands"))
    _add_plan(below, verb)
    hub.add(below, verb)
    _add_quantize(below, verb)
    verb(below, "stop", _("end the processes that hold a model, and free their memory"))


def _add_plan(verbs: Any, verb: NewVerb) -> None:
    plan = verb(verbs, "plan", _("say how a model would be loaded, what it takes and how fast it answers"))
    plan.add_argument("model", nargs="?", help=_("address, folder or GGUF file (default: the setting model)"))
    plan.add_argument("--memory", type=float, metavar="MIB", help=_("plan for so much memory, in MiB"))
    plan.add_argument("--context", type=int, metavar="N", help=_("tokens of prompt and answer together"))
    plan.add_argument("--bandwidth", type=float, metavar="MB", help=_("MB/s of the disk, in place of measuring it"))


def _add_quantize(verbs: Any, verb: NewVerb) -> None:
    make = verb(verbs, "quantize", _("make a copy of a model in 8 bits: half to read per token, other answers"))
    make.add_argument("model", help=_("folder, or name on the hub"))
    make.add_argument("out", nargs="?", help=_("folder to make (default: int8/NAME in the models folder)"))
    prompts = _("say how far it is from the model over N random prompts (default: 4; 0: do not)")
    make.add_argument("--drift", type=int, default=4, metavar="N", help=prompts)


def run(options: Namespace) -> object:
    """Run the verb below `model`."""
    return VERBS[options.model_verb](options)


def plan(options: Namespace) -> object:
    """How a model would be loaded here."""
    from local_models.engines.model_choice import plan_address
    from qrag_lib.cli.options import settings_of

    return plan_address(
        options.model,
        settings_of(options).engine,
        memory_bytes=None if options.memory is None else int(options.memory * 2**20),
        context=options.context,
        bandwidth=None if options.bandwidth is None else options.bandwidth * 1e6,
    )


def quantize(options: Namespace) -> object:
    """Make the int8 store of a model, and measure how far it is from it."""
    from qrag_lib.cli.options import settings_of
    from qrag_lib.jobs.model_jobs import quantize as copy
    from qrag_lib.progress import shown

    with shown() as tell:
        return copy(settings_of(options), options.model, options.out, options.drift, on_progress=tell)


def stop(options: Namespace) -> object:
    """End the workers of the models folder; how many there were."""
    from local_models.clients.registry import stop_workers
    from qrag_lib.cli.options import settings_of

    n = len(stop_workers(settings_of(options).models_folder))
    return ngettext("{n} process was ended", "{n} processes were ended", n).format(n=n)


VERBS: Mapping[str, Callable[[Namespace], object]] = {
    "plan": plan,
    "quantize": quantize,
    "stop": stop,
    **hub.VERBS,
}
