"""`qrag model download | verify | repair | list | remove | clean` on a terminal, and for programs."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hub_models import MODEL, gguf, in_shards, safetensors, torch_zip
from hub_server import HubServer, hub_server
from tiny_llm import make_tiny_llm

from local_models.hub.cache_layout import find
from local_models.kv_cache.prefix import PART
from qrag_lib.cli import main
from qrag_lib.cli.exits import Exit
from qrag_lib.settings import Settings

A = "model-00001-of-00001.safetensors"
Qrag = Callable[..., tuple[int, str, str]]


@pytest.fixture
def server() -> Iterator[HubServer]:
    with hub_server() as running:
        running.publish(MODEL, in_shards(safetensors(100_000)))
        yield running


@pytest.fixture
def qrag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Qrag:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QRAG_LANG", "en")
    monkeypatch.setenv("QRAG_MIN_FREE_DISK_GIB", "0")

    def run(*words: str) -> tuple[int, str, str]:
        code = main(["model", *words])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def fetched(server: HubServer, qrag: Qrag) -> Path:
    assert qrag("download", MODEL, "--endpoint", server.endpoint)[0] == Exit.DONE
    return find(MODEL, Settings().engine.hub_folder.absolute())


def test_a_model_is_planned_fetched_and_listed(server: HubServer, qrag: Qrag) -> None:
    code, out, _err = qrag("download", MODEL, "--plan", "--endpoint", server.endpoint)
    assert code == Exit.DONE and f"org/model at {server.commit(MODEL)[:8]}: 100 KiB to fetch" in out
    assert server.asked == []
    code, out, err = qrag("download", MODEL, "--endpoint", server.endpoint)
    assert (code, err) == (Exit.DONE, "") and "all 4 files are good" in out
    code, out, _err = qrag("list")
    assert code == Exit.DONE and "1 model in" in out and "org/model" in out and "whole" in out


def test_a_fetched_model_can_be_planned_by_its_name(server: HubServer, qrag: Qrag, tmp_path: Path) -> None:
    server.publish(MODEL, make_tiny_llm(tmp_path / "made", format="bin", layers=1))
    assert qrag("download", MODEL, "--endpoint", server.endpoint)[0] == Exit.DONE
    code, out, _err = qrag("plan", MODEL, "--bandwidth", "1000")
    assert code == Exit.DONE and "all of it fits in memory" in out


def test_results_are_json_for_programs(server: HubServer, qrag: Qrag, fetched: Path) -> None:
    verified = json.loads(qrag("verify", MODEL, "--json")[1])
    assert {file["state"] for file in verified["files"]} == {"good"} and verified["recorded"] is True
    assert json.loads(qrag("list", "--json")[1])["models"][0]["name"] == MODEL
    assert json.loads(qrag("clean", "--json")[1]) == {"items": [], "done": False}
    plan = json.loads(qrag("download", MODEL, "--plan", "--json", "--endpoint", server.endpoint)[1])
    assert set(plan["needs"].values()) == {0}


def test_a_broken_model_has_an_exit_code_and_is_repaired(server: HubServer, qrag: Qrag, fetched: Path) -> None:
    os.truncate(fetched / A, 5000)
    code, out, _err = qrag("verify", MODEL)
    assert code == Exit.DAMAGED and "1 of 4 files are broken" in out
    code, out, _err = qrag("repair", MODEL, "--endpoint", server.endpoint)
    assert code == Exit.DONE and "all 4 files are good" in out
    assert qrag("verify", MODEL, "--quick")[0] == Exit.DONE


def test_a_repair_of_a_sound_model_asks_nobody(server: HubServer, qrag: Qrag, fetched: Path) -> None:
    server.asked.clear()
    assert qrag("repair", MODEL, "--endpoint", "http://127.0.0.1:9")[0] == Exit.DONE


def test_a_model_whose_config_is_gone_can_still_be_repaired(server: HubServer, qrag: Qrag, fetched: Path) -> None:
    (fetched / "config.json").unlink()
    assert qrag("repair", MODEL, "--endpoint", server.endpoint)[0] == Exit.DONE
    assert (fetched / "config.json").is_file()


def test_removal_is_shown_before_it_is_done(qrag: Qrag, fetched: Path) -> None:
    code, out, _err = qrag("remove", MODEL)
    assert code == Exit.DONE and "Would free" in out and "--yes removes it" in out and fetched.is_dir()
    code, out, _err = qrag("remove", MODEL, "--yes")
    assert code == Exit.DONE and "Removed: " in out and not fetched.exists()
    assert "0 models in" in qrag("list")[1]


def test_cleaning_takes_waste_of_models_and_of_prompts(qrag: Qrag, fetched: Path) -> None:
    blob = fetched.parent.parent / "blobs" / f"{'a' * 64}.x.incomplete"
    blob.write_bytes(bytes(4096))
    os.utime(blob, (time.time() - 7200,) * 2)
    prompts = Settings().computed_folder / "prefixes"
    prompts.mkdir(parents=True)
    (prompts / f"x{PART}").write_bytes(bytes(2048))
    code, out, _err = qrag("clean")
    assert code == Exit.DONE and "Would free 6.0 KiB" in out and blob.exists()
    code, out, _err = qrag("clean", "--yes")
    assert code == Exit.DONE and "Removed: 6.0 KiB" in out and not blob.exists() and not any(prompts.glob("*x*"))
    assert qrag("clean")[1] == "Nothing to remove\n"


def test_stopped_downloads_go_only_with_all(server: HubServer, qrag: Qrag) -> None:
    blobs = Settings().engine.hub_folder / "models--org--model" / "blobs"
    assert qrag("download", MODEL, "--endpoint", server.endpoint)[0] == Exit.DONE
    place = find(MODEL, Settings().engine.hub_folder) / A
    part = blobs / f"{place.resolve().name}.part"
    place.resolve().rename(part)  # as a run that was stopped leaves it
    place.unlink()
    assert qrag("clean")[1] == "Nothing to remove\n"
    assert "a download that was stopped and can go on" in qrag("clean", "--all")[1]
    assert qrag("clean", "--all", "--yes")[0] == Exit.DONE and not part.exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("download", "org/nothing"), Exit.NOT_FOUND, "has no model org/nothing, or it is private"),
        (("download", MODEL, "--revision", "v9"), Exit.NOT_FOUND, "no such branch"),
        (("download", "../x"), Exit.ERROR, "no name of a model"),
        (("repair", "org/nothing"), Exit.NOT_FOUND, "org/nothing is not in"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_a_hint(
    server: HubServer, qrag: Qrag, words: tuple[str, ...], code: int, said: str
) -> None:
    done, out, err = qrag(*words, "--endpoint", server.endpoint)
    assert (done, out) == (code, "") and said in err and err.count("\n") <= 2


def test_a_minimum_of_free_disk_is_a_setting(server: HubServer, qrag: Qrag, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QRAG_MIN_FREE_DISK_GIB", "1e9")
    code, _out, err = qrag("download", MODEL, "--endpoint", server.endpoint)
    assert code == Exit.NOT_WRITABLE and "org/model needs 100 KiB and" in err
    assert qrag("download", MODEL, "--plan", "--endpoint", server.endpoint)[0] == Exit.NOT_WRITABLE


def test_a_gguf_file_is_chosen_on_the_command_line(server: HubServer, qrag: Qrag) -> None:
    server.publish(MODEL, {"m.Q4_K_M.gguf": gguf(2048), "m.Q8_0.gguf": gguf(4096)})
    assert qrag("download", MODEL, "--endpoint", server.endpoint)[0] == Exit.NOT_FOUND
    code, out, _err = qrag("download", MODEL, "--file", "*Q8*", "--endpoint", server.endpoint)
    assert code == Exit.DONE and "m.Q8_0.gguf" in out and "Q4" not in out


def test_a_folder_of_ones_own_is_verified_and_so_trusted(qrag: Qrag, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    for name, content in in_shards(torch_zip(2000), form="bin").items():
        if "/" not in name and name != "training_args.bin":
            (folder / name).write_bytes(content)
    code, out, _err = qrag("verify", str(folder))
    assert code == Exit.DONE and "all 4 files are good" in out
    assert qrag("verify", str(tmp_path / "none"))[0] == Exit.NOT_FOUND
