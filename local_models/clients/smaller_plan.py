"""Which failures a smaller plan may mend: no memory, and a device map that the libraries refuse."""

from __future__ import annotations

import errno

from local_models.errors import GenerationFailed
from local_models.worker.factories import Reason

STEPS = 2  # smaller plans tried for one request, each in a fresh worker

# How the libraries say it: torch's allocators, then accelerate 1.15 and transformers 5.23 on device maps.
_MEMORY = ("can't allocate memory", "cannot allocate memory", "out of memory")
_DEVICE_MAP = (
    "device_map",
    "device map",
    "offload_folder",
    "offload_dir",
    "device disk is invalid",
    "on the meta device",
    "out of meta tensor",
    "on meta tensors",
)


def reason_of(error: BaseException) -> Reason | None:
    """Why the error asks for a smaller plan; None where none would help.

    >>> reason_of(ValueError("Please provide an `offload_folder` for them"))
    'device map'
    """
    said = str(error).lower()
    if isinstance(error, GenerationFailed) and error.__cause__ is not None:
        return reason_of(error.__cause__)  # an engine names the errors of its libraries
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return "memory"
    if not isinstance(error, (RuntimeError, ValueError, NotImplementedError)) and _library_of(error) != "safetensors":
        return None
    if any(text in said for text in _MEMORY):
        return "memory"
    return "device map" if any(text in said for text in _DEVICE_MAP) else None


def _library_of(error: BaseException) -> str:
    return type(error).__module__.partition(".")[0]
