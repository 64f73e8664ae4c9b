"""Models got and kept where the settings say: each a call, with nothing asked of the network but what is named here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from local_models.clients.registry import dismiss_idle
from local_models.configuration import Configuration
from local_models.errors import NotFound
from local_models.hub.cache import (
    USELESS,
    CachedModels,
    Cleaning,
    Kind,
    find_computed,
    find_waste,
    list_models,
    remove,
)
from local_models.hub.cache_layout import Repository, find
from local_models.hub.download import DownloadPlan, Wanted, download, plan_download
from local_models.hub.hub_client import Hub
from local_models.hub.retries import Say
from local_models.hub.verify import Verification, repair, verify
from local_models.interface.job_progress import Progress, quiet
from local_models.interface.messages import _

MORE: tuple[Kind, ...] = (*USELESS, "unfinished", "detached")


def plan_of_download(model: str, config: Configuration, hub: Hub, **wanted: str | None) -> DownloadPlan:
    """What a download would fetch. wanted: revision, and pattern of a GGUF file. Asks the hub."""
    return plan_download(hub, _wanted(model, config, **wanted), config.hub_folder)


def download_model(
    model: str, config: Configuration, hub: Hub, *, tell: Progress = quiet, **wanted: str | None
) -> Verification:
    """A model from the hub, whole and checked; see `download`. wanted: revision, and pattern of a GGUF file."""
    folder = download(hub, _wanted(model, config, **wanted), config.hub_folder, tell=tell)
    return verify(folder, deep=False)


def verify_model(
    model: str, config: Configuration, *, deep: bool = True, anew: bool = False, tell: Progress = quiet
) -> Verification:
    """What is wrong with the files of a model: a folder, a GGUF file's folder, or a name on the hub."""
    return verify(kept_folder(model, config), deep=deep, anew=anew, tell=tell)


def repair_model(model: str, config: Configuration, hub: Hub, *, tell: Progress = quiet) -> Verification:
    """A model after its broken files were fetched again; nothing is asked where none is broken.

    A worker that has loaded the broken ones ends, or is not asked again.
    """
    found = verify_model(model, config, tell=tell)
    if found.healthy:
        return found
    dismiss_idle(config.models_folder, found.folder)
    return repair(hub, found, tell=tell)


def models_kept(config: Configuration) -> CachedModels:
    """The models that were fetched."""
    return list_models(config.hub_folder)


def removal(model: str, config: Configuration) -> Cleaning:
    """The removal of a model; nothing is gone before `apply`."""
    return remove(model, config.hub_folder)


def cleaning(config: Configuration, *, everything: bool = False) -> Cleaning:
    """What can go of models and of what they computed; nothing is gone before `apply`.

    everything: downloads that could go on and versions that no branch stands at, too.
    """
    found = find_waste(config.hub_folder, MORE if everything else USELESS)
    limit_bytes = int(config.prefix_cache_mib * 2**20)
    return replace(found, items=found.items + find_computed(config.computed_folder / "prefixes", limit_bytes).items)


def open_hub(endpoint: str | None = None, *, token: str | bool | None = None, say: Say = lambda text: None) -> Hub:
    """The hub, to be closed; see `Hub`."""
    return Hub(endpoint, token=token, say=say)


def kept_folder(model: str, config: Configuration) -> Path:
    """The folder of a model, be it whole or not. Raises NotFound."""
    path = Path(model).expanduser()
    if model and path.is_dir():
        return path
    if model and path.is_file():
        return path.parent
    if model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise NotFound(_("there is no model at {path}").format(path=model))
    repository = Repository(config.hub_folder, model)
    commit = repository.commit_of("main")
    snapshot = repository.snapshot(commit) if commit else None
    return snapshot if snapshot and snapshot.is_dir() else find(model, config.hub_folder)


def _wanted(model: str, config: Configuration, *, revision: str | None = None, pattern: str | None = None) -> Wanted:
    return Wanted(
        model,
        revision or "main",
        pattern,
        use_safetensors=config.use_safetensors,
        least_free_bytes=int(config.min_free_disk_gib * 2**30),
    )
