"""The header of a safetensors file, checked against the file's size; no tensor is read.

Format: 8 bytes with the header's length n (little-endian), n bytes of JSON
{name: {dtype, shape, data_offsets: [begin, end]}}, then the tensors, which leave no gap.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from local_models.checkpoint.tensor_location import ITEM_BYTES, Place, check_fits, damaged
from local_models.errors import ModelRefused
from local_models.interface.messages import _, ngettext

MAX_HEADER_BYTES = 100_000_000  # the format's own limit; a 7B model has 30 thousand


def read_safetensors_header(path: Path) -> dict[str, Place]:
    """The tensors of the file, in their order on the disk.

    Raises ModelDamaged where the header cannot be read or does not cover the file exactly,
    ModelRefused for a header beyond the format's limit.
    """
    try:
        with path.open("rb") as file:
            file_bytes = os.fstat(file.fileno()).st_size
            n_header = _header_bytes(path, file.read(8), file_bytes)
            entries = _parse(path, file.read(n_header))
    except OSError as error:
        raise damaged(path, str(error)) from error
    begin = 8 + n_header
    places = {name: _place(path, name, entry, begin) for name, entry in entries.items() if name != "__metadata__"}
    ordered = dict(sorted(places.items(), key=lambda item: (item[1].offset, item[1].n_bytes)))
    _check_cover(path, ordered, begin, file_bytes)
    return ordered


def _header_bytes(path: Path, prefix: bytes, file_bytes: int) -> int:
    n = int.from_bytes(prefix, "little")
    if len(prefix) < 8 or n + 8 > file_bytes:
        raise damaged(
            path,
            ngettext(
                "its header of {n} byte is longer than the file", "its header of {n} bytes is longer than the file", n
            ).format(n=n),
        )
    if n > MAX_HEADER_BYTES:
        raise ModelRefused(
            ngettext(
                "the header of {path} is {n} byte, above the limit of {limit}",
                "the header of {path} is {n} bytes, above the limit of {limit}",
                n,
            ).format(path=path, n=n, limit=MAX_HEADER_BYTES)
        )
    return n


def _parse(path: Path, text: bytes) -> dict[str, Any]:
    try:
        entries = json.loads(text, object_pairs_hook=_no_repeats)
    except (ValueError, RecursionError) as error:
        raise damaged(path, _("its header cannot be read ({error})").format(error=error)) from error
    if not isinstance(entries, dict):
        raise damaged(path, _("its header is not a table of tensors"))
    return entries


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("a name appears twice")
    return table


def _place(path: Path, name: str, entry: Any, begin: int) -> Place:
    """One entry of the header. Raises ModelDamaged where it has not the format's fields."""
    try:
        dtype, shape, (start, stop) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, _("the entry of tensor {name} is not complete").format(name=name[:80])) from error
    whole = all(type(n) is int and 0 <= n < 2**63 for n in (*shape, start, stop))
    if not isinstance(dtype, str) or dtype not in ITEM_BYTES or not whole or len(shape) > 8:
        raise damaged(path, _("the entry of tensor {name} has impossible numbers").format(name=name[:80]))
    return Place(path, begin + start, stop - start, dtype, shape)


def _check_cover(path: Path, places: dict[str, Place], begin: int, file_bytes: int) -> None:
    """Raise ModelDamaged unless the tensors follow each other from the header to the file's end."""
    end = begin
    for name, place in places.items():
        check_fits(name, place, file_bytes)
        if place.offset != end:
            raise damaged(
                path, _("tensor {name} begins at byte {at}, not {end}").format(name=name, at=place.offset, end=end)
            )
        end += place.n_bytes
    if end != file_bytes:
        raise damaged(
            path,
            ngettext(
                "{n} byte after the last tensor belongs to none",
                "{n} bytes after the last tensor belong to none",
                file_bytes - end,
            ).format(n=file_bytes - end),
        )
