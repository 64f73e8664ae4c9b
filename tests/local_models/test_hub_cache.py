"""What a cache of models holds, what of it can go, and that nothing else goes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from hub_models import MODEL, in_shards, safetensors
from hub_server import HubServer, hub_server

from local_models.errors import NotFound
from local_models.hub.cache import Cleaning, find_waste, list_models, remove
from local_models.hub.download import Wanted, download
from local_models.hub.hub_client import Hub, Patience
from local_models.hub.verify import verify

A = "model-00001-of-00001.safetensors"


@pytest.fixture
def server() -> Iterator[HubServer]:
    with hub_server() as running:
        running.publish(MODEL, in_shards(safetensors(100_000)))
        yield running


@pytest.fixture
def hub(server: HubServer) -> Iterator[Hub]:
    with Hub(server.endpoint, patience=Patience(tries=1, silence_s=1.0)) as opened:
        yield opened


@pytest.fixture
def folder(hub: Hub, tmp_path: Path) -> Path:
    return download(hub, Wanted(MODEL), tmp_path)


def repo(cache: Path) -> Path:
    return cache / "models--org--model"


def aged(path: Path, content: bytes = b"x" * 5000) -> Path:
    path.write_bytes(content)
    then = time.time() - 7200
    os.utime(path, (then, then))
    return path


def kinds(cleaning: Cleaning) -> dict[str, str]:
    return {waste.path.name: waste.kind for waste in cleaning.items}


def everything(cache: Path) -> set[Path]:
    return set(cache.rglob("*"))


def test_a_sound_cache_has_no_waste(folder: Path, tmp_path: Path) -> None:
    found = find_waste(tmp_path, old_s=0)
    assert found.items == () and str(found) == "Nothing to remove"


def test_what_another_library_left_can_go(folder: Path, tmp_path: Path) -> None:
    left = aged(repo(tmp_path) / "blobs" / f"{'a' * 64}.1b2c3d4e.incomplete")
    orphan = aged(repo(tmp_path) / "blobs" / ("b" * 64))
    found = find_waste(tmp_path)
    assert kinds(found) == {left.name: "incomplete", orphan.name: "orphan"} and found.n_bytes == 10_000
    assert left.exists(), "nothing is gone before it is applied"
    assert "Would free 9.8 KiB; --yes removes it" in str(found)
    done = found.apply()
    assert done.done and done.n_bytes == 10_000 and not left.exists() and not orphan.exists()
    assert "Removed: 9.8 KiB" in str(done)
    assert verify(folder).healthy


def test_what_is_being_written_stays(folder: Path, tmp_path: Path) -> None:
    blobs = repo(tmp_path) / "blobs"
    (blobs / f"{'a' * 64}.x.incomplete").write_bytes(b"young")
    aged(blobs / f"{'c' * 64}.x.incomplete")
    with FileLock(tmp_path / ".locks" / repo(tmp_path).name / f"{'c' * 64}.lock"):
        assert find_waste(tmp_path).items == ()


def test_a_dangling_link_is_found_and_hides_nothing(folder: Path, tmp_path: Path) -> None:
    (folder / A).resolve().unlink()
    assert kinds(find_waste(tmp_path)) == {A: "dangling"}
    assert [(m.name, m.whole) for m in list_models(tmp_path).models] == [(MODEL, False)]
    find_waste(tmp_path).apply()
    assert not (folder / A).is_symlink()


def test_an_unfinished_download_is_kept_unless_asked_for(server: HubServer, hub: Hub, tmp_path: Path) -> None:
    server.faults.cut[A] = [50_000]
    with pytest.raises(Exception, match="does not answer"):
        download(hub, Wanted(MODEL), tmp_path)
    assert find_waste(tmp_path, old_s=0).items == ()
    assert [m.whole for m in list_models(tmp_path).models] == [False]
    found = find_waste(tmp_path, ("unfinished",))
    assert found.n_bytes > 50_000 and set(kinds(found).values()) == {"unfinished"}
    found.apply()
    assert download(hub, Wanted(MODEL), tmp_path).is_dir()


def test_an_old_version_goes_only_when_asked_and_takes_only_its_own(
    server: HubServer, hub: Hub, folder: Path, tmp_path: Path
) -> None:
    server.models[MODEL] = {**server.models[MODEL], A: safetensors(100_000, seed=7)}
    new = download(hub, Wanted(MODEL), tmp_path)
    assert find_waste(tmp_path, old_s=0).items == ()
    found = find_waste(tmp_path, ("detached",))
    assert 0 < found.n_bytes - (folder / A).stat().st_size < 1000
    found.apply()
    assert not folder.exists() and verify(new).healthy
    assert find_waste(tmp_path, ("detached", "orphan", "dangling"), old_s=0).items == ()


def test_a_version_asked_for_by_its_commit_is_not_old(server: HubServer, hub: Hub, tmp_path: Path) -> None:
    download(hub, Wanted(MODEL, server.commit(MODEL)), tmp_path)
    assert find_waste(tmp_path, ("detached",)).items == ()


def test_models_are_listed_with_what_they_take(folder: Path, tmp_path: Path) -> None:
    listed = list_models(tmp_path)
    (model,) = listed.models
    assert (model.name, model.commits, model.whole) == (MODEL, (folder.name,), True)
    assert model.n_bytes > 100_000
    assert "org/model" in str(listed) and folder.name[:8] in listed._repr_html_() and "1 model in" in str(listed)


def test_strange_folders_in_the_cache_are_left_alone(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "models--").mkdir()
    (tmp_path / "models--a--b--c--d").mkdir()
    (tmp_path / "models--file").write_text("x")
    (tmp_path / "datasets--a--b" / "blobs").mkdir(parents=True)
    assert [m.name for m in list_models(tmp_path).models] == [MODEL]
    assert find_waste(tmp_path).items == ()


def test_a_cache_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert list_models(tmp_path / "none").models == () and find_waste(tmp_path / "none").items == ()


def test_a_model_is_removed_whole_after_it_was_shown(folder: Path, tmp_path: Path) -> None:
    found = remove(MODEL, tmp_path)
    before = everything(tmp_path)
    assert found.n_bytes > 100_000 and "a whole model" in str(found)
    assert everything(tmp_path) == before
    found.apply()
    assert not repo(tmp_path).exists() and list_models(tmp_path).models == ()


def test_a_model_that_is_not_there_cannot_be_removed(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no model org/other") as raised:
        remove("org/other", tmp_path)
    assert raised.value.hint == "the models are: org/model"


def test_a_link_in_the_cache_never_leads_a_removal_outside(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    (folder / "link").symlink_to(outside)
    (repo(tmp_path) / "blobs" / "link").symlink_to(outside / "precious")
    find_waste(tmp_path, ("orphan", "detached", "unfinished", "dangling", "incomplete"), old_s=0).apply()
    remove(MODEL, tmp_path).apply()
    assert (outside / "precious").read_text() == "x"
