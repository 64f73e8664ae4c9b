"""The engines that a worker may build, by name; nothing else is ever built or imported for a client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from local_models.engines.generation import Engine
from local_models.errors import ModelRefused
from local_models.interface.messages import _

Reason = Literal["memory", "device map"]
Built = tuple[Engine, Mapping[str, Any]]  # an engine, and what JSON can say of how it was built
Arguments = Mapping[str, Any]  # what JSON can say


@dataclass(frozen=True, slots=True)
class Factory:
    """Names of two functions, as "module:function".

    build: arguments -> (Engine, what there is to say of it), called in the worker.
    smaller: (arguments, reason) -> arguments of a plan that takes less, or None; called in the client, so it is light.
    """

    build: str
    smaller: str


FACTORIES: Mapping[str, Factory] = {
    "offload": Factory("local_models.worker.hosted_model:build", "local_models.worker.hosted_model:smaller"),
    "embedding": Factory("local_models.worker.hosted_embedder:build", "local_models.worker.hosted_embedder:smaller"),
    "gguf": Factory("local_models.llama_cpp.gguf:build", "local_models.llama_cpp.gguf:smaller"),
}


def build(factories: Mapping[str, Factory], name: str, arguments: Arguments) -> Built:
    """The engine of that name. Raises ModelRefused for a name that is not on the list."""
    built: Built = _function(_known(factories, name).build)(arguments)
    return built


def smaller(factories: Mapping[str, Factory], name: str, arguments: Arguments, reason: Reason) -> Arguments | None:
    """Arguments of the next smaller plan; None where there is none."""
    found: Arguments | None = _function(_known(factories, name).smaller)(arguments, reason)
    return found


def _known(factories: Mapping[str, Factory], name: str) -> Factory:
    if name not in factories:
        raise ModelRefused(
            _("a worker builds no {name!r}").format(name=name),
            hint=_("it builds: {names}").format(names=", ".join(sorted(factories))),
        )
    return factories[name]


def _function(name: str) -> Callable[..., Any]:
    module, _colon, function = name.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found
