"""What a folder with a language model must be before anything of it is loaded."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_llm import make_tiny_llm

from local_models.checkpoint.checksum_record import NAME, add_to_record, sha256
from local_models.checkpoint.model_safety import check_llm_folder, is_plain_name, weights_files
from local_models.checkpoint.structure import check_weights_file
from local_models.checkpoint.tensor_location import ITEM_BYTES
from local_models.errors import ModelDamaged, ModelError, ModelRefused


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("sound")
    return {
        kind: make_tiny_llm(root / kind, format=kind, layers=1, vocab=300)
        for kind in ("safetensors", "bin")  # type: ignore[arg-type]
    }


@pytest.fixture
def folder(sound: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound["safetensors"], tmp_path / "model"))


@pytest.fixture
def pickled(sound: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound["bin"], tmp_path / "model"))


class Canary:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, (str(self.path),)


def trust(folder: Path) -> None:
    add_to_record(folder, {path.name: sha256(path) for path in folder.glob("*.bin")})


def put(path: Path, **entries: object) -> None:
    path.write_text(json.dumps({**(json.loads(path.read_text()) if path.exists() else {}), **entries}))


def refuses(folder: Path, because: str, kind: type[ModelError] = ModelRefused) -> None:
    with pytest.raises(kind, match=because):
        check_llm_folder(folder)


def test_a_sound_folder_is_taken(folder: Path) -> None:
    check_llm_folder(folder)
    assert [path.name for path in weights_files(folder)] == [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]


def test_a_folder_without_config_is_no_model(tmp_path: Path) -> None:
    refuses(tmp_path, "no config.json", ModelError)


@pytest.mark.parametrize(
    "entries",
    [
        {"auto_map": {"AutoModel": "modeling.Evil"}},
        {"trust_remote_code": True},
        {"text_config": {"deep": [{"auto_map": {}}]}},
        {"_attn_implementation_internal": "someone/kernel"},
        {"attn_implementation": "someone/kernel"},
        {"custom_pipelines": {}},
    ],
)
@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "generation_config.json", "processor.json"])
def test_a_configuration_that_names_code_is_refused(folder: Path, name: str, entries: dict[str, object]) -> None:
    put(folder / name, **entries)
    refuses(folder, f"{name} is refused: it asks for code of its own")


def test_a_config_that_names_weights_of_its_own_is_refused(folder: Path) -> None:
    put(folder / "config.json", transformers_weights=".hidden/other.safetensors")
    refuses(folder, r"config\.json is refused: it names weights of its own")


def test_a_word_of_the_vocabulary_may_be_anything(folder: Path) -> None:
    put(folder / "vocab.json", auto_map=1)
    check_llm_folder(folder)


@pytest.mark.parametrize("name", ["modeling.py", "deep/generate.py", "x.PKL", "weights.pt", "lib.so", "training.bin"])
def test_code_and_pickles_are_refused(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"")
    refuses(folder, "code|torch's format")


def test_a_pipe_is_refused_unread(folder: Path) -> None:
    os.mkfifo(folder / "notes.json")
    with pytest.raises(ModelRefused, match="it is no file"):
        check_llm_folder(folder)


def test_an_adapter_that_leads_to_another_model_is_refused(folder: Path) -> None:
    put(folder / "adapter_config.json", base_model_name_or_path="someone/else")
    refuses(folder, "sends the loader to another model")


@pytest.mark.parametrize("content", ["{", "[]", '{"model_type": 7}', '{"a":' * 5000 + "1" + "}" * 5000, "\xff"])
def test_a_config_that_is_no_object_is_refused(folder: Path, content: str) -> None:
    (folder / "config.json").write_bytes(content.encode("latin-1"))
    refuses(folder, r"config\.json is refused")


@pytest.mark.parametrize("name", ["../x.safetensors", "/etc/x.safetensors", "a\\b.safetensors", "", "x.bin"])
def test_an_index_that_leaves_the_folder_is_refused(folder: Path, name: str) -> None:
    put(folder / "model.safetensors.index.json", weight_map={"a": name})
    refuses(folder, "index.json is refused: it names")


def test_shards_without_an_index_are_taken_where_all_are_there(folder: Path) -> None:
    (folder / "model.safetensors.index.json").unlink()
    check_llm_folder(folder)
    (folder / "model-00001-of-00002.safetensors").unlink()
    refuses(folder, "lacks the weights model-00001-of-00002.safetensors", ModelDamaged)


def test_an_index_that_places_tensors_elsewhere_is_damage(folder: Path) -> None:
    index = folder / "model.safetensors.index.json"
    placed = json.loads(index.read_text())["weight_map"]
    put(index, weight_map=placed | {"model.norm.weight": "model-00001-of-00002.safetensors"})
    refuses(folder, "lacks tensor model.norm.weight", ModelDamaged)


def test_a_missing_shard_is_named(folder: Path) -> None:
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(ModelDamaged, match=r"model-00002-of-00002\.safetensors is missing") as raised:
        check_llm_folder(folder)
    assert raised.value.path.endswith("model-00002-of-00002.safetensors")


def test_a_shard_that_ends_early_is_damaged(folder: Path) -> None:
    shard = folder / "model-00001-of-00002.safetensors"
    os.truncate(shard, shard.stat().st_size - 1)
    refuses(folder, "ends at byte", ModelDamaged)


def test_a_link_out_of_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("x")
    (folder / "notes.txt").symlink_to(tmp_path / "secret.txt")
    refuses(folder, "leads out of the folder")


def test_the_links_of_a_hub_cache_are_taken(folder: Path, tmp_path: Path) -> None:
    snapshot, blobs = tmp_path / "models--a--b" / "snapshots" / ("0" * 40), tmp_path / "models--a--b" / "blobs"
    snapshot.mkdir(parents=True)
    shutil.move(folder, blobs)
    for path in blobs.iterdir():
        (snapshot / path.name).symlink_to(os.path.relpath(path, snapshot))
    check_llm_folder(snapshot)


# --- torch's .bin ---------------------------------------------------------------------------------


def test_bin_weights_need_a_verified_checksum(pickled: Path) -> None:
    refuses(pickled, "a pickle whose checksum nobody verified")
    trust(pickled)
    check_llm_folder(pickled)


def test_a_bin_file_beside_those_of_the_index_needs_a_checksum_too(pickled: Path) -> None:
    names = [path.name for path in pickled.glob("*.bin")]
    add_to_record(pickled, {name: sha256(pickled / name) for name in names})
    check_llm_folder(pickled)
    shutil.copyfile(pickled / names[0], pickled / "pytorch_model.bin")
    with pytest.raises(ModelRefused, match=r"pytorch_model\.bin is a pickle whose checksum nobody verified"):
        check_llm_folder(pickled)


def test_a_bin_file_that_changed_needs_to_be_verified_again(pickled: Path) -> None:
    trust(pickled)
    shard = next(pickled.glob("*.bin"))
    status = shard.stat()
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    os.utime(shard, ns=(status.st_atime_ns, status.st_mtime_ns))  # the change time tells
    refuses(pickled, "nobody verified")


def test_a_folder_cannot_bring_its_own_consent(pickled: Path, tmp_path: Path) -> None:
    trust(pickled)
    shutil.copytree(pickled, tmp_path / "copy")  # copies times and record
    assert (tmp_path / "copy" / NAME).is_file()
    refuses(tmp_path / "copy", "nobody verified")


def test_a_bin_file_of_the_hubs_cache_is_verified_by_its_name(
    pickled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    snapshot = hub_cache(tmp_path, pickled)
    check_llm_folder(snapshot)
    shard = next(snapshot.glob("*.bin")).resolve()
    content = bytearray(shard.read_bytes())
    content[-100] ^= 1
    shard.write_bytes(content)
    refuses(snapshot, "has other bytes than the hub announced|cannot|no whole file", ModelDamaged)


def test_a_folder_laid_out_like_the_hubs_cache_attests_nothing(pickled: Path, tmp_path: Path) -> None:
    refuses(hub_cache(tmp_path, pickled), "nobody verified")


def hub_cache(root: Path, folder: Path) -> Path:
    snapshot, blobs = root / "models--a--b" / "snapshots" / ("0" * 40), root / "models--a--b" / "blobs"
    for made in (snapshot, blobs):
        made.mkdir(parents=True)
    for path in folder.iterdir():
        blob = shutil.copy(path, blobs / sha256(path))
        (snapshot / path.name).symlink_to(os.path.relpath(blob, snapshot))
    return snapshot


def legacy(path: Path, canary: Path) -> None:
    path.write_bytes(pickle.dumps(Canary(canary)))


def renamed(path: Path, canary: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/evil.pkl", pickle.dumps(Canary(canary)))


def nested(path: Path, canary: Path) -> None:
    renamed(path.with_suffix(".zip"), canary)
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(path.with_suffix(".zip"), "a/data.zip")
    path.with_suffix(".zip").unlink()


def two_folders(path: Path, canary: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", b"")
        archive.writestr("b/data.pkl", pickle.dumps(Canary(canary)))


def compressed(path: Path, canary: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\0" * 1_000_000)


@pytest.mark.parametrize("hostile", [legacy, renamed, nested, two_folders, compressed])
@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors"])
def test_a_hostile_pickle_is_refused_under_any_name_and_never_run(
    folder: Path, tmp_path: Path, hostile: Callable[[Path, Path], None], name: str
) -> None:
    for path in (*folder.glob("*.safetensors"), *folder.glob("*.index.json")):
        path.unlink()
    hostile(folder / name, tmp_path / "canary")
    trust(folder)
    with pytest.raises((ModelRefused, ModelDamaged)):
        check_llm_folder(folder)
    assert not (tmp_path / "canary").exists()


def test_a_bin_file_cut_short_is_damaged(pickled: Path) -> None:
    trust(pickled)
    shard = next(pickled.glob("*.bin"))
    os.truncate(shard, shard.stat().st_size - 30)
    refuses(pickled, "list of records|no whole file", ModelDamaged)


# --- safetensors headers --------------------------------------------------------------------------


def written(path: Path, header: object, data: bytes = bytes(16), length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def entry(dtype: str = "F32", shape: object = (2, 2), offsets: object = (0, 16)) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize(
    "header",
    [
        [],
        b"\xff\xff",
        b'{"a": NaN}',
        b'{"a":' * 9999,
        b'{"a": {}, "a": {}}',
        {},
        {"x": entry("F33")},
        {"x": "y"},
        {"x": entry(shape="ab")},
        {"x": entry(shape=[-2, -2])},
        {"x": entry(shape=[2.0, 2])},
        {"x": entry(shape=[True, 4])},
        {"x": entry(shape=[2**61, 8])},
        {"x": entry(offsets=[16, 0])},
        {"x": entry(offsets=[0, 12])},
        {"x": entry(offsets=[4, 20])},
        {"x": entry(shape=[5], offsets=[0, 20])},
        {"x": entry(), "y": entry(shape=[1], offsets=[12, 16])},
        {"x": entry(shape=[3], offsets=[0, 12])},
    ],
)
def test_a_safetensors_header_that_lies_is_refused(tmp_path: Path, header: object) -> None:
    path = written(tmp_path / "x.safetensors", header)
    with pytest.raises((ModelRefused, ModelDamaged), match=r"x\.safetensors"):
        check_weights_file(path)


def test_a_header_of_eight_exabytes_is_refused(tmp_path: Path) -> None:
    with pytest.raises((ModelRefused, ModelDamaged), match="9223372036854775807 bytes"):
        check_weights_file(written(tmp_path / "x.safetensors", {}, length=2**63 - 1))


FUZZ: Any = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
NUMBER = st.integers(-1, 40) | st.sampled_from([2**31, 2**63, 2**64, -(2**63), 0.5, None, "1", True])


@FUZZ
@given(
    st.dictionaries(
        st.text(max_size=3),
        st.fixed_dictionaries(
            {"dtype": st.sampled_from(sorted(ITEM_BYTES)), "shape": st.lists(NUMBER, max_size=3),
             "data_offsets": st.lists(NUMBER, max_size=3)}
        ),
        max_size=3,
    ),
    st.integers(0, 40),
)  # fmt: skip
def test_an_invented_header_is_refused_or_safetensors_takes_it_too(tmp_path: Path, header: Any, n: int) -> None:
    from safetensors import safe_open

    path = written(tmp_path / "x.safetensors", header, bytes(n))
    try:
        check_weights_file(path)
    except (ModelRefused, ModelDamaged):
        return
    with safe_open(path, "numpy") as tensors:
        assert sorted(tensors.keys()) == sorted(set(header) - {"__metadata__"})


@FUZZ
@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=5), st.integers(0, 10_000))
def test_changed_bytes_of_a_bin_file_never_surprise(sound: Any, tmp_path: Path, changes: Any, cut: int) -> None:
    content = bytearray(next(sound["bin"].glob("*.bin")).read_bytes())
    for at, byte in changes:
        content[-1 - at] = byte  # the list of records is at the end
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(content[: len(content) - cut % 3])
    try:
        check_weights_file(path)
    except (ModelRefused, ModelDamaged) as error:
        assert str(path) in str(error)


@pytest.mark.parametrize("name", ["a", "model-00001-of-00002.safetensors", "ção.json", "a..b"])
def test_plain_names_stay_in_their_folder(name: str) -> None:
    assert is_plain_name(name)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "/a", "a\\b", "C:a", "a\0b", "a\nb", "x" * 256])
def test_names_that_leave_are_not_plain(name: str) -> None:
    assert not is_plain_name(name)
