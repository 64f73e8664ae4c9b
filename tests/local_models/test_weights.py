"""Tensors found in place: in every layout a hub uses, and in files that are torn, lie or could run code."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tiny_llm import assert_in_place, bytes_at, copy_of, make_tiny_llm

from local_models.checkpoint.weights import open_weights
from local_models.errors import ModelDamaged, ModelError, ModelRefused


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same model in the four layouts of the hub."""
    root = tmp_path_factory.mktemp("weights")
    return {
        f"{format}-{n}": make_tiny_llm(root / f"{format}{n}", format=format, shards=n, layers=1)  # type: ignore[arg-type]
        for format in ("safetensors", "bin")
        for n in (1, 3)
    }


def tensors_of(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    for path in folder.iterdir():
        if path.suffix == ".safetensors":
            found |= load_file(path)
        elif path.suffix == ".bin":
            found |= torch.load(path, weights_only=True)
    return found


@pytest.mark.parametrize("layout", ["safetensors-1", "safetensors-3", "bin-1", "bin-3"])
def test_every_tensor_lies_where_it_is_said_to(folders: dict[str, Path], layout: str) -> None:
    weights = open_weights(folders[layout])
    assert_in_place(weights, tensors_of(folders[layout]))
    assert weights.n_bytes == sum(tensor.nbytes for tensor in tensors_of(folders[layout]).values())
    assert len(weights.files) == int(layout[-1])


@pytest.mark.parametrize("layout", ["safetensors-3", "bin-3"])
def test_shards_without_an_index_are_found_by_their_numbers(
    folders: dict[str, Path], layout: str, tmp_path: Path
) -> None:
    folder = copy_of(folders[layout], tmp_path / "m")
    next(folder.glob("*.index.json")).unlink()
    assert open_weights(folder).keys() == open_weights(folders[layout]).keys()
    next(folder.glob("*00002-of-00003*")).unlink()
    with pytest.raises(ModelDamaged, match=r"lacks the weights .*00002-of-00003"):
        open_weights(folder)


@pytest.mark.parametrize("layout", ["safetensors-3", "bin-3"])
def test_a_missing_shard_is_named(folders: dict[str, Path], layout: str, tmp_path: Path) -> None:
    folder = copy_of(folders[layout], tmp_path / "m")
    gone = next(folder.glob("*00003-of-00003*"))
    gone.unlink()
    with pytest.raises(ModelDamaged, match=gone.name) as caught:
        open_weights(folder)
    assert caught.value.path == str(gone)


@pytest.mark.parametrize("layout", ["safetensors-3", "bin-3"])
@pytest.mark.parametrize("share", [0.0, 0.002, 0.5, 0.9999])
def test_a_truncated_shard_is_damaged_wherever_it_ends(
    folders: dict[str, Path], layout: str, share: float, tmp_path: Path
) -> None:
    folder = copy_of(folders[layout], tmp_path / "m")
    torn = next(folder.glob("*00002-of-00003*"))
    os.truncate(torn, int(torn.stat().st_size * share))
    with pytest.raises(ModelDamaged) as caught:
        open_weights(folder)
    assert caught.value.path == str(torn)


@pytest.mark.parametrize("layout", ["safetensors-3", "bin-3"])
def test_swapped_shards_are_damaged(folders: dict[str, Path], layout: str, tmp_path: Path) -> None:
    folder = copy_of(folders[layout], tmp_path / "m")
    one, two = next(folder.glob("*00001-of*")), next(folder.glob("*00002-of*"))
    one.rename(folder / "aside")
    two.rename(one)
    (folder / "aside").rename(two)
    with pytest.raises(ModelDamaged, match="lacks tensor"):
        open_weights(folder)


def test_a_shard_that_the_index_does_not_name_is_left_alone(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = copy_of(folders["safetensors-3"], tmp_path / "m")
    save_file({"stranger": torch.zeros(3)}, folder / "model-00009-of-00009.safetensors")
    assert "stranger" not in open_weights(folder)


OUTSIDE = ["../model.safetensors", "/etc/passwd", "sub/x.safetensors", "training_args.bin", "x\\y"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_an_index_that_leaves_its_folder_or_kind_is_refused(
    folders: dict[str, Path], name: str, tmp_path: Path
) -> None:
    folder = copy_of(folders["safetensors-3"], tmp_path / "m")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(ModelRefused, match="own folder"):
        open_weights(folder)


def test_a_tensor_in_two_files_is_damaged(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = copy_of(folders["safetensors-3"], tmp_path / "m")
    (folder / "model.safetensors.index.json").unlink()
    one, two = folder / "model-00001-of-00003.safetensors", folder / "model-00002-of-00003.safetensors"
    two.write_bytes(one.read_bytes())
    with pytest.raises(ModelDamaged, match="also in another file"):
        open_weights(folder)


def test_a_folder_without_weights_says_what_it_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ModelDamaged, match=r"neither model.safetensors nor pytorch_model.bin"):
        open_weights(tmp_path)


# --- safetensors headers that lie ---------------------------------------------------------------


def forged(folder: Path, header: Any, n_data: int = 16, announced: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    length = struct.pack("<Q", len(text) if announced is None else announced)
    (folder / "model.safetensors").write_bytes(length + text + bytes(n_data))
    return folder


def entry(begin: int = 0, end: int = 16, dtype: str = "F32", shape: Any = (4,)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"a": entry(dtype="F16")}, "cannot be of 16 bytes"),
        ({"a": entry(shape=(2, 3))}, "cannot be of 16 bytes"),
        ({"a": entry(0, 16), "b": entry(0, 16)}, "begins at byte"),
        ({"a": entry(0, 8, shape=(2,))}, "belong to none"),
        ({"a": entry(8, 16, shape=(2,))}, "begins at byte"),
        ({"a": entry(0, 1 << 40, shape=(1 << 38,))}, "the file at byte"),
        ({"a": entry(16, 0)}, "impossible|cannot be"),
        ({"a": entry(shape=(-4,))}, "impossible"),
        ({"a": entry(shape=(True, 4))}, "impossible"),
        ({"a": entry(dtype="Q9")}, "impossible"),
        ({"a": {"dtype": "F32"}}, "not complete"),
        ({"a": 5}, "not complete"),
        ([1, 2], "not a table"),
        (b"{", "cannot be read"),
        (b'{"a": 1, "a": 2}', "appears twice"),
        (b"[" * 100_000, "cannot be read"),
        ({}, "belong to none"),
    ],
)
def test_a_header_that_lies_is_damaged(tmp_path: Path, header: Any, words: str) -> None:
    with pytest.raises(ModelDamaged, match=words):
        open_weights(forged(tmp_path, header))


def test_a_header_longer_than_its_file_or_the_format_is_refused_unread(tmp_path: Path) -> None:
    with pytest.raises(ModelDamaged, match="longer than the file"):
        open_weights(forged(tmp_path, {}, announced=1 << 62))
    os.truncate(forged(tmp_path, {}, announced=200_000_000) / "model.safetensors", 300_000_000)
    with pytest.raises(ModelRefused, match="above the limit"):
        open_weights(tmp_path)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_change_of_a_header_makes_a_tensor_leave_its_file(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = forged(tmp_path_factory.mktemp("f"), {"a": entry(), "b": entry(16, 32, "BF16", (2, 4))}, 32)
    file = folder / "model.safetensors"
    content = bytearray(file.read_bytes())
    for _change in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 33))] = data.draw(st.integers(0, 255))
    file.write_bytes(content)
    try:
        places = open_weights(folder)
    except ModelError:
        return
    assert all(len(bytes_at(place)) == place.n_bytes for place in places.values())
