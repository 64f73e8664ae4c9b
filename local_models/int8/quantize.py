"""A model's copy in 8 bits, found by its name, made in one pass and compared with the original."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local_models.engines.model_choice import find_model_files, name_of
from local_models.errors import ModelRefused
from local_models.interface.blocks import panel_html, rows_html, table_text
from local_models.interface.job_progress import Progress, quiet
from local_models.interface.messages import _
from local_models.interface.number_format import number, percent, size

if TYPE_CHECKING:
    from local_models.configuration import Configuration
    from local_models.int8.int8_drift import Drift


@dataclass(frozen=True)
class Int8Copy:
    """What was made. Sizes in bytes of the weights; drift: None where it was not measured."""

    model: str
    folder: str
    weights_bytes: int
    int8_bytes: int
    drift: Drift | None

    def _pairs(self) -> list[tuple[str, object]]:
        made = [(_("model"), self.model), (_("copy in 8 bits"), self.folder)]
        sizes = [(_("weights"), size(self.weights_bytes)), (_("weights of the copy"), size(self.int8_bytes))]
        return [*made, *sizes, *_drift_pairs(self.drift)]

    def __str__(self) -> str:
        return table_text(["", ""], self._pairs())

    def _repr_html_(self) -> str:
        return panel_html(_("Copy in 8 bits"), rows_html(self._pairs()), calm=True)._repr_html_()


def make_int8(
    model: str,
    config: Configuration,
    out: Path | None = None,
    *,
    n_prompts: int = 4,
    on_progress: Progress = quiet,
) -> Int8Copy:
    """The int8 copy of a model, which `auto:` and `offload:` take like any other; nothing of it is identical.

    model: a folder or a hub name. out: the folder to make; unset, `int8/NAME` in the models folder. A copy that
    is already there is only compared. n_prompts: random prompts of the comparison, 0 for none.
    Raises NotFound, ModelRefused, ModelDamaged, DiskFull.
    """
    from local_models.checkpoint.model_safety import check_llm_folder
    from local_models.checkpoint.weights import open_weights
    from local_models.int8.int8_drift import measure_drift
    from local_models.int8.int8_store import quantize

    folder = find_model_files(model, config)
    if folder.is_file():
        raise ModelRefused(
            _("{path} is a GGUF file, which has its own kinds of few bits").format(path=folder),
            hint=_("give the folder of the model in safetensors or .bin"),
        )
    check_llm_folder(folder)
    made = quantize(folder, out or config.models_folder / "int8" / name_of(folder).replace("/", "--"), on_progress)
    drift = measure_drift(folder, made, n=n_prompts, on_progress=on_progress) if n_prompts > 0 else None
    return Int8Copy(name_of(folder), str(made), open_weights(folder).n_bytes, open_weights(made).n_bytes, drift)


def _drift_pairs(drift: Drift | None) -> list[tuple[str, object]]:
    if drift is None:
        return []
    return [
        (_("divergence of the next token (KL, nats): mean"), number(drift.kl_mean, 4)),
        (_("divergence of the next token (KL, nats): largest"), number(drift.kl_max, 4)),
        (_("places where both take the same token"), percent(drift.same_first)),
        (_("places compared"), drift.n_tokens),
    ]
