"""Which language model answers: what `auto:` chooses from what is on the disk, and the plan of any address."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from local_models.errors import ModelError, NotFound, SettingsError
from local_models.interface.messages import _
from local_models.planning.load_plan import LoadPlan

if TYPE_CHECKING:
    from local_models.configuration import Configuration
    from local_models.planning.memory import Memory

AUTO, OFFLOAD, GGUF, OPENAI = "auto:", "offload:", "gguf:", "openai:"
MEASURED_S = 2.0  # how long the disk is read to know its speed
_DEPTH = 5  # folders below the models folder that are looked into: huggingface/models--a--b/snapshots/commit
_NOT_MODELS = ("blobs", "refs", "offload", "qrag")


def choose_address(config: Configuration, memory: Memory | None = None) -> tuple[str, str]:
    """The address that `auto:` stands for, and why.

    In this order: what the setting model_path names, if it fits the memory; the server of openai_url; of
    the models in models_cache the largest that fits in memory, else the one that reads least from disk at
    every token; else `otherwise`. memory: what there is, unset for what is free now.
    Raises NotFound where model_path names nothing, or nothing can be run and `otherwise` is empty.
    """
    memory_bytes = memory.available if memory else None
    refusal = ""
    if config.model_path is not None:
        plan = _planned(_named(config.model_path), config, memory_bytes)
        if not plan.refused:
            return _address(plan), _("the setting model_path names it; {reason}").format(reason=plan.reason)
        refusal = plan.reason
    if config.openai_url:
        return OPENAI + config.openai_url, refusal or _("the setting openai_url names a server")
    if best := _best(config, memory_bytes):
        return _address(best), refusal or f"{name_of(Path(best.model))}: {best.reason}"
    reason = refusal or _none(config)
    if not config.otherwise:
        raise NotFound(reason, hint=_("qrag model download NAME fetches one"))
    return config.otherwise, reason


def plan_address(
    address: str | None,
    config: Configuration,
    *,
    memory_bytes: int | None = None,
    context: int | None = None,
    bandwidth: float | None = None,
    measure: bool = True,
) -> LoadPlan:
    """The plan for an address, a folder, a GGUF file or a hub name; None for what the setting model says.

    measure: read the model's file for two seconds to know the speed of the disk, where none is given.
    Raises NotFound where there is no such model on this disk, ModelError for an address that loads nothing,
    SettingsError for a number that is not above 0.
    """
    for name, number in (("memory", memory_bytes), ("context", context), ("bandwidth", bandwidth)):
        if number is not None and number <= 0:
            raise SettingsError(_("{name} is {number}; it must be above 0").format(name=name, number=number))
    path = _path_of(address or config.model, config, memory_bytes)
    plan = _planned(path, config, memory_bytes, context, bandwidth)
    if measure and bandwidth is None and not plan.refused:
        from local_models.streaming.weight_stream import measure_bandwidth

        return _planned(path, config, plan.memory_bytes, plan.context, measure_bandwidth(path, MEASURED_S))
    return plan


def find_model_files(name: str, config: Configuration) -> Path:
    """The folder or GGUF file of a name: a path, or what the hub calls it, taken from models_cache.

    Raises NotFound where there is none.
    """
    path = Path(name).expanduser()
    if name and path.exists():
        return _named(path)
    if name.count("/") == 1 and not name.startswith((".", "~", "/")):
        from local_models.hub.cache_layout import find

        return find(name, config.hub_folder)
    raise NotFound(
        _("there is no language model at {name}").format(name=name or '""'),
        hint=_("give a folder with config.json, a GGUF file, or a hub name such as deepseek-ai/deepseek-llm-7b-chat"),
    )


def installed(config: Configuration) -> Iterator[Path]:
    """Folders and GGUF files below models_cache that look like language models, broken ones and too large ones too."""
    top = config.models_folder
    for folder, names, files in os.walk(top):
        here = Path(folder)
        depth = len(here.relative_to(top).parts)
        names[:] = sorted(n for n in names if depth < _DEPTH and n not in _NOT_MODELS and not n.startswith("."))
        if "config.json" in files and _may_write(here):
            yield here
        yield from (here / name for name in sorted(files) if name.endswith(".gguf") and _is_first(name))


def name_of(path: Path) -> str:
    """What people call the model: its name on the hub, or that of its folder or file."""
    from local_models.hub.cache_layout import repository_of

    found = repository_of(path if path.is_dir() else path.parent)
    return found[0].model if found else path.name


def llama_cpp_is_there(config: Configuration) -> bool:
    """True where a GGUF file could be answered from: by the package, or by the program that the settings name."""
    return config.llama_cpp_path is not None or find_spec("llama_cpp") is not None


def _best(config: Configuration, memory_bytes: int | None) -> LoadPlan | None:
    plans = []
    for path in installed(config):
        with suppress(ModelError, NotFound):  # an embedding model, a download that is not whole
            plans.append(_planned(path, config, memory_bytes))
    fitting = [plan for plan in plans if not plan.refused and _can_run(plan, config)]
    held = [plan for plan in fitting if plan.mode == "memory"]
    if held:
        return max(held, key=lambda plan: plan.weights_bytes)
    return min(fitting, key=lambda plan: plan.bytes_per_token, default=None)


def _may_write(folder: Path) -> bool:
    """False for an embedding model; True where the configuration cannot be read, for then something is broken."""
    from local_models.checkpoint.model_folder import read_json
    from local_models.planning.footprint import writes_text

    try:
        return writes_text(read_json(folder / "config.json"))
    except ModelError:
        return True


def _can_run(plan: LoadPlan, config: Configuration) -> bool:
    return not plan.model.endswith(".gguf") or llama_cpp_is_there(config)


def _none(config: Configuration) -> str:
    if any(installed(config)):
        return _("no language model in {folder} can be run here").format(folder=config.models_folder)
    return _("there is no language model in {folder}").format(folder=config.models_folder)


def _path_of(address: str, config: Configuration, memory_bytes: int | None) -> Path:
    if address == AUTO:
        from local_models.planning.memory import Memory

        limit = Memory(memory_bytes, memory_bytes, memory_bytes, 0) if memory_bytes else None
        address, reason = choose_address(config, limit)
        if address == config.otherwise and config.model_path:
            return _named(config.model_path)  # the plan itself says why it does not fit
        if address == config.otherwise:
            raise NotFound(reason, hint=_("qrag model download NAME fetches one; until then the answers are quotes"))
    kind, _colon, name = address.partition(":")
    if kind + ":" in (OFFLOAD, GGUF):
        return find_model_files(name, config)
    if kind + ":" in (OPENAI, config.otherwise):
        raise ModelError(
            _("{address} loads nothing here, so there is nothing to plan").format(address=address),
            hint=_("plan a folder, a GGUF file or a model of the hub"),
        )
    return find_model_files(address, config)


def _planned(
    path: Path,
    config: Configuration,
    memory_bytes: int | None,
    context: int | None = None,
    bandwidth: float | None = None,
) -> LoadPlan:
    from local_models.planning.gguf_plan import plan_gguf
    from local_models.planning.plan import plan_load

    plan = plan_gguf if path.is_file() else plan_load
    return plan(path, memory_bytes=memory_bytes, context=context, bandwidth=bandwidth, config=config)


def _address(plan: LoadPlan) -> str:
    return (GGUF if plan.model.endswith(".gguf") else OFFLOAD) + plan.model


def _named(path: Path) -> Path:
    """The path, where it can be a model. A snapshot of the hub that holds one GGUF file stands for that."""
    if path.is_file() and path.suffix == ".gguf":
        return path
    if path.is_dir() and (path / "config.json").is_file():
        return path
    if path.is_dir() and len(found := sorted(p for p in path.glob("*.gguf") if _is_first(p.name))) == 1:
        return found[0]
    raise NotFound(
        _("there is no language model at {name}").format(name=path),
        hint=_("give a folder with config.json and weights, or a GGUF file"),
    )


def _is_first(name: str) -> bool:
    """False for the later parts of a GGUF file that was split, which llama.cpp finds by itself."""
    return "-of-" not in name or "-00001-of-" in name
