"""Models fetched and copied, as jobs of the workspace that the settings name, where there is one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from qrag_lib.catalog import FILE
from qrag_lib.jobs.job_log import JobLog
from qrag_lib.progress import Progress, quiet

if TYPE_CHECKING:
    from local_models.hub.verify import Verification
    from local_models.int8.quantize import Int8Copy
    from qrag_lib.settings import Settings


def download(
    settings: Settings,
    model: str,
    *,
    revision: str | None = None,
    pattern: str | None = None,
    endpoint: str | None = None,
    token: bool = False,
    on_progress: Progress = quiet,
    say: Callable[[str], None] = lambda text: None,
) -> Verification:
    """A model from the hub, whole and checked; see `local_models.hub.download`. token: send the one of the hub."""
    from local_models.hub.model_store import download_model, open_hub

    again = {"model": model, "revision": revision, "pattern": pattern, "endpoint": endpoint, "token": token}
    with (
        open_hub(endpoint, token=True if token else None, say=say) as hub,
        JobLog(settings.workspace / FILE).run("model download", again, on_progress) as told,
    ):
        return download_model(model, settings.engine, hub, tell=told, revision=revision, pattern=pattern)


def quantize(
    settings: Settings, model: str, out: str | None = None, n_prompts: int = 4, *, on_progress: Progress = quiet
) -> Int8Copy:
    """The copy of a model in 8 bits; see `local_models.int8.quantize`."""
    from local_models.int8.quantize import make_int8

    again = {"model": model, "out": out and str(Path(out).absolute()), "n_prompts": n_prompts}
    with JobLog(settings.workspace / FILE).run("model quantize", again, on_progress) as told:
        return make_int8(model, settings.engine, Path(out) if out else None, n_prompts=n_prompts, on_progress=told)
