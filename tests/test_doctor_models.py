"""`qrag status` and `qrag doctor` tell of language models: what there is, what is broken, what is of no use."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from shape_7b import WEIGHTS_BYTES, make_7b

from local_models.planning.memory import available_memory
from qrag_lib.settings import Settings
from qrag_lib.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path):  # type: ignore[no-untyped-def]
    settings = Settings(workspace=tmp_path / "w", models_cache=tmp_path / "models", prefix_cache_mib=1.0)
    with Workspace.open(tmp_path / "w", settings=settings) as opened:
        yield opened


def snapshot(workspace: Workspace) -> Path:
    model = workspace.settings.engine.hub_folder / "models--deepseek-ai--deepseek-llm-7b-chat"
    return make_7b(model / "snapshots" / ("0" * 40))


def test_status_lists_the_models_and_the_memory_they_may_take(workspace: Workspace) -> None:
    snapshot(workspace)
    found = workspace.status()
    name, n_bytes = next(iter(found.models.items()))
    assert (name, found.model) == ("deepseek-ai/deepseek-llm-7b-chat", "auto:")
    assert n_bytes == pytest.approx(WEIGHTS_BYTES, rel=1e-4)
    assert found.free_memory_mib == pytest.approx(available_memory().available >> 20, rel=0.2)
    assert "model: deepseek-ai/deepseek-llm-7b-chat" in str(found) and "memory that a model may take" in str(found)


def test_an_embedding_model_is_not_listed_as_one_that_writes(workspace: Workspace, tiny_model: Path) -> None:
    shutil.copytree(tiny_model, workspace.settings.models_folder / "embedder")
    assert workspace.status().models == {}


def test_sound_models_are_no_finding(workspace: Workspace) -> None:
    snapshot(workspace)
    found = workspace.doctor()
    assert (found.findings, "models" in found.checked) == ((), True)


def test_a_shard_that_was_cut_is_found_and_the_command_that_mends_it_named(workspace: Workspace) -> None:
    shard = snapshot(workspace) / "model-00002-of-00002.safetensors"
    os.truncate(shard, shard.stat().st_size - 1)
    found = workspace.doctor()
    (finding,) = found.findings
    assert finding.code == "models" and shard.name in finding.message
    assert finding.hint == "qrag model repair deepseek-ai/deepseek-llm-7b-chat"
    assert found.healthy


def test_a_configuration_that_is_no_json_is_found(workspace: Workspace) -> None:
    (snapshot(workspace) / "config.json").write_text("{")
    (finding,) = workspace.doctor().findings
    assert finding.code == "models" and "config.json" in finding.message


def test_bytes_that_belong_to_no_model_go_with_repair(workspace: Workspace) -> None:
    blob = snapshot(workspace).parents[1] / "blobs" / ("a" * 64)
    blob.parent.mkdir()
    blob.write_bytes(bytes(2**20))
    os.utime(blob, (time.time() - 9999,) * 2)
    (finding,) = workspace.doctor().findings
    assert "1.0 MiB" in finding.message
    assert blob.exists() and workspace.doctor(repair=True).findings[0].mended
    assert not blob.exists() and workspace.doctor().findings == ()


def test_prompts_beyond_their_limit_go_with_repair(workspace: Workspace) -> None:
    prefixes = workspace.settings.computed_folder / "prefixes"
    prefixes.mkdir(parents=True)
    for i in range(3):
        (prefixes / f"{i}.kv").write_bytes(bytes(2**19))
    (prefixes / "x.part").write_bytes(b"x")
    (finding,) = workspace.doctor().findings
    assert finding.code == "models" and "of no use" in finding.message
    workspace.doctor(repair=True)
    assert sorted(path.suffix for path in prefixes.iterdir() if path.name != "lock") == [".kv", ".kv"]
