"""The device and the number format in which a model is fastest."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from local_models.errors import ModelError
from local_models.interface.messages import _

if TYPE_CHECKING:
    import torch

Precision = Literal["auto", "float32", "bfloat16", "float16"]
# x86 flags with bf16 dot products: 3.0 times fp32 on AMX, 2.3 times on an EPYC with avx512_bf16 alone;
# a CPU without them emulates bf16 and is slower than in fp32.
_FAST_BF16 = ("amx_bf16", "avx512_bf16")


def calm_threads() -> None:
    """Let torch's threads sleep while they wait, unless the environment says otherwise; before torch is imported.

    By default they spin: with other processes on both cores a question took 234 ms instead of 23
    and a batch five times the processor time. The vectors are the same bits.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # some microseconds: a query takes 6.8 ms, 12.2 without, idle


def choose_device() -> torch.device:
    """CUDA where there is a device, else the CPU."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def choose_dtype(precision: str, device: torch.device) -> torch.dtype:
    """The number format asked for, or the fast one of the device. Raises ModelError for an unknown name."""
    import torch

    known = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if precision in known:
        return known[precision]
    if precision != "auto":
        raise ModelError(
            _("precision {value} is not one of {known}").format(value=precision, known=", ".join(["auto", *known]))
        )
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return torch.bfloat16 if has_fast_bf16() else torch.float32


def has_fast_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """True where the CPU multiplies bf16 natively, by the flags that Linux reports."""
    try:
        flags = next((line for line in cpuinfo.read_text().splitlines() if line.startswith("flags")), "")
    except OSError:
        return False
    return any(flag in flags.split() for flag in _FAST_BF16)
