"""Where a tensor of a checkpoint lies on the disk."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path

from local_models.errors import ModelDamaged
from local_models.interface.messages import _, ngettext

# Bytes of one number, by the names of the safetensors format.
ITEM_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}


@dataclass(frozen=True, slots=True)
class Place:
    """A tensor's bytes in a file, row-major: `n_bytes` from `offset`. dtype: a key of ITEM_BYTES."""

    file: Path
    offset: int
    n_bytes: int
    dtype: str
    shape: tuple[int, ...]

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of the first axis; all of a tensor without axes."""
        return prod(self.shape[1:]) * ITEM_BYTES[self.dtype]


def check_fits(name: str, place: Place, file_bytes: int) -> None:
    """Raise ModelDamaged for a tensor whose shape is not its bytes, or whose bytes are not all in the file."""
    if prod(place.shape) * ITEM_BYTES[place.dtype] != place.n_bytes:
        raise damaged(
            place.file,
            ngettext(
                "tensor {name} of shape {shape} and type {dtype} cannot be of {n} byte",
                "tensor {name} of shape {shape} and type {dtype} cannot be of {n} bytes",
                place.n_bytes,
            ).format(name=name, shape=list(place.shape), dtype=place.dtype, n=place.n_bytes),
        )
    if place.offset + place.n_bytes > file_bytes:
        raise damaged(
            place.file,
            _("tensor {name} ends at byte {end}, the file at byte {size}").format(
                name=name, end=place.offset + place.n_bytes, size=file_bytes
            ),
        )


def damaged(path: Path, what: str) -> ModelDamaged:
    """The error of a file of weights that cannot be used as it is."""
    return ModelDamaged(
        _("the weights {path} are damaged: {what}").format(path=path, what=what),
        path=str(path),
        hint=_("fetch this file again: qrag model repair"),
    )
