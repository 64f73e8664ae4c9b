"""A model of any architecture that transformers knows, all of it in memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_models.errors import ModelDamaged, ModelRefused
from local_models.interface.messages import _, ngettext

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def load_whole(folder: Path, *, device: str = "cpu") -> PreTrainedModel:
    """The model in a folder that passed `intake.check_llm_folder`, in the type of its weights.

    Raises ModelRefused for an architecture that writes no text, ModelDamaged where a weight is missing:
    transformers would fill it with random numbers.
    """
    from transformers import AutoModelForCausalLM

    from local_models.checkpoint.model_safety import weights_files

    untyped: Any = AutoModelForCausalLM
    placed = {"device_map": {"": device}} if device != "cpu" else {}
    # in a folder that holds both forms, transformers may take another file than the one that was checked
    checked = {"use_safetensors": weights_files(folder)[0].suffix == ".safetensors"}
    options = {"dtype": "auto", "local_files_only": True, "trust_remote_code": False, "output_loading_info": True}
    try:
        model, info = untyped.from_pretrained(folder, **options, **placed, **checked)
    except KeyError as error:
        raise ModelRefused(_("{folder} is of an unknown architecture").format(folder=folder)) from error
    except OSError as error:
        message = _("{folder} cannot be loaded: {error}").format(folder=folder, error=error)
        raise ModelDamaged(
            message, path=str(folder), hint=_("qrag model verify {folder}").format(folder=folder)
        ) from error
    if missing := sorted(info["missing_keys"]):
        raise ModelDamaged(
            ngettext("{n} weight is missing: {names}", "{n} weights are missing: {names}", len(missing)).format(
                n=len(missing), names=", ".join(missing[:3])
            ),
            path=str(folder),
            hint=_("qrag model repair {folder}").format(folder=folder),
        )
    loaded: PreTrainedModel = model
    return loaded
