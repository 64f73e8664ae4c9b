"""Models fetched from a hub on loopback: what is fetched, in which order, over bad lines and after kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_models import CONFIG, MODEL, gguf, in_shards, safetensors, torch_zip
from hub_server import HubServer, digest, hub_server
from tiny_llm import make_tiny_llm

from local_models.checkpoint.model_safety import check_llm_folder
from local_models.hub.cache_layout import Repository, find
from local_models.hub.download import Wanted, download, plan_download
from local_models.hub.hub_client import Hub, Patience
from qrag_lib.errors import DiskFull, ModelDamaged, ModelError, ModelRefused, ModelUnavailable, NotFound

QUICK = Patience(tries=3, wait_s=0.01, silence_s=1.0)
STRANGE = b'{"sha": "%s", "siblings": ["x"]}' % (b"0" * 40)
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


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def parts(cache: Path) -> list[Path]:
    return sorted(cache.glob("models--*/blobs/*.part"))


def same(server: HubServer, folder: Path, *wanted: str) -> bool:
    return all((folder / name).read_bytes() == server.models[MODEL][name] for name in wanted)


# --- what is fetched ------------------------------------------------------------------------------


def test_only_what_is_needed_is_fetched_little_files_first(server: HubServer, hub: Hub, tmp_path: Path) -> None:
    folder = download(hub, Wanted(MODEL), tmp_path)
    assert names(folder) == {"config.json", "tokenizer.json", "model.safetensors.index.json", A, B}
    assert [each.name for each in server.asked][-2:] == [A, B]
    assert same(server, folder, *names(folder))
    assert find(MODEL, tmp_path) == folder
    check_llm_folder(folder)


def test_a_second_download_fetches_nothing(server: HubServer, hub: Hub, tmp_path: Path) -> None:
    first = download(hub, Wanted(MODEL), tmp_path)
    server.asked.clear()
    assert download(hub, Wanted(MODEL), tmp_path) == first
    assert server.asked == []


@pytest.mark.parametrize(("use_safetensors", "suffix"), [(True, ".safetensors"), (False, ".bin")])
def test_one_form_of_the_weights_is_taken(
    server: HubServer, hub: Hub, tmp_path: Path, use_safetensors: bool, suffix: str
) -> None:
    both = in_shards(safetensors(2000)) | in_shards(torch_zip(2000), form="bin")
    server.publish(MODEL, both)
    folder = download(hub, Wanted(MODEL, use_safetensors=use_safetensors), tmp_path)
    assert {name for name in names(folder) if "-of-" in name} == {name for name in both if name.endswith("1" + suffix)}


def test_a_model_that_has_only_bin_is_fetched_and_may_be_loaded(server: HubServer, hub: Hub, tmp_path: Path) -> None:
    server.publish(MODEL, in_shards(torch_zip(3000), torch_zip(2000, 1), form="bin"))
    folder = download(hub, Wanted(MODEL), tmp_path)
    assert "pytorch_model-00002-of-00002.bin" in names(folder)
    check_llm_folder(folder)


def test_a_bin_file_so_small_that_git_keeps_it_may_be_loaded_too(server: HubServer, hub: Hub, tmp_path: Path) -> None:
    server.large = 10**6
    server.publish(MODEL, in_shards(torch_zip(100), form="bin"))
    check_llm_folder(download(hub, Wanted(MODEL), tmp_path))


def test_a_gguf_file_is_chosen_by_its_name(server: HubServer, hub: Hub, tmp_path: Path) -> None:
    server.publish(MODEL, {"README.md": b"", "m.Q4_K_M.gguf": gguf(2048), "m.Q8_0.gguf": gguf(4096)})
    with pytest.raises(NotFound, match="has 2 GGUF files that fit") as raised:
        download(hub, Wanted(MODEL), tmp_path)
    assert raised.value.hint == "choose with --file, of: m.Q4_K_M.gguf, m.Q8_0.gguf"
    assert names(download(hub, Wanted(MODEL, pattern="*Q4_K_M*"), tmp_path)) == {"m.Q4_K_M.gguf"}


def test_a_model_without_weights_is_refused(server: HubServer, hub: Hub, tmp_path: Path) -> None:
    server.publish(MODEL, {"config.json": CONFIG, "flax_model.msgpack": b""})
    with pytest.raises(NotFound, match="no weights that can be loaded"):
        download(hub, Wanted(MODEL), tmp_path)


def test_a_model_that_brings_code_is_refused_before_its_weights(server: HubServer, hub: Hub, tmp_path: Path) -> None:
    evil = json.dumps({"model_type": "llama", "auto_map": {"AutoModel": "modeling.Evil"}}).encode()
    server.publish(MODEL, in_shards(safetensors(2000)) | {"config.json": evil, "modeling.py": b"boom()"})
    with pytest.raises(ModelRefused, match="auto_map"):
        download(hub, Wanted(MODEL), tmp_path)
    assert "modeling.py" not in {each.name for each in server.asked}
    assert not any("-of-" in each.name for each in server.asked)


@pytest.mark.parametrize("name", ["../../evil.safetensors", "model-00009-of-00009.safetensors"])
def test_an_index_that_names_what_is_not_there_is_refused(
    server: HubServer, hub: Hub, tmp_path: Path, name: str
) -> None:
    index = json.dumps({"weight_map": {"a": name}}).encode()
    server.publish(MODEL, in_shards(safetensors(2000)) | {"model.safetensors.index.json": index})
    with pytest.raises(ModelRefused, match=r"names"):
        download(hub, Wanted(MODEL), tmp_path)
    with pytest.raises(NotFound):
        find(MODEL, tmp_path)


def test_weights_that_are_no_weights_are_refused(server: HubServer, hub: Hub, tmp_path: Path) -> None:
    server.publish(MODEL, in_shards(b"\x80\x02" + bytes(3000)))
    with pytest.raises((ModelRefused, ModelDamaged)):
        download(hub, Wanted(MODEL), tmp_path)
    with pytest.raises(NotFound):
        find(MODEL, tmp_path)


# --- the plan and the room ------------------------------------------------------------------------


def test_the_plan_says_what_will_be_fetched_and_fetches_nothing(server: HubServer, hub: Hub, tmp_path: Path) -> None:
    plan = plan_download(hub, Wanted(MODEL), tmp_path / "cache")
    assert plan.need_bytes == sum(len(server.models[MODEL][file.name]) for file in (*plan.small, *plan.weights))
    assert plan.fits and "to fetch" in str(plan) and A in plan._repr_html_()
    assert server.asked == [] and not (tmp_path / "cache").exists()


def test_no_room_is_said_before_the_first_byte(server: HubServer, hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(DiskFull, match=r"org/model needs 4.. KiB and .* free; .* has .*") as raised:
        download(hub, Wanted(MODEL, least_free_bytes=2**60), tmp_path)
    assert "qrag model clean frees 0 B" in str(raised.value.hint)
    assert server.asked == []


def test_what_is_there_needs_no_room(hub: Hub, tmp_path: Path) -> None:
    folder = download(hub, Wanted(MODEL), tmp_path)
    assert download(hub, Wanted(MODEL, least_free_bytes=2**60), tmp_path) == folder


def test_progress_is_told_to_its_end(hub: Hub, tmp_path: Path, server: HubServer) -> None:
    server.publish(MODEL, in_shards(safetensors(3 * 2**20)))
    told: list[tuple[str, int, int | None]] = []
    download(
        hub,
        Wanted(MODEL),
        tmp_path,
        tell=lambda stage, done, total=None, seconds=None: told.append((stage, done, total)),
    )
    assert told[0] == ("download", 0, 3) and told[-1] == ("download", 3, 3)
    assert [done for _stage, done, _total in told] == sorted(done for _stage, done, _total in told)


def test_a_cache_that_cannot_be_written_answers_for_what_it_holds(hub: Hub, tmp_path: Path) -> None:
    folder = download(hub, Wanted(MODEL), tmp_path)
    fixed = [tmp_path, *(path for path in tmp_path.rglob("*") if not path.is_symlink())]
    if subprocess.run(["chattr", "+i", *map(str, fixed)], capture_output=True).returncode:
        pytest.skip("root may make files immutable, nobody else")
    try:
        assert download(hub, Wanted(MODEL), tmp_path) == folder == find(MODEL, tmp_path)
        check_llm_folder(folder)
    finally:
        subprocess.run(["chattr", "-i", *map(str, fixed)], check=True)


def test_a_version_fetched_by_its_commit_is_found_by_the_models_name(
    server: HubServer, hub: Hub, tmp_path: Path
) -> None:
    folder = download(hub, Wanted(MODEL, server.commit(MODEL)), tmp_path)
    assert find(MODEL, tmp_path) == folder


# --- bad lines ------------------------------------------------------------------------------------


def test_a_cut_line_is_taken_up_where_it_broke(server: HubServer, hub: Hub, tmp_path: Path) -> None:
    server.faults.cut[A] = [100_000, 200_000]
    folder = download(hub, Wanted(MODEL), tmp_path)
    assert same(server, folder, A, B)
    assert [each.start for each in server.asked if each.name == A] == [0, 100_000, 200_000]
    assert server.sent[A] == len(server.models[MODEL][A])


def test_a_server_without_ranges_begins_again(server: HubServer, hub: Hub, tmp_path: Path) -> None:
    server.faults.cut[A], server.faults.ranges = [100_000], False
    assert same(server, download(hub, Wanted(MODEL), tmp_path), A, B)


def test_a_server_without_ranges_whose_line_always_breaks_is_given_up(
    server: HubServer, hub: Hub, tmp_path: Path
) -> None:
    server.faults.cut[A], server.faults.ranges = [100_000] * 99, False
    with pytest.raises(ModelUnavailable, match="does not answer"):
        download(hub, Wanted(MODEL), tmp_path)
    assert len([each for each in server.asked if each.name == A]) == QUICK.tries


def test_a_line_cut_in_the_little_files_is_taken_up_too(server: HubServer, hub: Hub, tmp_path: Path) -> None:
    server.faults.cut["tokenizer.json"] = [0, 0]
    assert same(server, download(hub, Wanted(MODEL), tmp_path), "tokenizer.json")


def test_a_line_that_always_breaks_is_given_up_with_what_has_come(server: HubServer, hub: Hub, tmp_path: Path) -> None:
    server.faults.cut[A] = [100_000] * 9
    with pytest.raises(ModelUnavailable, match="does not answer") as raised:
        download(hub, Wanted(MODEL), tmp_path)
    assert "kept" in str(raised.value.hint)
    assert [path.stat().st_size for path in parts(tmp_path)] == [100_000]
    server.faults.cut.clear()
    server.sent.clear()
    assert same(server, download(hub, Wanted(MODEL), tmp_path), A)
    assert server.sent[A] == len(server.models[MODEL][A]) - 100_000


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again_and_not_for_ever(
    server: HubServer, hub: Hub, tmp_path: Path, status: int
) -> None:
    server.faults.status, server.faults.api_status = [status] * 2, [status] * 2
    assert same(server, download(hub, Wanted(MODEL), tmp_path), A)
    server.faults.api_status = [status] * 9
    with pytest.raises(ModelUnavailable, match=f"status {status}"):
        plan_download(hub, Wanted(MODEL), tmp_path)
    assert len(server.faults.api_status) == 6


def test_each_try_is_told(server: HubServer, tmp_path: Path) -> None:
    said: list[str] = []
    server.faults.status = [503]
    with Hub(server.endpoint, patience=QUICK, say=said.append) as hub:
        download(hub, Wanted(MODEL), tmp_path)
    assert said == ["status 503; try 2 of 3"]


def test_a_server_that_says_nothing_is_given_up(server: HubServer, tmp_path: Path) -> None:
    server.faults.silent = True
    with (
        Hub(server.endpoint, patience=Patience(1, 0.01, silence_s=0.2)) as hub,
        pytest.raises(ModelUnavailable, match="ReadTimeout"),
    ):
        plan_download(hub, Wanted(MODEL), tmp_path)


def test_a_slow_answer_is_waited_for(server: HubServer, hub: Hub, tmp_path: Path) -> None:
    server.faults.delay_s = 0.05
    assert same(server, download(hub, Wanted(MODEL), tmp_path), A, B)


def test_no_hub_at_all_is_a_clear_error(tmp_path: Path) -> None:
    with Hub("http://127.0.0.1:9", patience=QUICK) as hub, pytest.raises(ModelUnavailable, match=r"127\.0\.0\.1:9"):
        plan_download(hub, Wanted(MODEL), tmp_path)


def test_a_hub_that_redirects_in_a_ring_is_given_up(server: HubServer, hub: Hub, tmp_path: Path) -> None:
    server.faults.ring = True
    with pytest.raises(ModelUnavailable, match="TooManyRedirects"):
        download(hub, Wanted(MODEL), tmp_path)


@pytest.mark.parametrize("address", ["huggingface.co", "ftp://x", "https://", "file:///etc/passwd", "http://a b/"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ModelError, match="is no address of a hub"):
        Hub(address)


def test_wrong_bytes_are_fetched_once_more(server: HubServer, hub: Hub, tmp_path: Path) -> None:
    server.faults.wrong[A] = 1
    assert same(server, download(hub, Wanted(MODEL), tmp_path), A)


@pytest.mark.parametrize("name", [A, "config.json"])
def test_wrong_bytes_twice_are_refused_and_not_kept(server: HubServer, hub: Hub, tmp_path: Path, name: str) -> None:
    server.faults.wrong[name] = 9
    with pytest.raises(ModelDamaged, match="other bytes than it announced, twice"):
        download(hub, Wanted(MODEL), tmp_path)
    assert parts(tmp_path) == []
    with pytest.raises(NotFound):
        find(MODEL, tmp_path)


def test_a_part_with_wrong_bytes_is_noticed_and_replaced(server: HubServer, hub: Hub, tmp_path: Path) -> None:
    blob = Repository(tmp_path, MODEL).blob(hub.listing(MODEL).file(A))
    blob.parent.mkdir(parents=True)
    blob.with_name(blob.name + ".part").write_bytes(bytes(50_000))
    assert same(server, download(hub, Wanted(MODEL), tmp_path), A)


def test_a_part_longer_than_the_file_is_begun_again(server: HubServer, hub: Hub, tmp_path: Path) -> None:
    blob = Repository(tmp_path, MODEL).blob(hub.listing(MODEL).file(A))
    blob.parent.mkdir(parents=True)
    blob.with_name(blob.name + ".part").write_bytes(bytes(900_000))
    assert same(server, download(hub, Wanted(MODEL), tmp_path), A)


# --- who is let in --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "because"),
    [
        (Wanted("org/nothing"), "has no model org/nothing, or it is private"),
        (Wanted(MODEL, "v9"), "org/model has no such branch, tag or commit"),
    ],
)
def test_what_is_not_there_is_said(hub: Hub, tmp_path: Path, wanted: Wanted, because: str) -> None:
    with pytest.raises(NotFound, match=because):
        download(hub, wanted, tmp_path)


@pytest.mark.parametrize("model", ["../x", "a/b/c", "", "a b/c", "org/..", "org--x/y", "/etc/passwd", "org/m\n"])
def test_a_name_that_is_none_is_refused_before_anything_is_asked(hub: Hub, tmp_path: Path, model: str) -> None:
    with pytest.raises(ModelError, match="no name of a model"):
        download(hub, Wanted(model), tmp_path)


@pytest.mark.parametrize("revision", ["../main", "", "a b", "/x", "a//b", "-x"])
def test_a_revision_that_is_none_is_refused(hub: Hub, tmp_path: Path, revision: str) -> None:
    with pytest.raises(ModelError, match="no branch, tag or commit"):
        download(hub, Wanted(MODEL, revision), tmp_path)


def test_a_gated_model_needs_a_token_that_goes_nowhere_else(server: HubServer, tmp_path: Path) -> None:
    server.gated.add(MODEL)
    with Hub(server.endpoint, patience=QUICK) as hub, pytest.raises(ModelError, match="whom its owner lets in"):
        download(hub, Wanted(MODEL), tmp_path)
    with hub_server() as other, Hub(server.endpoint, token="good", patience=QUICK) as hub:
        other.models = server.models
        server.faults.redirect_to = other.endpoint
        assert same(server, download(hub, Wanted(MODEL), tmp_path), A, B)
        assert {each.token for each in server.asked} == {"Bearer good"}
        assert {each.token for each in other.asked} == {""} and other.sent[A]


@pytest.mark.parametrize(
    "answer", [b"[]", b"{}", b"<html>", b'{"sha": 7, "siblings": []}', b'{"sha":"x","siblings":1}', STRANGE]
)
def test_a_hub_that_answers_nonsense_is_refused(server: HubServer, hub: Hub, tmp_path: Path, answer: bytes) -> None:
    server.faults.listing = answer
    with pytest.raises(ModelRefused, match="something else than a model"):
        plan_download(hub, Wanted(MODEL), tmp_path)


def test_a_checksum_that_leaves_the_cache_is_refused(server: HubServer, hub: Hub, tmp_path: Path) -> None:
    sibling = {"rfilename": "config.json", "size": 2, "blobId": "../../../../evil"}
    server.faults.listing = json.dumps({"sha": "0" * 40, "siblings": [sibling]}).encode()
    with pytest.raises(ModelRefused, match="something else than a model"):
        plan_download(hub, Wanted(MODEL), tmp_path)


def test_a_file_longer_than_announced_is_refused(server: HubServer, hub: Hub, tmp_path: Path) -> None:
    announced = {"rfilename": "model.safetensors", "size": 9, "lfs": {"sha256": digest(bytes(2000)), "size": 500}}
    server.faults.listing = json.dumps({"sha": server.commit(MODEL), "siblings": [announced]}).encode()
    server.models[MODEL]["model.safetensors"] = bytes(2000)
    commit = server.commit(MODEL)
    server.faults.listing = json.dumps({"sha": commit, "siblings": [announced]}).encode()
    with pytest.raises(ModelRefused, match="sends more than the hub announced"):
        download(hub, Wanted(MODEL), tmp_path)


# --- kills and other processes --------------------------------------------------------------------

FETCH = """
import sys
from pathlib import Path
from local_models.hub.hub_client import Hub
from local_models.hub.download import Wanted, download
with Hub(sys.argv[1]) as hub:
    print(download(hub, Wanted("org/model"), Path(sys.argv[2])))
"""


def fetching(server: HubServer, cache: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", FETCH, server.endpoint, str(cache)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


def test_a_killed_download_goes_on_inside_the_file(server: HubServer, hub: Hub, tmp_path: Path) -> None:
    server.publish(MODEL, in_shards(safetensors(8 * 2**20)))
    name = "model-00001-of-00001.safetensors"
    server.faults.delay_s = 0.02
    process = fetching(server, tmp_path)
    until(lambda: any(path.stat().st_size >= 2**20 for path in parts(tmp_path)))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    had = parts(tmp_path)[-1].stat().st_size
    server.faults.delay_s = 0.0
    server.asked.clear()
    assert same(server, download(hub, Wanted(MODEL), tmp_path), name)
    assert [each.start for each in server.asked if each.name == name] == [had]
    assert had >= 2**20 and parts(tmp_path) == []


def test_two_downloads_at_once_fetch_each_byte_once(server: HubServer, tmp_path: Path) -> None:
    server.faults.delay_s = 0.03
    processes = [fetching(server, tmp_path) for _n in range(2)]
    printed = {process.communicate()[0].strip() for process in processes}
    assert len(printed) == 1 and same(server, Path(printed.pop()), A, B)
    assert server.sent[A] == len(server.models[MODEL][A])


def test_an_interrupt_leaves_a_part_to_go_on_with(server: HubServer, hub: Hub, tmp_path: Path) -> None:
    def interrupted(stage: str, done: int, total: int | None = None, seconds: float | None = None) -> None:
        if any(path.stat().st_size for path in parts(tmp_path) if path.stat().st_size > 10_000):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(hub, Wanted(MODEL), tmp_path, tell=interrupted)
    assert parts(tmp_path) and same(server, download(hub, Wanted(MODEL), tmp_path), A, B)


def test_a_model_that_changes_on_the_hub_is_fetched_beside_the_old(server: HubServer, hub: Hub, tmp_path: Path) -> None:
    old = download(hub, Wanted(MODEL), tmp_path)
    server.models[MODEL] = {**server.models[MODEL], A: safetensors(300_000, seed=7)}
    server.asked.clear()
    new = download(hub, Wanted(MODEL), tmp_path)
    assert new != old and find(MODEL, tmp_path) == new and find(MODEL, tmp_path, old.name) == old
    assert {each.name for each in server.asked} == {A}


# --- beside huggingface_hub -----------------------------------------------------------------------


def python(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_the_hub_on_loopback_is_one_to_huggingface_hub(server: HubServer, tmp_path: Path) -> None:
    code = f"""
import huggingface_hub as h
print(h.snapshot_download({MODEL!r}, cache_dir={str(tmp_path)!r}, allow_patterns=["*.json", "*.safetensors"]))
"""
    folder = python(
        code, HF_ENDPOINT=server.endpoint, HF_HUB_OFFLINE="0", TRANSFORMERS_OFFLINE="0", HF_HUB_DISABLE_XET="1"
    )
    assert same(server, Path(folder), A, B, "config.json")
    assert find(MODEL, tmp_path) == Path(folder)
    check_llm_folder(Path(folder))


def test_huggingface_hub_finds_what_was_downloaded(hub: Hub, tmp_path: Path) -> None:
    folder = download(hub, Wanted(MODEL), tmp_path)
    code = f"""
import huggingface_hub as h
print(h.snapshot_download({MODEL!r}, cache_dir={str(tmp_path)!r}, local_files_only=True))
found = h.scan_cache_dir({str(tmp_path)!r})
assert not found.warnings and [r.repo_id for r in found.repos] == [{MODEL!r}], found
"""
    assert python(code) == str(folder)


def test_links_can_be_switched_off(server: HubServer, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FETCH, server.endpoint, str(tmp_path)],
        env={**os.environ, "HF_HUB_DISABLE_SYMLINKS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    folder = Path(done.stdout.strip())
    assert same(server, folder, A, B) and not any(path.is_symlink() for path in folder.iterdir())


def test_the_process_stays_offline_for_everybody_else(hub: Hub, server: HubServer, tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
import qrag_lib
from qrag_lib.settings import quiet
quiet()
import huggingface_hub as h
from local_models.hub.hub_client import Hub
from local_models.hub.download import Wanted, download
with Hub({server.endpoint!r}) as hub:
    download(hub, Wanted({MODEL!r}), Path({str(tmp_path)!r}))
assert h.is_offline_mode()
try:
    h.HfApi(endpoint={server.endpoint!r}).model_info({MODEL!r})
except h.errors.OfflineModeIsEnabled:
    print("offline")
"""
    assert python(code) == "offline"


def test_a_downloaded_model_loads_in_transformers(server: HubServer, hub: Hub, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    server.publish(MODEL, make_tiny_llm(tmp_path / "made", layers=1))
    folder = download(hub, Wanted(MODEL), tmp_path / "cache")
    check_llm_folder(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    assert model.config.num_hidden_layers == 1 and AutoTokenizer.from_pretrained(folder)("a b").input_ids


def test_downloads_in_threads_of_one_process_share_the_work(server: HubServer, hub: Hub, tmp_path: Path) -> None:
    server.faults.delay_s = 0.03
    folders: list[Path] = []
    threads = [
        threading.Thread(target=lambda: folders.append(download(hub, Wanted(MODEL), tmp_path))) for _n in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(folders) == 2 and len(set(folders)) == 1
    assert server.sent[A] == len(server.models[MODEL][A])
