"""Tensors found in `.bin` shards, whose pickles are read and never run."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_llm import assert_in_place, bytes_at

from local_models.checkpoint.weights import open_weights
from local_models.errors import ModelDamaged, ModelError, ModelRefused


def saved(folder: Path, value: Any, **options: Any) -> Path:
    torch.save(value, folder / "pytorch_model.bin", **options)
    return folder


@pytest.mark.parametrize("options", [{}, {"pickle_protocol": 4}, {"pickle_protocol": 5}])
def test_a_module_s_own_state_is_read_with_slices_and_parameters(tmp_path: Path, options: dict[str, Any]) -> None:
    table = torch.nn.Linear(5, 3).state_dict()  # an ordered dictionary with the versions of the modules
    table["part"] = torch.arange(40, dtype=torch.int64).reshape(8, 5)[2:6]
    table["parameter"] = torch.nn.Parameter(torch.randn(1, 7, dtype=torch.float16))
    table["column"] = torch.randn(3, 1).t()
    table["one"] = torch.tensor(3.0)
    table["empty"] = torch.empty(0, 4)
    weights = open_weights(saved(tmp_path, table, **options))
    assert_in_place(weights, {name: tensor.detach() for name, tensor in table.items()})


class Marks:
    """A pickle that would write a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.path),))


def test_a_pickle_that_would_run_code_is_refused_and_runs_none(tmp_path: Path) -> None:
    saved(tmp_path, {"a": torch.zeros(2), "b": Marks(tmp_path / "ran")})
    with pytest.raises(ModelRefused, match="asks for posix mkdir"):
        open_weights(tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("value", [[1, 2], {"a": 1}, {"a": {"b": torch.zeros(2)}}, {3: torch.zeros(2)}, torch.zeros(2)])
def test_what_is_not_a_table_of_tensors_is_refused(tmp_path: Path, value: Any) -> None:
    with pytest.raises(ModelError):
        open_weights(saved(tmp_path, value))


def test_a_pickle_outside_torch_s_archive_is_refused(tmp_path: Path) -> None:
    saved(tmp_path, {"a": torch.zeros(2)}, _use_new_zipfile_serialization=False)
    with pytest.raises(ModelRefused, match="not a zip archive"):
        open_weights(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ModelRefused, match="not a zip archive"):
        open_weights(tmp_path)


def test_a_tensor_whose_rows_are_scattered_is_damaged(tmp_path: Path) -> None:
    with pytest.raises(ModelDamaged, match="rows do not follow"):
        open_weights(saved(tmp_path, {"a": torch.zeros(4, 3).t()}))


def rewritten(folder: Path, change: Any, compression: int = zipfile.ZIP_STORED) -> Path:
    path = folder / "pytorch_model.bin"
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in change(records).items():
            archive.writestr(name, content)
    return folder


def test_an_archive_that_is_compressed_or_lacks_records_is_not_read(tmp_path: Path) -> None:
    saved(tmp_path, {"a": torch.zeros(2)})
    with pytest.raises(ModelRefused, match="compressed"):
        open_weights(rewritten(tmp_path, lambda records: records, zipfile.ZIP_DEFLATED))
    with pytest.raises(ModelDamaged, match="too short"):
        open_weights(rewritten(tmp_path, lambda r: r | {n: b"1234" for n in r if n.endswith("data/0")}))
    with pytest.raises(ModelDamaged, match="missing"):
        open_weights(rewritten(tmp_path, lambda r: {n: c for n, c in r.items() if not n.endswith("data/0")}))
    with pytest.raises(ModelRefused, match="not one of"):
        open_weights(rewritten(tmp_path, lambda r: {"x": b"1"}))


@pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")  # of pickletools, on odd bytes
@settings(max_examples=150, deadline=None)
@given(cut=st.integers(0, 400), put=st.binary(max_size=12))
def test_no_change_of_the_pickle_escapes_as_anything_but_a_model_error(
    cut: int, put: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = saved(tmp_path_factory.mktemp("p"), {"a": torch.zeros(4, 2), "b": torch.ones(3)})

    def change(records: dict[str, bytes]) -> dict[str, bytes]:
        name = next(name for name in records if name.endswith("data.pkl"))
        text = io.BytesIO(records[name])
        text.seek(cut % len(records[name]))
        text.write(put)
        return records | {name: text.getvalue()}

    try:
        places = open_weights(rewritten(folder, change))
    except ModelError:
        return
    assert all(len(bytes_at(place)) == place.n_bytes for place in places.values())


@settings(max_examples=120, deadline=None)
@given(at=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255))
def test_no_change_of_the_archive_escapes_as_anything_but_a_model_error(
    tmp_path_factory: pytest.TempPathFactory, at: float, value: int
) -> None:
    folder = tmp_path_factory.mktemp("changed")
    content = bytearray((saved(folder, {"a": torch.zeros(2)}) / "pytorch_model.bin").read_bytes())
    content[int(at * len(content))] = value
    (folder / "pytorch_model.bin").write_bytes(content)
    with suppress(ModelError):
        open_weights(folder)


def test_an_archive_whose_records_are_called_encrypted_is_damaged(tmp_path: Path) -> None:
    path = saved(tmp_path, {"a": torch.zeros(2)}) / "pytorch_model.bin"
    content = bytearray(path.read_bytes())
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + at] |= 1
    path.write_bytes(content)
    with pytest.raises(ModelDamaged, match="encrypted"):
        open_weights(tmp_path)


def test_a_reference_whose_text_would_have_no_end_is_refused(tmp_path: Path) -> None:
    twice = b"".join(b"h\x00h\x00\x86q\x00" for _n in range(60))  # a pair of what the last step made
    with zipfile.ZipFile(tmp_path / "pytorch_model.bin", "w") as archive:
        archive.writestr("m/data.pkl", b"\x80\x02)q\x00" + twice + b"(h\x00NNNNtQ.")
    with pytest.raises(ModelRefused, match="asks for tuple"):
        open_weights(tmp_path)
