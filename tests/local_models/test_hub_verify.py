"""Files of a model checked against what they should be, and the broken ones alone fetched again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hub_models import CONFIG, MODEL, gguf, in_shards, safetensors, torch_zip
from hub_server import HubServer, hub_server

from local_models.checkpoint.checksum_record import NAME, is_verified
from local_models.checkpoint.model_safety import check_llm_folder
from local_models.errors import ModelError, ModelRefused, ModelUnavailable, NotFound
from local_models.hub.download import Wanted, download
from local_models.hub.hub_client import Hub, Patience
from local_models.hub.verify import Verification, repair, verify

QUICK = Patience(tries=2, wait_s=0.01, silence_s=1.0)
A, B = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


@pytest.fixture
def server() -> Iterator[HubServer]:
    with hub_server() as running:
        running.publish(MODEL, in_shards(safetensors(300_000), safetensors(200_000, 1)))
        yield running


@pytest.fixture
def hub(server: HubServer) -> Iterator[Hub]:
    with Hub(server.endpoint, patience=QUICK) as opened:
        yield opened


@pytest.fixture
def folder(hub: Hub, tmp_path: Path) -> Path:
    return download(hub, Wanted(MODEL), tmp_path / "cache")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder that never was on the hub, with torch's weights."""
    return written(tmp_path / "own", in_shards(torch_zip(3000), torch_zip(2000, 1), form="bin"))


def written(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir()
    for name, content in files.items():
        if "/" not in name and name != "training_args.bin":
            (folder / name).write_bytes(content)
    return folder


def states(found: Verification) -> dict[str, str]:
    return {file.name: file.state for file in found.broken}


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def flipped(path: Path, at: int = -5) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def zeroed(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[1000:2000] = bytes(1000)
    path.write_bytes(content)


def gone(path: Path) -> None:
    path.resolve().unlink()


def test_a_whole_model_is_good(folder: Path) -> None:
    found = verify(folder)
    assert found.healthy and found.recorded
    assert {file.name for file in found.files} == {path.name for path in folder.iterdir() if path.name[0] != "."}
    assert all(len(file.sha256) == 64 for file in found.files)
    assert "all 5 files are good" in str(found) and A in found._repr_html_()


@pytest.mark.parametrize(("damage", "state"), [(cut, "size"), (flipped, "bytes"), (zeroed, "bytes"), (gone, "missing")])
@pytest.mark.parametrize("name", [A, "tokenizer.json"])
def test_a_broken_file_is_named_and_it_alone_is_fetched_again(
    server: HubServer, hub: Hub, folder: Path, damage: Callable[[Path], None], state: str, name: str
) -> None:
    damage(folder / name)
    found = verify(folder)
    assert states(found) == {name: state}
    assert "1 of 5 files are broken; qrag model repair fetches them again" in str(found)
    server.asked.clear()
    assert repair(hub, found).healthy
    assert {each.name for each in server.asked} == {name}
    assert (folder / name).read_bytes() == server.models[MODEL][name]


def test_two_shards_that_changed_places_are_found(hub: Hub, server: HubServer, tmp_path: Path) -> None:
    server.publish(MODEL, in_shards(safetensors(50_000), safetensors(50_000, 1)))
    folder = download(hub, Wanted(MODEL), tmp_path)
    first, second = ((folder / name).readlink() for name in (A, B))
    for name, target in ((A, second), (B, first)):
        (folder / name).unlink()
        (folder / name).symlink_to(target)
    assert states(verify(folder)) == {A: "bytes", B: "bytes"}


def test_a_quick_look_reads_no_weights_and_finds_what_is_short(folder: Path) -> None:
    flipped(folder / A)
    assert verify(folder, deep=False).healthy
    cut(folder / B)
    assert states(verify(folder, deep=False)) == {B: "size"}


def test_a_config_that_is_gone_is_missed(server: HubServer, hub: Hub, folder: Path) -> None:
    (folder / "config.json").unlink()
    found = verify(folder)
    assert states(found) == {"config.json": "missing"}
    assert repair(hub, found).healthy


def test_an_index_that_is_gone_is_missed(hub: Hub, folder: Path) -> None:
    (folder / "model.safetensors.index.json").unlink()
    found = verify(folder)
    assert "model.safetensors.index.json" in states(found)
    assert repair(hub, found).healthy


def test_a_hub_that_is_away_leaves_what_there_is(server: HubServer, folder: Path) -> None:
    flipped(folder / A)
    before = (folder / A).read_bytes()
    with Hub("http://127.0.0.1:9", patience=QUICK) as away, pytest.raises(ModelUnavailable):
        repair(away, verify(folder))
    assert (folder / A).read_bytes() == before


def test_a_repair_over_a_bad_line_is_taken_up(server: HubServer, hub: Hub, folder: Path) -> None:
    flipped(folder / A)
    server.faults.cut[A] = [100_000]
    server.faults.wrong[A] = 1
    assert repair(hub, verify(folder)).healthy


def test_a_model_of_another_librarys_cache_is_checked_by_the_names_of_its_blobs(folder: Path) -> None:
    shutil.rmtree(folder.parent.parent / "qrag")
    assert verify(folder).healthy
    flipped(folder / A)
    assert states(verify(folder)) == {A: "bytes"}


def test_what_the_cache_knows_is_enough_without_the_hub(folder: Path, server: HubServer, tmp_path: Path) -> None:
    server.shutdown()
    assert verify(folder).healthy


# --- folders that did not come from the hub -------------------------------------------------------


def test_verifying_a_folder_is_how_a_person_trusts_its_bin_files(own: Path) -> None:
    with pytest.raises(ModelRefused, match="nobody verified"):
        check_llm_folder(own)
    assert verify(own).recorded
    check_llm_folder(own)


def test_a_folder_that_was_verified_is_held_to_it(own: Path) -> None:
    verify(own)
    shard = own / "pytorch_model-00001-of-00002.bin"
    shard.write_bytes(torch_zip(3000, seed=5, name="t0"))
    assert states(verify(own)) == {shard.name: "bytes"}
    assert not is_verified(own, shard)
    assert verify(own, anew=True).healthy and is_verified(own, shard)


def test_a_flipped_bit_of_a_bin_file_is_found_without_any_checksum(own: Path) -> None:
    flipped(own / "pytorch_model-00001-of-00002.bin", 2000)
    found = verify(own)
    assert states(found) == {"pytorch_model-00001-of-00002.bin": "bytes"}
    assert "archive/data/0 is torn" in str(found).replace("\n", " ")


def test_a_broken_folder_of_ones_own_cannot_be_fetched(own: Path, hub: Hub) -> None:
    cut(own / "pytorch_model-00001-of-00002.bin")
    found = verify(own)
    assert states(found) == {"pytorch_model-00001-of-00002.bin": "structure"}
    with pytest.raises(ModelError, match="did not come from the hub: pytorch_model-00001-of-00002"):
        repair(hub, found)


def test_a_gguf_file_is_verified_in_its_folder(tmp_path: Path) -> None:
    folder = written(tmp_path / "g", {"m.gguf": gguf(2048)})
    assert verify(folder).healthy
    flipped(folder / "m.gguf")
    assert states(verify(folder)) == {"m.gguf": "bytes"}


def test_a_read_only_folder_is_recorded_elsewhere(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (own / NAME).mkdir()  # nothing can be put in its place, whoever runs the test
    assert verify(own).recorded
    assert len(list((tmp_path / "home").rglob("*.json"))) == 1
    check_llm_folder(own)


def test_a_folder_without_a_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="holds no model"):
        verify(written(tmp_path / "empty", {"config.json": CONFIG}))
    with pytest.raises(NotFound):
        verify(tmp_path / "nowhere")


def test_progress_of_a_verification_is_told(folder: Path) -> None:
    told: list[str] = []
    verify(folder, tell=lambda stage, done, total=None, seconds=None: told.append(stage))
    assert set(told) == {"verify"} and len(told) > 5
