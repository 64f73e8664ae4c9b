"""Whether a weights file is what its name says, seen from its header alone; no tensor is read, nothing is unpickled."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from zipfile import ZIP_STORED, BadZipFile, ZipFile

from local_models.checkpoint.bin_shard import read_bin_shard
from local_models.checkpoint.safetensors_header import read_safetensors_header
from local_models.errors import ModelDamaged, ModelRefused
from local_models.interface.messages import _, ngettext
from local_models.llama_cpp.gguf_header import read_gguf_header

LARGEST_DIRECTORY = 24 * 2**20  # bytes of a zip's list of records
_TAIL = 2**16 + 22  # bytes in which a zip's end may stand: a comment and the end's own record


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


def check_torch_zip(path: Path) -> None:
    """Return where a .bin file is a zip as torch writes it: one folder, one table of tensors, stored records."""
    _check_directory(path)
    try:
        with ZipFile(path) as archive:
            entries = archive.infolist()
    except (BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        message = _("{path} is no whole file of torch: {error}").format(path=path, error=error)
        raise ModelDamaged(message, path=str(path), hint=_("fetch the file again")) from error
    names = [entry.filename for entry in entries]
    roots = {name.partition("/")[0] for name in names}
    if len(roots) != 1 or [name for name in names if name.endswith(".pkl")] != [f"{roots.pop()}/data.pkl"]:
        raise refused(path, _("a file of torch has one folder with one data.pkl"))
    if len(set(names)) != len(names) or any(".." in name.split("/") for name in names):
        raise refused(path, _("the names in it repeat or leave it"))
    if any(e.compress_type != ZIP_STORED or e.compress_size != e.file_size for e in entries):
        raise refused(path, _("its records are compressed; torch stores them as they are"))
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise refused(path, _("it announces more than it holds"))
    read_bin_shard(path)


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
        raise refused(
            path,
            ngettext("its list of records takes {n} byte", "its list of records takes {n} bytes", n_bytes).format(
                n=n_bytes
            ),
        )


def refused(path: Path, reason: str) -> ModelRefused:
    """The error of a file that is not what it says."""
    message = _("{path} is refused: {reason}").format(path=path, reason=reason)
    return ModelRefused(message, hint=_("fetch the file again, from a source that you trust"))


CHECKS: dict[str, Callable[[Path], object]] = {
    ".safetensors": read_safetensors_header,
    ".bin": check_torch_zip,
    ".gguf": read_gguf_header,
}
