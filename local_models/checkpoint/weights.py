"""The tensors of a checkpoint, found in place: which file, which bytes, which type. Nothing is loaded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

from local_models.checkpoint.bin_shard import read_bin_shard
from local_models.checkpoint.model_folder import read_json
from local_models.checkpoint.safetensors_header import read_safetensors_header
from local_models.checkpoint.tensor_location import ITEM_BYTES, Place, damaged
from local_models.errors import ModelDamaged, ModelRefused
from local_models.interface.messages import _

__all__ = ["ITEM_BYTES", "Place", "Weights", "open_weights"]

# In this order: an index is complete where a glob can only hope, and safetensors has no pickle.
_STEMS = (("model", "safetensors"), ("pytorch_model", "bin"))


class Weights(Mapping[str, Place]):
    """Tensor names and their places, in the order of the files."""

    def __init__(self, places: Mapping[str, Place]) -> None:
        self._places = dict(places)

    def __getitem__(self, name: str) -> Place:
        return self._places[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __repr__(self) -> str:
        return f"Weights({len(self)} tensors, {self.n_bytes} bytes, {len(self.files)} files)"

    @cached_property
    def n_bytes(self) -> int:
        """Bytes of all the tensors together."""
        return sum(place.n_bytes for place in self._places.values())

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """The files that hold them, each once."""
        return tuple(dict.fromkeys(place.file for place in self._places.values()))


def open_weights(folder: Path) -> Weights:
    """The weights of a model's folder, from safetensors or else from `.bin` shards, with or without an index.

    Raises ModelDamaged where a shard is missing, torn, or not what the index says of it;
    ModelRefused where an index names files outside the folder, or a shard is not a plain table of tensors.
    """
    named = _indexed(folder)
    places: dict[str, Place] = {}
    for file in sorted(set(named.values())) or _listed(folder):
        for name, place in _read(folder / file).items():
            if named.get(name, file) == file:
                if name in places:
                    raise damaged(place.file, _("tensor {name} is also in another file").format(name=name))
                places[name] = place
    for name in named.keys() - places.keys():
        what = _("it lacks tensor {name}, which the index puts there").format(name=name)
        raise damaged(folder / named[name], what)
    if not places:
        raise damaged(folder, _("no tensor is in them"))
    return Weights(places)


def _read(path: Path) -> dict[str, Place]:
    return read_bin_shard(path) if path.suffix == ".bin" else read_safetensors_header(path)


def _indexed(folder: Path) -> dict[str, str]:
    """Files by tensor name, from the index; empty where there is none."""
    for stem, suffix in _STEMS:
        path = folder / f"{stem}.{suffix}.index.json"
        if path.is_file():
            named = _weight_map(path)
            _check_names(path, named)
            _check_there(folder, set(named.values()))
            return named
        if (folder / f"{stem}.{suffix}").is_file():
            return {}
    return {}


def _weight_map(path: Path) -> dict[str, str]:
    index = read_json(path)
    named = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(named, dict) or not named:
        raise damaged(path, _("the index has no weight_map"))
    if not all(isinstance(value, str) for value in named.values()):
        raise damaged(path, _("the index names a file that is not a name"))
    return named


def _check_names(path: Path, named: dict[str, str]) -> None:
    suffix = path.name.removesuffix(".index.json").rpartition(".")[2]
    for name in set(named.values()):
        if Path(name).name != name or "\\" in name or not name.endswith(f".{suffix}"):
            raise ModelRefused(
                _("{path} names {name}, which is not a .{suffix} file of its own folder").format(
                    path=path, name=name[:120], suffix=suffix
                )
            )


def _check_there(folder: Path, names: set[str]) -> None:
    missing = sorted(name for name in names if not (folder / name).is_file())
    if missing:
        raise ModelDamaged(
            _("{folder} lacks the weights {names}").format(folder=folder, names=", ".join(missing)),
            path=str(folder / missing[0]),
            hint=_("fetch the missing files: qrag model repair"),
        )


def _listed(folder: Path) -> list[str]:
    """The one file, or the complete numbered set, of a folder without an index."""
    for stem, suffix in _STEMS:
        if (folder / f"{stem}.{suffix}").is_file():
            return [f"{stem}.{suffix}"]
        numbered = re.compile(rf"{stem}-\d{{5}}-of-(\d{{5}})\.{suffix}")
        found = [match for path in folder.glob(f"{stem}-*.{suffix}") if (match := numbered.fullmatch(path.name))]
        if found:
            total = min(int(match[1]) for match in found)
            names = [f"{stem}-{i:05}-of-{total:05}.{suffix}" for i in range(1, total + 1)]
            _check_there(folder, set(names))
            return names
    raise ModelDamaged(
        _("{folder} has no weights: neither model.safetensors nor pytorch_model.bin, nor shards of them").format(
            folder=folder
        ),
        path=str(folder),
        hint=_("give the folder that holds config.json and the weights"),
    )
