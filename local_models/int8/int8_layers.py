"""Weights in eight bits: half the bytes to read for each token. Not the same model: see `int8_drift`.

A linear layer's row is divided by a factor of its own, its largest number by 127, and rounded: row ≈ factor · int8.
"""

from __future__ import annotations

import functools

import torch
from torch.nn import functional

_FEW_ROWS = 16  # up to here torch's kernel for packed int8 is faster than widening the weights first (8 rows: 3 times)
_EVEN = 16  # the kernel reads 16 numbers at a time from places that 16 divides, and crashes on others (torch 2.13)


def int8_linear(x: torch.Tensor, weight: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """x Wᵀ where W = scale · weight, (…, in) to (…, out). weight: int8 (out, in); scale: (out,), of the type of x."""
    rows = x.reshape(-1, x.shape[-1])
    if len(rows) <= _FEW_ROWS and _is_even(rows, weight) and _has_kernel():
        y = torch._weight_int8pack_mm(rows.contiguous(), weight, scale)
    else:
        y = functional.linear(rows, weight.to(x.dtype)) * scale  # int8 fits in every float: only y is rounded
    return y.view(*x.shape[:-1], len(weight))


def _is_even(rows: torch.Tensor, weight: torch.Tensor) -> bool:
    even = weight.shape[1] % _EVEN == 0 and weight.data_ptr() % _EVEN == 0
    return even and weight.is_contiguous() and rows.device.type == "cpu"


@functools.cache
def _has_kernel() -> bool:
    """Whether this torch has its kernel for packed int8; the name begins with an underscore and may go."""
    kernel = getattr(torch, "_weight_int8pack_mm", None)
    try:
        one = torch.ones(1, _EVEN, dtype=torch.bfloat16)
        got = kernel(one, torch.ones(_EVEN, _EVEN, dtype=torch.int8), one[0]) if kernel else None
    except (RuntimeError, NotImplementedError, TypeError):
        return False
    return got is not None and bool((got == _EVEN).all())


def quantize_rows(rows: torch.Tensor, scale_dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """(int8 rows, factors): each row by its own factor, which is rounded first, so that nothing is lost by it.

    >>> quantize_rows(torch.tensor([[2.0, -1.0], [0.0, 0.0]]), torch.float32)[0].tolist()
    [[127, -64], [0, 0]]
    """
    wide = rows.to(torch.float32, copy=True)
    scale = (wide.abs().amax(1) / 127).to(scale_dtype)
    scale = torch.where(scale == 0, torch.ones_like(scale), scale)
    return wide.div_(scale.float()[:, None]).round_().clamp_(-127, 127).to(torch.int8), scale
