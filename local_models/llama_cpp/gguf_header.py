"""The header of a GGUF file, read and checked before llama.cpp sees the file.

llama.cpp has trusted counts, sizes and offsets that a file invented (CVE-2025-53630, CVE-2026-27940,
CVE-2026-33298). Here every number is compared with what the file holds before it is used.
"""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from local_models.errors import ModelDamaged, ModelRefused
from local_models.interface.messages import _, ngettext

MAGIC = b"GGUF"
VERSIONS = (2, 3)
LARGEST_HEADER = 64 * 2**20  # bytes; a vocabulary of 150,000 tokens with its merges takes 10 MB
LONGEST_KEY, LONGEST_NAME, MOST_DIMENSIONS = 65535, 63, 4  # as in ggml
LARGEST_ALIGNMENT = 2**16
LARGEST_SIZE = 2**62  # elements or bytes of one tensor: sums of two still fit 64 bits

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_INT32, _STRING, _ARRAY = 5, 8, 9
# type of a tensor -> (name, elements of a block, bytes of a block), the numbers of ggml.h
TYPES = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 40), 10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82), 23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8), 28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17), 40: ("NVFP4", 64, 36), 41: ("Q1_0", 128, 18),
}  # fmt: skip

Scalar = int | float | bool | str


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """Where one tensor stands. offset: in bytes from the start of the file; shape: innermost first, as ggml has it."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    n_bytes: int


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What a GGUF file says of itself. lengths: elements of the values that are lists; the lists are not kept."""

    version: int
    metadata: Mapping[str, Scalar]
    lengths: Mapping[str, int]
    tensors: tuple[GgufTensor, ...]
    data_offset: int

    @property
    def architecture(self) -> str:
        """Name of the model's family, such as `llama`."""
        return str(self.metadata["general.architecture"])

    @property
    def context_length(self) -> int | None:
        """Tokens that the model was trained for; None where it does not say."""
        length = self.metadata.get(f"{self.architecture}.context_length")
        return int(length) if isinstance(length, int) else None

    @property
    def name(self) -> str:
        """What the model is called; "" where it does not say."""
        return str(self.metadata.get("general.name") or "")

    @property
    def chat_template(self) -> str:
        """How a conversation becomes a prompt, in Jinja's language; "" where it does not say."""
        own = self.metadata.get("tokenizer.chat_template")
        return own if isinstance(own, str) else ""

    @property
    def n_bytes(self) -> int:
        """Bytes of all tensors."""
        return sum(tensor.n_bytes for tensor in self.tensors)


def read_gguf_header(path: Path) -> GgufHeader:
    """The header, every count, length, type, size and offset of it checked against the file.

    Reads at most 64 MiB, never a tensor. Raises ModelRefused for a header that contradicts itself or
    the format, ModelDamaged where the file ends before what its header announces.
    """
    with reading(path) as reader:
        return reader.header()


@contextmanager
def reading(path: Path) -> Iterator[HeaderReader]:
    """A file to read a header from. Raises ModelDamaged where it cannot be read."""
    try:
        with path.open("rb") as file:
            yield HeaderReader(path, file, path.stat().st_size)
    except OSError as error:
        message = _("{path} cannot be read: {error}").format(path=path, error=error.strerror)
        raise ModelDamaged(message, path=str(path)) from error


class HeaderReader:
    """Takes numbers and strings from a file, each checked against what is left of it.

    lists: where each list of the header begins, once the header was read.
    """

    def __init__(self, path: Path, file: BinaryIO, size: int) -> None:
        self.path, self.file, self.size, self.at = path, file, size, 0
        self.lists: dict[str, int] = {}

    def header(self) -> GgufHeader:
        """The whole header, checked."""
        if self.take(4) != MAGIC:
            raise self.refused(_("it does not begin with GGUF"))
        version = self.number("I")
        if version not in VERSIONS:
            raise self.refused(_("its version is {version}, not 2 or 3").format(version=version))
        n_tensors, n_values = self.count(8 + 4 + 8 + 4 + 8), self.count(8 + 4 + 1)
        metadata, lengths = self.values(n_values)
        alignment = self.alignment(metadata)
        if not isinstance(metadata.get("general.architecture"), str):
            raise self.refused(_("it does not say general.architecture"))
        infos = [self.info() for _i in range(n_tensors)]
        start = -(-self.at // alignment) * alignment
        return GgufHeader(version, metadata, lengths, self.placed(infos, start, alignment), start)

    def values(self, n: int) -> tuple[dict[str, Scalar], dict[str, int]]:
        """The next n key-value pairs: the scalars, and how long each list is."""
        metadata: dict[str, Scalar] = {}
        lengths: dict[str, int] = {}
        for _i in range(n):
            key = self.string(LONGEST_KEY)
            if key in metadata or key in lengths:
                raise self.refused(_("the value {name} is there twice").format(name=key))
            kind = self.number("I")
            if kind == _ARRAY:
                self.lists[key] = self.at
                lengths[key] = self.skip_array()
            else:
                metadata[key] = self.string() if kind == _STRING else self.scalar(kind)
        return metadata, lengths

    def alignment(self, metadata: Mapping[str, Scalar]) -> int:
        """Bytes that the tensors' offsets are multiples of."""
        value = metadata.get("general.alignment", 32)
        if not isinstance(value, int) or not 0 < value <= LARGEST_ALIGNMENT or value & (value - 1):
            raise self.refused(_("its alignment {value} is no power of two").format(value=value))
        return value

    def info(self) -> tuple[str, tuple[int, ...], int, int]:
        """Name, shape, type and offset as written."""
        name = self.string(LONGEST_NAME)
        n_dimensions = self.number("I")
        if n_dimensions > MOST_DIMENSIONS:
            raise self.refused(
                ngettext(
                    "the tensor {name} has {n} dimension", "the tensor {name} has {n} dimensions", n_dimensions
                ).format(name=name, n=n_dimensions)
            )
        shape = tuple(self.number("Q") for _i in range(n_dimensions))
        return name, shape, self.number("I"), self.number("Q")

    def placed(
        self, infos: list[tuple[str, tuple[int, ...], int, int]], start: int, alignment: int
    ) -> tuple[GgufTensor, ...]:
        """The tensors, which stand one after the other from `start`, without hole or overlap."""
        tensors: list[GgufTensor] = []
        expected = 0
        for name, shape, kind, offset in infos:
            n_bytes = self.n_bytes(name, shape, kind)
            if offset != expected:
                raise self.refused(
                    _("the tensor {name} is at {offset}, not {expected}").format(
                        name=name, offset=offset, expected=expected
                    )
                )
            tensors.append(GgufTensor(name, TYPES[kind][0], shape, start + offset, n_bytes))
            expected += -(-n_bytes // alignment) * alignment
        if len({tensor.name for tensor in tensors}) != len(tensors):
            raise self.refused(_("two tensors have one name"))
        self.check_end(max((t.offset + t.n_bytes for t in tensors), default=self.at))
        return tuple(tensors)

    def n_bytes(self, name: str, shape: tuple[int, ...], kind: int) -> int:
        """Bytes of a tensor of a shape and a type."""
        if kind not in TYPES:
            raise self.refused(_("the tensor {name} has the unknown type {kind}").format(name=name, kind=kind))
        _dtype, block, block_bytes = TYPES[kind]
        n = math.prod(shape)
        if not 0 < n <= LARGEST_SIZE or n // block * block_bytes > LARGEST_SIZE or (shape[:1] or (1,))[0] % block:
            raise self.refused(_("the tensor {name} cannot have the shape {shape}").format(name=name, shape=shape))
        return n // block * block_bytes

    def strings(self, place: int | None) -> Iterator[str]:
        """The texts of a list that begins there, one after the other; none where it holds something else."""
        if place is not None and self.begun(place) == _STRING:
            for _i in range(self.count(8)):
                yield self.string()

    def kinds(self, place: int | None) -> array[int]:
        """The numbers of a list of 32 bits that begins there; none where it holds something else."""
        found = array("i")
        if place is not None and self.begun(place) in (_INT32, _INT32 - 1):
            found.frombytes(self.take(4 * self.count(4)))
        return found

    def begun(self, place: int) -> int:
        """Go to where a list begins; of what it is."""
        self.at = self.file.seek(place)
        return self.number("I")

    def skip_array(self) -> int:
        """Elements of a list, which is read over."""
        kind = self.number("I")
        if kind == _STRING:
            n = self.count(8)
            for _i in range(n):
                self.skip(self.number("Q"))
            return n
        n_bytes = struct.calcsize(self.code(kind))
        n = self.count(n_bytes)
        self.skip(n * n_bytes)
        return n

    def scalar(self, kind: int) -> Scalar:
        """The next number of a type by its number."""
        return self.number(self.code(kind))

    def code(self, kind: int) -> str:
        """The `struct` code of a type by its number."""
        if kind not in _SCALARS:
            raise self.refused(_("a value has the unknown type {kind}").format(kind=kind))
        return _SCALARS[kind]

    def count(self, each: int) -> int:
        """How many things follow that take at least `each` bytes; no more than the file can hold."""
        n = int(self.number("Q"))
        if n * each > min(self.size - self.at, LARGEST_HEADER):
            raise self.refused(
                ngettext(
                    "it announces {n} entry in {size} bytes", "it announces {n} entries in {size} bytes", n
                ).format(n=n, size=self.size)
            )
        return n

    def string(self, longest: int = LARGEST_HEADER) -> str:
        """The next string."""
        n = self.number("Q")
        if n > longest:
            raise self.refused(
                ngettext(
                    "a name of {n} byte; the format allows {limit}", "a name of {n} bytes; the format allows {limit}", n
                ).format(n=n, limit=longest)
            )
        try:
            return self.take(n).decode("utf-8")
        except UnicodeDecodeError as error:
            raise self.refused(_("a text in it is not UTF-8")) from error

    def number(self, code: str) -> int:
        """The next number of a `struct` code."""
        value: int = struct.unpack(f"<{code}", self.take(struct.calcsize(code)))[0]
        return value

    def take(self, n: int) -> bytes:
        """The next n bytes."""
        self.check_room(n)
        data = self.file.read(n)
        if len(data) != n:
            raise self.short(self.at + n)
        self.at += n
        return data

    def skip(self, n: int) -> None:
        """Pass over n bytes."""
        self.check_room(n)
        self.file.seek(n, 1)
        self.at += n

    def check_room(self, n: int) -> None:
        """Raise where the file, or the room of a header, ends before n more bytes."""
        if self.at + n > self.size:
            raise self.short(self.at + n)
        if self.at + n > LARGEST_HEADER:
            raise self.refused(
                ngettext(
                    "its header is longer than {n} byte", "its header is longer than {n} bytes", LARGEST_HEADER
                ).format(n=LARGEST_HEADER)
            )

    def check_end(self, end: int) -> None:
        """Raise where the file ends before byte `end`."""
        if end > self.size:
            raise self.short(end)

    def short(self, wanted: int) -> ModelDamaged:
        """The error of a file that ends too early."""
        message = _("{path} has {size} bytes and should have at least {wanted}").format(
            path=self.path, size=self.size, wanted=wanted
        )
        return ModelDamaged(message, path=str(self.path), hint=_("fetch the file again"))

    def refused(self, reason: str) -> ModelRefused:
        """The error of a header that is not sound."""
        message = _("{path} is no sound GGUF file: {reason}").format(path=self.path, reason=reason)
        return ModelRefused(message, hint=_("fetch the file again, from a source that you trust"))
