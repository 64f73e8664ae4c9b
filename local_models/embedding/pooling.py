"""What a sentence embedding model does around its transformer: prefixes, length, pooling."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from local_models.checkpoint.model_folder import read_json
from local_models.errors import ModelError
from local_models.interface.messages import _

if TYPE_CHECKING:
    import torch

Pooling = Literal["mean", "cls", "max", "lasttoken"]
_KNOWN_MODULES = ("Transformer", "Pooling", "Normalize")


@dataclass(frozen=True)
class Recipe:
    """How token states become a vector, read from the files that sentence-transformers writes.

    max_tokens: word pieces of one input, special tokens included; None where no file says it.
    """

    transformer: Path
    pooling: Pooling = "mean"
    max_tokens: int | None = None
    query_prefix: str = ""
    passage_prefix: str = ""


def read_recipe(folder: Path) -> Recipe:
    """The recipe of the model in the folder; mean pooling where nothing is written.

    Raises ModelError for modules other than a transformer, pooling and normalisation.
    """
    modules = read_json(folder / "modules.json") if (folder / "modules.json").is_file() else []
    paths = {str(m["type"]).rsplit(".", 1)[-1]: folder / str(m["path"]) for m in modules}
    unknown = [name for name in paths if name not in _KNOWN_MODULES]
    if unknown:
        raise ModelError(
            _("{folder} needs the module {names}; known are {known}").format(
                folder=folder, names=", ".join(unknown), known=", ".join(_KNOWN_MODULES)
            )
        )
    transformer = paths.get("Transformer", folder)
    prompts = _prompts(folder)
    return Recipe(
        transformer,
        _pooling(paths["Pooling"]) if "Pooling" in paths else "mean",
        _max_tokens(transformer),
        prompts.get("query", prompts.get("", "")),
        prompts.get("document", prompts.get("passage", prompts.get("", ""))),
    )


def _prompts(folder: Path) -> dict[str, str]:
    """Prefixes by name; the default one under the empty name."""
    path = folder / "config_sentence_transformers.json"
    config: dict[str, Any] = read_json(path) if path.is_file() else {}
    prompts = {str(k): str(v) for k, v in (config.get("prompts") or {}).items()}
    return prompts | {"": prompts.get(config.get("default_prompt_name") or "", "")}


def _max_tokens(transformer: Path) -> int | None:
    path = transformer / "sentence_bert_config.json"
    limit = read_json(path).get("max_seq_length") if path.is_file() else None
    return int(limit) if limit else None


def _pooling(folder: Path) -> Pooling:
    """The one pooling mode of a Pooling module, in the spelling of old and new releases."""
    config = read_json(folder / "config.json")
    flags = {"mean_tokens": "mean", "cls_token": "cls", "max_tokens": "max", "lasttoken": "lasttoken"}
    modes = [config["pooling_mode"]] if "pooling_mode" in config else []
    modes += [key.removeprefix("pooling_mode_") for key in config if key.startswith("pooling_mode_") and config[key]]
    names: list[Pooling] = [m for m in (flags.get(mode, mode) for mode in modes) if m in flags.values()]
    if len(names) != 1 or len(modes) != 1:
        raise ModelError(_("pooling {modes} of {folder} is not known").format(modes=modes, folder=folder))
    return names[0]


def pool(states: torch.Tensor, mask: torch.Tensor, how: Pooling) -> torch.Tensor:
    """One unit vector a text, in float32, from token states (n, t, d) and their mask (n, t)."""
    import torch

    states = states.float()
    if how == "cls":
        pooled = states[:, 0]
    elif how == "lasttoken":
        last = mask.cumsum(1).argmax(1)  # (n,), also where the padding stands on the left
        pooled = states[torch.arange(len(states), device=states.device), last]
    elif how == "max":
        pooled = states.masked_fill(mask[..., None] == 0, -torch.inf).amax(1)
    else:
        weights = mask[..., None].float()  # (n, t, 1), 0 on padding
        pooled = (states * weights).sum(1) / weights.sum(1).clamp(min=1)
    return torch.nn.functional.normalize(pooled, dim=1)
