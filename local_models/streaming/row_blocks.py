"""Cutting a model's weights into blocks, and which of them stay in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local_models.checkpoint.tensor_location import Place
from local_models.streaming.direct_reading import WeightsFile
from local_models.streaming.read_ahead import Block

_EVEN_ROWS = 32  # matrix kernels work on so many rows at a time


@dataclass(frozen=True, slots=True)
class Cut:
    """Rows [start, stop) of the layer `name`. keep: they are held in memory."""

    name: str
    start: int
    stop: int
    block: Block
    keep: bool


def cut_rows(places: Mapping[str, Place], block_bytes: int, resident_bytes: int) -> list[Cut]:
    """The layers' weights in row blocks of at most `block_bytes`, in the order of the layers.

    A row longer than a block is a block of its own. Of the blocks, as many as `resident_bytes` allow are
    to be kept, evenly spread: while the computer works on them, the disk reads the others.
    """
    files = {path: WeightsFile(path) for path in dict.fromkeys(place.file for place in places.values())}
    pieces = [
        (name, start, stop, _block(place, files, start, stop))
        for name, place in places.items()
        for start, stop in _rows(place, block_bytes)
    ]
    keeps = spread([piece[3].n_bytes for piece in pieces], resident_bytes)
    return [Cut(*piece, keep) for piece, keep in zip(pieces, keeps, strict=True)]


def spread(sizes: Sequence[int], budget: int) -> list[bool]:
    """Which of the sizes to keep: together at most the budget, at every point about its share.

    >>> spread([10] * 6, 20)
    [False, False, True, False, False, True]
    """
    total, seen, kept = sum(sizes), 0, 0
    keeps = []
    for size in sizes:
        seen += size
        keeps.append((kept + size) * total <= min(budget, total) * seen)
        kept += size * keeps[-1]
    return keeps


def _rows(place: Place, block_bytes: int) -> Iterator[tuple[int, int]]:
    fit = max(1, block_bytes // max(1, place.row_bytes))
    step = fit // _EVEN_ROWS * _EVEN_ROWS or fit
    yield from ((at, min(at + step, place.shape[0])) for at in range(0, place.shape[0], step))


def _block(place: Place, files: Mapping[Path, WeightsFile], start: int, stop: int) -> Block:
    return Block(files[place.file], place.offset + start * place.row_bytes, (stop - start) * place.row_bytes)
