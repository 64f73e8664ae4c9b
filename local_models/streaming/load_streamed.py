"""Loading a Llama-type model whose weights stay on the disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from local_models.checkpoint.model_folder import read_json
from local_models.checkpoint.tensor_location import Place, damaged
from local_models.checkpoint.weights import Weights, open_weights
from local_models.errors import ModelRefused
from local_models.interface.messages import _, ngettext
from local_models.planning.footprint import STREAMED
from local_models.streaming.row_blocks import Cut, cut_rows
from local_models.streaming.streamed_layers import DTYPES, RowEmbedding, Rows, StreamedLinear, read_tensor
from local_models.streaming.streamed_model import make_streamed
from local_models.streaming.weight_stream import BLOCK_BYTES, RING_BYTES, WeightStream

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

SCALE = ".weight_scale"  # of a layer in int8: one factor a row
_GPU_RESERVE = 2 * 2**30  # bytes of a GPU left for keys, values and activations


def load_streamed(
    folder: Path,
    *,
    resident_bytes: int = 0,
    ring_bytes: int = RING_BYTES,
    block_bytes: int = BLOCK_BYTES,
    device: str = "cpu",
    poison: bool = False,
) -> PreTrainedModel:
    """The model in a folder, ready for transformers' `generate`; its attribute `stream` tells what was read.

    resident_bytes: of the linear layers, what is held in memory; on a GPU, 0 means as much as fits there.
    ring_bytes, block_bytes: the buffers that the rest passes through. poison: see WeightStream.
    Norms and biases are in memory, embedding rows are read as tokens ask for them. The folder should have
    passed `intake.check_llm_folder`; no code of it is run in any case.
    Raises ModelRefused for an architecture that is not of STREAMED, ModelDamaged where the weights are not
    those that the configuration describes.
    """
    config = _config(folder)
    weights = open_weights(folder)
    model = _skeleton(config, _dtype(config, weights))
    linears = _places(model, nn.Linear, weights)
    embeddings = _places(model, nn.Embedding, weights)
    _check_types({**embeddings, **linears})
    _check_known(model, weights)
    cuts = cut_rows(linears, block_bytes, resident_bytes or _fits(device))
    streamed = [cut.block for cut in cuts if not cut.keep]
    stream = WeightStream(streamed, ring_bytes=ring_bytes, poison=poison)
    rows = _rows(cuts, linears, ring_bytes, device)
    for name, place in linears.items():
        bias, scale = _small(weights, f"{name}.bias", model.dtype, device), _scale(weights, name, model.dtype, device)
        model.set_submodule(name, StreamedLinear(stream, place, rows[name], bias, scale))
    for name, place in embeddings.items():
        model.set_submodule(name, RowEmbedding(place, model.dtype))
    _fill_rest(model, weights, device)
    _finish(model, folder)
    make_streamed(model, stream)
    return model


def _config(folder: Path) -> PreTrainedConfig:
    from transformers import AutoConfig

    kind = read_json(folder / "config.json").get("model_type")
    if kind not in STREAMED:
        raise ModelRefused(
            _("a model of type {kind} cannot be streamed; these can: {known}").format(
                kind=kind, known=", ".join(STREAMED)
            ),
            hint=_("load it in memory, or serve it by another program and use openai:<address>"),
        )
    try:
        config: PreTrainedConfig = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise damaged(folder / "config.json", str(error)) from error
    return config


def _dtype(config: PreTrainedConfig, weights: Weights) -> torch.dtype:
    """The type to compute in: the configuration's, or else that of the embedding."""
    wanted: Any = getattr(config, "dtype", None)
    if isinstance(wanted, torch.dtype):
        return wanted
    place = weights.get("model.embed_tokens.weight")
    return DTYPES.get(place.dtype, torch.bfloat16) if place else torch.bfloat16


def _skeleton(config: PreTrainedConfig, dtype: torch.dtype) -> PreTrainedModel:
    """The model without weights. Its buffers are real, and stay in the type they are made in: positions need fp32."""
    from accelerate import init_empty_weights  # type: ignore[import-untyped]
    from transformers import AutoModelForCausalLM

    untyped: Any = AutoModelForCausalLM
    with init_empty_weights():
        model: PreTrainedModel = untyped.from_config(config, dtype=dtype).eval()
    return model.requires_grad_(False)


def _places(model: PreTrainedModel, kind: type[nn.Module], weights: Weights) -> dict[str, Place]:
    """Where the weights of the layers of a kind lie, in the order of the layers, which is that of their use."""
    found = {}
    for name, module in model.named_modules():
        if isinstance(module, kind):
            place = _weight(model, name, weights)
            expected = tuple(getattr(module, "weight").shape)  # noqa: B009
            if place.shape != expected:
                what = _("tensor {name} has the shape {shape}, and the configuration says {expected}")
                raise damaged(place.file, what.format(name=name, shape=list(place.shape), expected=list(expected)))
            found[name] = place
    return found


def _weight(model: PreTrainedModel, name: str, weights: Weights) -> Place:
    """Where a layer's weight lies; that of a tied head is the embedding's."""
    tied = name == "lm_head" and model.config.tie_word_embeddings
    for key in (f"{name}.weight", "model.embed_tokens.weight" if tied else f"{name}.weight"):
        if key in weights:
            return weights[key]
    raise damaged(weights.files[0].parent, _("tensor {name} is missing").format(name=f"{name}.weight"))


def _check_types(places: Mapping[str, Place]) -> None:
    """Raise ModelDamaged where one weight is of another type than the others: a header that lies would do that."""
    first = next(iter(places.values()))  # the embedding
    for name, place in places.items():
        if place.dtype not in DTYPES or (place.dtype != first.dtype and place.dtype != "I8") or first.dtype == "I8":
            what = _("tensor {name} is of type {dtype}, and the embedding of {expected}")
            raise damaged(place.file, what.format(name=name, dtype=place.dtype, expected=first.dtype))


def _check_known(model: PreTrainedModel, weights: Weights) -> None:
    """Raise ModelRefused for tensors that the architecture has no place for: the text would be another model's."""
    known = {name for name, _value in (*model.named_parameters(), *model.named_buffers())} | {"lm_head.weight"}
    known |= {name.removesuffix(".weight") + SCALE for name in known}
    strange = sorted(name for name in weights if name not in known and not name.endswith("rotary_emb.inv_freq"))
    if strange:
        raise ModelRefused(
            ngettext(
                "{n} tensor has no place in a {kind} model: {names}",
                "{n} tensors have no place in a {kind} model: {names}",
                len(strange),
            ).format(n=len(strange), kind=model.config.model_type, names=", ".join(strange[:3])),
            hint=_("these are the weights of another architecture than config.json names"),
        )


def _fits(device: str) -> int:
    """Bytes of weights that a GPU has room for beside the rest; 0 on the CPU."""
    if not device.startswith("cuda"):
        return 0
    free, _total = torch.cuda.mem_get_info(device)
    return max(0, free - _GPU_RESERVE)


def _rows(cuts: Iterable[Cut], places: Mapping[str, Place], ring_bytes: int, device: str) -> dict[str, list[Rows]]:
    """The row blocks of each layer: read into memory, or numbered as in the stream."""
    cuts = list(cuts)
    once = WeightStream([cut.block for cut in cuts if cut.keep], ring_bytes=ring_bytes)
    rows: dict[str, list[Rows]] = {name: [] for name in places}
    kept = streamed = 0
    for cut in cuts:
        if cut.keep:
            with once.hold(kept) as block:
                flat = torch.frombuffer(block, dtype=DTYPES[places[cut.name].dtype])
                tensor = flat.view(cut.stop - cut.start, -1).to(device, copy=True)
            rows[cut.name].append(Rows(cut.start, cut.stop, kept=tensor))
            kept += 1
        else:
            rows[cut.name].append(Rows(cut.start, cut.stop, index=streamed))
            streamed += 1
    once.close()
    return rows


def _small(weights: Weights, name: str, dtype: torch.dtype, device: str) -> torch.Tensor | None:
    """A tensor of some kilobytes, in memory; None where there is none of the name."""
    return read_tensor(weights[name]).to(device, dtype) if name in weights else None


def _scale(weights: Weights, name: str, dtype: torch.dtype, device: str) -> torch.Tensor | None:
    """The row factors of a layer in int8. Raises ModelDamaged where they are missing."""
    place = weights.get(f"{name}.weight")
    if place is None or place.dtype != "I8":
        return None
    scale = _small(weights, name + SCALE, dtype, device)
    if scale is None or scale.shape != place.shape[:1]:
        raise damaged(place.file, _("the row factors of {name} are missing or too few").format(name=name))
    return scale


def _fill_rest(model: PreTrainedModel, weights: Weights, device: str) -> None:
    """Norms from the file, buffers where they are. Raises ModelDamaged for a parameter that no file has."""
    from accelerate.utils import set_module_tensor_to_device  # type: ignore[import-untyped]

    for name, parameter in list(model.named_parameters()):
        value = _small(weights, name, model.dtype, device)
        if value is None or value.shape != parameter.shape:
            raise damaged(weights.files[0].parent, _("tensor {name} is missing or of another shape").format(name=name))
        set_module_tensor_to_device(model, name, device, value=value)
    for name, buffer in list(model.named_buffers()):
        set_module_tensor_to_device(model, name, device, value=buffer)


def _finish(model: PreTrainedModel, folder: Path) -> None:
    """The settings of `generate` that come with the model; a padding token where the card names none."""
    from transformers import GenerationConfig

    model.name_or_path = str(folder)
    if (folder / "generation_config.json").is_file():
        model.generation_config = GenerationConfig.from_pretrained(folder, local_files_only=True)
    settings: Any = model.generation_config
    if settings.pad_token_id is None and settings.eos_token_id is not None:
        ends = settings.eos_token_id
        settings.pad_token_id = ends[0] if isinstance(ends, list) else ends
