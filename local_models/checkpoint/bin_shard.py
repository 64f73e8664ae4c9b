"""The tensors of a `.bin` shard, found in place: a zip archive whose records are the tensors' bytes.

torch.save writes `<root>/data.pkl`, a pickle that says which tensor is which part of which
storage, and `<root>/data/<key>`, the storages, not compressed.
"""

from __future__ import annotations

import os
import struct
import zipfile
from math import prod
from pathlib import Path
from typing import Any

from local_models.checkpoint.pickle_table import Part, Unknown, replay
from local_models.checkpoint.tensor_location import ITEM_BYTES, Place, check_fits, damaged
from local_models.errors import ModelRefused
from local_models.interface.messages import _, ngettext

MAX_PICKLE_BYTES = 4 * 2**20  # a 7B model's has 40 thousand; each byte may become an object of 64
# what zipfile raises for directories that a fault or a hand has changed; RuntimeError: an "encrypted" record
_BAD_ZIP = (zipfile.BadZipFile, OSError, EOFError, struct.error, ValueError, RuntimeError)


def read_bin_shard(path: Path) -> dict[str, Place]:
    """The tensors of the shard, in the order of its table.

    Raises ModelDamaged for a torn archive, ModelRefused for one that is not a plain table of tensors.
    """
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            records = {info.filename: info for info in archive.infolist()}
            root = _root(path, records)
            table = _table(path, _small(path, archive, records[f"{root}/data.pkl"]))
            _check_byte_order(path, archive, records.get(f"{root}/byteorder"))
            size = os.fstat(file.fileno()).st_size
            return {name: _place(path, file, records, root, name, part, size) for name, part in table.items()}
    except _BAD_ZIP as error:
        raise _not_an_archive(path, error) from error


def _not_an_archive(path: Path, error: Exception) -> Exception:
    """Torn where it begins as an archive does; else something that was never one."""
    try:
        with path.open("rb") as file:
            begins = file.read(4)
    except OSError:
        begins = b""
    if begins in (b"", b"PK\x03\x04"):
        return damaged(path, str(error) or type(error).__name__)
    return ModelRefused(
        _("{path} is not a zip archive of torch.save").format(path=path),
        hint=_("it is of torch before 1.6 or another pickle, which could run code: convert it to safetensors"),
    )


def _root(path: Path, records: dict[str, zipfile.ZipInfo]) -> str:
    roots = [name.removesuffix("/data.pkl") for name in records if name.endswith("/data.pkl")]
    if len(roots) != 1:
        raise ModelRefused(_("{path} is a zip archive, but not one of torch.save").format(path=path))
    return roots[0]


def _small(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    if info.file_size > MAX_PICKLE_BYTES or info.compress_type != zipfile.ZIP_STORED:
        raise ModelRefused(
            ngettext(
                "the record {name} of {path} is compressed, or its {n} byte exceeds {limit}",
                "the record {name} of {path} is compressed, or its {n} bytes exceed {limit}",
                info.file_size,
            ).format(name=info.filename[:80], path=path, n=info.file_size, limit=MAX_PICKLE_BYTES)
        )
    return archive.read(info)


def _check_byte_order(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo | None) -> None:
    if info is not None and _small(path, archive, info) != b"little":
        raise ModelRefused(_("the numbers of {path} are not little-endian").format(path=path))


def _place(
    path: Path, file: Any, records: dict[str, zipfile.ZipInfo], root: str, name: str, part: Part, file_bytes: int
) -> Place:
    """Where a tensor lies: its storage's record begins after the record's own header."""
    info = records.get(f"{root}/data/{part.storage.key}")
    if info is None or info.compress_type != zipfile.ZIP_STORED:
        raise damaged(path, _("the record of tensor {name} is missing or compressed").format(name=name))
    file.seek(info.header_offset)
    signature, n_name, n_extra = struct.unpack("<4s22xHH", file.read(30))
    item = ITEM_BYTES[part.storage.dtype]
    n_bytes = item * prod(part.shape)
    if signature != b"PK\x03\x04" or (part.start * item + n_bytes) > info.file_size:
        raise damaged(path, _("the record of tensor {name} is too short").format(name=name))
    begin = info.header_offset + 30 + n_name + n_extra
    place = Place(path, begin + part.start * item, n_bytes, part.storage.dtype, part.shape)
    check_fits(name, place, file_bytes)
    return place


def _table(path: Path, pickled: bytes) -> dict[str, Part]:
    """Tensors by name. Raises ModelRefused for anything else than a table of tensors."""
    try:
        value = replay(pickled)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, StopIteration) as error:
        raise damaged(path, _("its table of tensors cannot be read ({error})").format(error=error)) from error
    except Unknown as error:
        raise ModelRefused(
            _("{path} asks for {name}, which a table of tensors does not need").format(path=path, name=error.args[0]),
            hint=_("such a file could run code: use a copy of the model in safetensors"),
        ) from error
    if not isinstance(value, dict) or not all(isinstance(part, Part) for part in value.values()):
        raise ModelRefused(_("{path} holds more than a table of tensors").format(path=path))
    return value
