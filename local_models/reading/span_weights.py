"""The reader's weights: those that were trained, in 8 bits, in one safetensors file of this package.

The words' and positions' vectors and the first layers stayed as in E5 and are taken from its own file.
Matrices are stored by rows: int8 codes and one float32 scale a row; vectors in float32.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from local_models.errors import ModelDamaged
from local_models.interface.messages import _

if TYPE_CHECKING:
    import torch

FILE: Final = Path(__file__).parent / "weights" / "reader.safetensors"
SHA256: Final = "c39c4158975534ac995806b548f4fb6c8996e2b8d80e0d2526d37a2b6f0f3ba7"
_SCALES: Final = ".scales"


def pack(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors as they are stored."""
    import torch

    stored: dict[str, torch.Tensor] = {}
    for name, tensor in state.items():
        if tensor.dim() == 2 and tensor.shape[0] > 2:
            scales = tensor.float().abs().amax(1).clamp(min=1e-12) / 127  # (rows,)
            stored[name] = (tensor.float() / scales[:, None]).round().to(torch.int8)
            stored[name + _SCALES] = scales
        else:
            stored[name] = tensor.float()
    return {name: tensor.contiguous() for name, tensor in stored.items()}


def read_weights(path: Path = FILE, sha256: str = SHA256) -> dict[str, torch.Tensor]:
    """The tensors by their names in `SpanNetwork`, in float32. Raises ModelDamaged for other bytes than ours."""
    from safetensors import SafetensorError, safe_open

    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != sha256:
            raise _damaged(path, _("SHA-256 {digest}, not {expected}").format(digest=digest[:12], expected=sha256[:12]))
        with safe_open(path, framework="pt") as stored:
            return dict(_unpacked(stored))
    except (OSError, SafetensorError) as error:
        raise _damaged(path, str(error)) from error


def _unpacked(stored: Any) -> Iterator[tuple[str, torch.Tensor]]:
    names = set(stored.keys())
    for name in sorted(names):
        if not name.endswith(_SCALES):
            tensor = stored.get_tensor(name).float()
            scales = stored.get_tensor(name + _SCALES)[:, None] if name + _SCALES in names else 1.0
            yield name, tensor * scales


def _damaged(path: Path, reason: str) -> ModelDamaged:
    message = _("the reader's weights {path} cannot be used: {reason}").format(path=path, reason=reason)
    return ModelDamaged(message, path=str(path), hint=_("install the package again, or set reader = none"))
