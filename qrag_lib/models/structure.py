"""Whether a weights file is what its name says: safetensors and torch's zip, checked without loading a tensor.

A header is believed only where it agrees with the size of its file; nothing is ever unpickled here.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, NoReturn
from zipfile import ZIP_STORED, BadZipFile, ZipFile

from qrag_lib.errors import ModelDamaged, ModelRefused
from qrag_lib.i18n import _
from qrag_lib.models.gguf_header import read_gguf_header

LARGEST_HEADER = 24 * 2**20  # bytes; that of a 7B model takes 30 kB
LARGEST_DIRECTORY = 24 * 2**20  # bytes of a zip's list of records
LARGEST_PICKLE = 64 * 2**20  # bytes of the names and shapes in a torch zip, read with weights_only
_TAIL = 2**16 + 22  # bytes in which a zip's end may stand: a comment and the end's own record
BITS = {"BOOL": 8, "U8": 8, "I8": 8, "I16": 16, "U16": 16, "I32": 32, "U32": 32, "I64": 64, "U64": 64,
        "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F16": 16, "BF16": 16, "F32": 32, "F64": 64}  # fmt: skip


def check_weights_file(path: Path) -> None:
    """Return where a .safetensors, .bin or .gguf file is whole and of its kind.

    Raises ModelDamaged for a file that is missing or ends too early, ModelRefused for one whose
    header contradicts itself or that is of another kind. The bytes of the tensors are not read.
    """
    check_as(path, path.name)


def check_as(path: Path, name: str) -> None:
    """The same for a file that is kept under another name."""
    if not path.is_file():
        raise ModelDamaged(_("{path} is missing").format(path=path), path=str(path), hint=_("fetch the file again"))
    try:
        CHECKS[Path(name).suffix.lower()](path)
    except KeyError as error:
        raise refused(path, _("no weights have this ending")) from error
    except OSError as error:
        message = _("{path} cannot be read: {error}").format(path=path, error=error.strerror or error)
        raise ModelDamaged(message, path=str(path)) from error


def check_safetensors(path: Path) -> None:
    """Return where the header is sound: known types, sizes that agree, tensors side by side to the file's end."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = struct.unpack("<Q", _exactly(path, file, 8, size))[0]
        if length > LARGEST_HEADER:
            raise refused(path, _("it announces a header of {n} bytes").format(n=length))
        header = _json_object(path, _exactly(path, file, length, size))
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise refused(path, _("its metadata is no list of texts"))
    if not header:
        raise refused(path, _("it holds no tensor"))
    _check_cover(path, sorted(_span(path, *item) for item in header.items()), size - 8 - length)


def _exactly(path: Path, file: BinaryIO, n: int, size: int) -> bytes:
    data = file.read(n) if file.tell() + n <= size else b""
    if len(data) != n:
        raise short(path, size, file.tell() + n)
    return data


def _json_object(path: Path, text: bytes) -> dict[str, Any]:
    def unlike(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
        found = list(pairs)
        if len({name for name, _value in found}) != len(found):
            raise ValueError(_("a name is there twice"))
        return dict(found)

    def no_number(text: str) -> NoReturn:
        raise ValueError(text)

    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=unlike, parse_constant=no_number)
    except (ValueError, RecursionError) as error:
        raise refused(path, _("its header is no JSON: {error}").format(error=str(error)[:80])) from error
    if not isinstance(header, dict):
        raise refused(path, _("its header is no JSON object"))
    return header


def _span(path: Path, name: str, entry: Any) -> tuple[int, int]:
    """First byte and the byte after the last, as the header gives them; the size is that of type and shape."""
    try:
        bits, shape, (start, end) = BITS[entry["dtype"]], entry["shape"], entry["data_offsets"]
        whole = all(type(n) is int and 0 <= n < 2**62 for n in (*shape, start, end))
    except (KeyError, TypeError, ValueError) as error:
        raise refused(path, _("the entry of {name} cannot be read").format(name=name[:80])) from error
    if not whole or len(shape) > 16 or (end - start) * 8 != math.prod(shape) * bits:
        raise refused(path, _("size and shape of {name} disagree").format(name=name[:80]))
    return start, end


def _check_cover(path: Path, spans: list[tuple[int, int]], data_bytes: int) -> None:
    expected = 0
    for start, end in spans:
        if start != expected:
            raise refused(path, _("a tensor begins at {start}, not {expected}").format(start=start, expected=expected))
        expected = end
    if expected > data_bytes:
        raise short(path, path.stat().st_size, path.stat().st_size + expected - data_bytes)
    if expected < data_bytes:
        raise refused(path, _("{n} bytes of it belong to no tensor").format(n=data_bytes - expected))


def check_torch_zip(path: Path) -> None:
    """Return where a .bin file is a zip as torch writes it: one folder, one data.pkl, stored records, nothing else."""
    _check_directory(path)
    try:
        with ZipFile(path) as archive:
            entries = archive.infolist()
    except (BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        message = _("{path} is no whole file of torch: {error}").format(path=path, error=error)
        raise ModelDamaged(message, path=str(path), hint=_("fetch the file again")) from error
    names = [entry.filename for entry in entries]
    roots = {name.partition("/")[0] for name in names}
    pickles = [entry for entry in entries if entry.filename.endswith(".pkl")]
    if len(roots) != 1 or [e.filename for e in pickles] != [f"{roots.pop()}/data.pkl"]:
        raise refused(path, _("a file of torch has one folder with one data.pkl"))
    if len(set(names)) != len(names) or any(".." in name.split("/") for name in names):
        raise refused(path, _("the names in it repeat or leave it"))
    if any(e.compress_type != ZIP_STORED or e.compress_size != e.file_size for e in entries):
        raise refused(path, _("its records are compressed; torch stores them as they are"))
    if pickles[0].file_size > LARGEST_PICKLE or sum(e.file_size for e in entries) > path.stat().st_size:
        raise refused(path, _("it announces more than it holds"))


def _check_directory(path: Path) -> None:
    """Return where the zip's list of records has a sane size: zipfile reads it whole."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            raise refused(path, _("it is no zip file of torch; other pickles are never read"))
        file.seek(max(0, size - _TAIL))
        tail = file.read()
        end = tail.rfind(b"PK\x05\x06")
        if end < 0 or len(tail) < end + 22:
            message = _("{path} ends before its list of records").format(path=path)
            raise ModelDamaged(message, path=str(path), hint=_("fetch the file again"))
        n_bytes = struct.unpack_from("<I", tail, end + 12)[0]
        wide = tail.rfind(b"PK\x06\x06", 0, end)
        if n_bytes == 0xFFFFFFFF and wide >= 0 and len(tail) >= wide + 56:
            n_bytes = struct.unpack_from("<Q", tail, wide + 40)[0]
    if n_bytes > LARGEST_DIRECTORY:
        raise refused(path, _("its list of records takes {n} bytes").format(n=n_bytes))


def short(path: Path, size: int, wanted: int) -> ModelDamaged:
    """The error of a file that ends too early."""
    message = _("{path} has {size} bytes and should have at least {wanted}").format(path=path, size=size, wanted=wanted)
    return ModelDamaged(message, path=str(path), hint=_("fetch the file again"))


def refused(path: Path, reason: str) -> ModelRefused:
    """The error of a file that is not what it says."""
    message = _("{path} is refused: {reason}").format(path=path, reason=reason)
    return ModelRefused(message, hint=_("fetch the file again, from a source that you trust"))


CHECKS = {".safetensors": check_safetensors, ".bin": check_torch_zip, ".gguf": read_gguf_header}
