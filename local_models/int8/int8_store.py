"""The int8 store: a model's folder like any other, made once from one in bf16.

Its linear weights are of type I8, each with its row factors beside it as `<layer>.weight_scale`; embedding and norms
stay as they were. `qrag_int8.json` names the weights it was made from.
"""

from __future__ import annotations

import errno
import json
import mmap
import os
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from local_models.checkpoint.fingerprint import fingerprint
from local_models.checkpoint.model_folder import read_json
from local_models.checkpoint.weights import Place, Weights, open_weights
from local_models.errors import DiskFull, ModelDamaged, ModelError, ModelRefused
from local_models.int8.int8_layers import quantize_rows
from local_models.interface.job_progress import Progress, quiet
from local_models.interface.messages import _
from local_models.planning.footprint import STREAMED
from local_models.streaming.direct_reading import WeightsFile, room_for

MARKER = "qrag_int8.json"
VERSION = 1
SCALE = "_scale"  # after the name of the weight
BLOCK_BYTES = 2**21
_TYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_EVEN = 64  # bytes; int8 products need places that 16 divides


def quantize(folder: Path, out: Path, on_progress: Progress = quiet) -> Path:
    """The folder `out`, which holds the model in int8; made in one pass, in blocks: 130 MB beside torch itself.

    It has its name only once it is whole: what a killed process leaves ends in .part, and is made anew. A store
    of the same weights is left as it is; a second process waits for the first, and takes what that made. Raises
    ModelRefused where `out` is something else or the model's family cannot be streamed, DiskFull, ModelDamaged
    where a weight is not a number.
    """
    _check_family(folder)
    out.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(out.with_name(f".{out.name}.lock")):
        return _made(folder, out, on_progress)


def _made(folder: Path, out: Path, on_progress: Progress) -> Path:
    source = fingerprint(folder)
    if out.exists():
        return _check_made(out, source)
    weights = open_weights(folder)
    plan = _Plan(weights)
    part = out.with_name(out.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    _check_room(out, plan.n_bytes)
    try:
        part.mkdir(parents=True)
        _copy_small_files(folder, part)
        _write_weights(part / "model.safetensors", weights, plan, on_progress)
        (part / MARKER).write_text(json.dumps({"version": VERSION, "source": source}), "utf-8")
        part.rename(out)
    except OSError as error:
        raise _not_written(error, out, plan.n_bytes) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return out


def _check_family(folder: Path) -> None:
    """Raise ModelRefused for a model that only transformers loads: it would read the numbers without their factors."""
    kind = read_json(folder / "config.json").get("model_type")
    if kind not in STREAMED:
        raise ModelRefused(
            _("a model of type {kind} has no copy in 8 bits; these have: {known}").format(
                kind=kind, known=", ".join(STREAMED)
            )
        )


class _Plan:
    """What goes where in the file: tables first, so that they begin at even places, then vectors and factors."""

    def __init__(self, weights: Weights) -> None:
        self.linear = {name for name, place in weights.items() if _is_linear(name, place)}
        tables = [name for name, place in weights.items() if len(place.shape) > 1]
        self.order = [*tables, *(name for name in weights if name not in set(tables))]
        self.entries: dict[str, dict[str, Any]] = {}
        self._end = 0
        for name in self.order:
            place = weights[name]
            eight = name in self.linear
            self._add(
                name, "I8" if eight else place.dtype, place.shape, place.n_bytes // (_width(place) if eight else 1)
            )
        for name in (name for name in self.order if name in self.linear):
            place = weights[name]
            self._add(name + SCALE, place.dtype, place.shape[:1], place.shape[0] * _width(place))
        self.n_bytes = self._end

    def _add(self, name: str, dtype: str, shape: tuple[int, ...], n_bytes: int) -> None:
        offsets = [self._end, self._end + n_bytes]
        self.entries[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": offsets}
        self._end += n_bytes

    def header(self) -> bytes:
        """The beginning of a safetensors file, filled up with spaces so that the tensors begin at an even place."""
        text = json.dumps({"__metadata__": {"format": "pt"}, **self.entries}).encode()
        text += b" " * (-(8 + len(text)) % _EVEN)
        return struct.pack("<Q", len(text)) + text


def _is_linear(name: str, place: Place) -> bool:
    table = len(place.shape) == 2 and name.endswith(".weight") and place.dtype in _TYPES
    return table and "embed_tokens" not in name


def _width(place: Place) -> int:
    return _TYPES[place.dtype].itemsize


def _write_weights(path: Path, weights: Weights, plan: _Plan, on_progress: Progress) -> None:
    files = {file: WeightsFile(file) for file in weights.files}
    buffer = memoryview(mmap.mmap(-1, room_for(max(BLOCK_BYTES, max(p.row_bytes for p in weights.values())))))
    factors: list[torch.Tensor] = []
    done = 0
    with path.open("wb") as out:
        out.write(plan.header())
        for name in plan.order:
            place = weights[name]
            for block in _blocks(place, files[place.file], buffer):
                out.write(_packed(name, place, block, factors) if name in plan.linear else block)
                done += len(block)
                on_progress("quantize", done, weights.n_bytes)
        for factor in factors:
            out.write(_raw(factor))
        out.flush()
        os.fsync(out.fileno())


def _blocks(place: Place, file: WeightsFile, buffer: memoryview) -> Iterator[memoryview]:
    """The bytes of a tensor, some whole rows at a time, each valid until the next."""
    step = max(1, BLOCK_BYTES // max(1, place.row_bytes)) * place.row_bytes
    for at in range(0, place.n_bytes, step or 1):
        n = min(step, place.n_bytes - at)
        begin, _read = file.read(place.offset + at, n, buffer)
        yield buffer[begin : begin + n]


def _packed(name: str, place: Place, block: memoryview, factors: list[torch.Tensor]) -> memoryview:
    dtype = _TYPES[place.dtype]
    rows = torch.frombuffer(block, dtype=dtype).view(-1, place.shape[1])
    eight, scale = quantize_rows(rows, dtype)
    if not scale.isfinite().all():
        raise ModelDamaged(
            _("{path}: the tensor {name} holds what is not a number").format(path=place.file, name=name),
            path=str(place.file),
            hint=_("fetch the file again"),
        )
    factors.append(scale)
    return _raw(eight)


def _raw(tensor: torch.Tensor) -> memoryview:
    data: memoryview = tensor.contiguous().view(torch.uint8).numpy().reshape(-1).data
    return data


def _check_made(out: Path, source: str) -> Path:
    try:
        made = json.loads((out / MARKER).read_text("utf-8"))
    except (OSError, ValueError):
        made = {}
    if isinstance(made, dict) and made.get("source") == source and made.get("version") == VERSION:
        return out
    raise ModelRefused(
        _("{out} exists, and is not the int8 store of this model").format(out=out),
        hint=_("give another folder, or remove that one"),
    )


def _not_written(error: OSError, out: Path, need: int) -> ModelError | DiskFull:
    kind = DiskFull if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else ModelError
    return kind(
        _("the int8 store {out} could not be written: {error}").format(out=out, error=error.strerror or error),
        hint=_("it needs {mib} MiB in a folder that can be written").format(mib=-(-need // 2**20)),
    )


def _check_room(out: Path, need: int) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(out.parent).free
    if free < need:
        raise DiskFull(
            _("the int8 store needs {need} MiB; {folder} has {free} MiB free").format(
                need=-(-need // 2**20), folder=out.parent, free=free // 2**20
            ),
            hint=_("free space, or give a folder on another disk"),
        )


def _copy_small_files(folder: Path, part: Path) -> None:
    """Configuration and tokenizer: all JSON, text and template files but the weights' index."""
    for path in folder.iterdir():
        wanted = path.suffix in (".json", ".txt", ".jinja", ".model") and not path.name.endswith(".index.json")
        if path.is_file() and wanted and path.name != MARKER:
            shutil.copyfile(path, part / path.name)
