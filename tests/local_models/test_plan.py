"""The plan is right for the 7B shape at every size of memory, and a model that does not fit is refused with numbers."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from shape_7b import KV_TOKEN_BYTES, LINEAR_BYTES, WEIGHTS_BYTES, make_7b
from tiny_llm import make_tiny_llm

from local_models.configuration import Configuration
from local_models.errors import ModelDamaged, ModelRefused, ModelTooLarge
from local_models.planning.footprint import read_footprint
from local_models.planning.memory import Memory, available_memory
from local_models.planning.plan import Device, LoadPlan, plan_load, seconds_per_token
from local_models.planning.planner import Planner
from qrag_lib.show import dumps

MIB, GIB = 2**20, 2**30
DISK = 1.4e9  # bytes/s


@pytest.fixture(scope="module")
def deepseek(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_7b(tmp_path_factory.mktemp("shape") / "deepseek-llm-7b-chat")


def planned(folder: Path, memory_bytes: int, **options: object) -> LoadPlan:
    return plan_load(folder, memory_bytes=memory_bytes, bandwidth=DISK, **options)  # type: ignore[arg-type]


def test_the_footprint_is_that_of_the_real_model(deepseek: Path) -> None:
    found = read_footprint(deepseek)
    assert (found.weights_bytes, found.linear_bytes) == (WEIGHTS_BYTES, LINEAR_BYTES)
    assert (found.kv_token_bytes, found.n_layers, found.context_length) == (KV_TOKEN_BYTES, 30, 4096)
    assert 256 * found.activation_token_bytes == pytest.approx(40e6, rel=0.02)


def test_512_mib_streams_every_weight_and_keeps_the_attention_on_disk(deepseek: Path) -> None:
    plan = planned(deepseek, 512 * MIB)
    assert (plan.mode, plan.resident_bytes, plan.streamed_bytes) == ("streamed", 0, LINEAR_BYTES)
    assert (plan.kv_on_disk, plan.kv_bytes) == (True, 2048 * KV_TOKEN_BYTES)
    assert plan.bytes_per_token == LINEAR_BYTES + plan.kv_bytes
    assert (plan.peak_bytes, plan.prefill_chunk) == (512 * MIB, 256)
    assert plan.seconds_per_token == pytest.approx((LINEAR_BYTES + plan.kv_bytes) / DISK)


def test_4_gib_keeps_part_of_the_weights(deepseek: Path) -> None:
    plan = planned(deepseek, 4 * GIB)
    assert plan.mode == "partial"
    assert 2 * GIB < plan.resident_bytes < 3 * GIB
    assert plan.resident_bytes + plan.streamed_bytes == LINEAR_BYTES
    assert plan.bytes_per_token == plan.streamed_bytes
    assert plan.seconds_per_token == pytest.approx(plan.streamed_bytes / DISK)


def test_24_gib_holds_it_all(deepseek: Path) -> None:
    plan = planned(deepseek, 24 * GIB)
    assert (plan.mode, plan.resident_bytes, plan.bytes_per_token) == ("memory", WEIGHTS_BYTES, 0)
    assert WEIGHTS_BYTES + plan.kv_bytes < plan.peak_bytes < 16 * GIB
    assert plan.seconds_per_token and plan.seconds_per_token < 3


def test_300_mib_is_refused_with_the_numbers(deepseek: Path) -> None:
    plan = planned(deepseek, 300 * MIB)
    assert plan.refused and plan.resident_bytes == plan.bytes_per_token == 0
    with pytest.raises(ModelTooLarge, match=r"deepseek-llm-7b-chat needs 4\d\d MiB of memory .* 300 MiB are there"):
        plan.check()


def test_what_a_refusal_asks_for_is_enough(deepseek: Path) -> None:
    least = planned(deepseek, 300 * MIB).peak_bytes
    assert planned(deepseek, least).check().mode == "streamed"
    assert planned(deepseek, least - MIB).refused


def test_more_memory_never_reads_more_nor_exceeds_itself(deepseek: Path) -> None:
    plans = [planned(deepseek, mib * MIB) for mib in range(480, 20_000, 137)]
    read = [plan.bytes_per_token for plan in plans]
    assert all(plan.peak_bytes <= plan.memory_bytes for plan in plans)
    # a larger piece of the prompt, or the attention taken into memory, may cost some residents
    assert all(later <= earlier + 200 * MIB for earlier, later in pairwise(read))
    assert read[-1] == 0


def test_a_shorter_context_leaves_room_for_weights(deepseek: Path) -> None:
    short, long = planned(deepseek, 2 * GIB, context=256), planned(deepseek, 2 * GIB, context=2048)
    assert short.resident_bytes > long.resident_bytes
    assert short.kv_bytes == 256 * KV_TOKEN_BYTES


def test_the_context_ends_where_the_model_does(deepseek: Path) -> None:
    assert planned(deepseek, 24 * GIB, context=100_000).context == 4096


def test_the_least_time_is_that_of_the_slower_of_disk_and_memory() -> None:
    assert seconds_per_token(12e9, 0, 0, 1e9, 10e9) == 12.0
    assert seconds_per_token(12e9, 6e9, 1e9, 1e9, 10e9) == 7.0
    assert seconds_per_token(12e9, 0, 0, 100e9, 10e9) == 1.2


def test_nobody_measured_the_disk_so_no_seconds_are_promised(deepseek: Path) -> None:
    plan = plan_load(deepseek, memory_bytes=512 * MIB)
    assert (plan.bandwidth, plan.seconds_per_token) == (None, None)
    assert "not measured" in str(plan)


def test_without_a_number_the_memory_that_is_free_is_planned_for(deepseek: Path) -> None:
    assert plan_load(deepseek).memory_bytes == pytest.approx(available_memory().available, rel=0.2)
    assert plan_load(deepseek, config=Configuration(model_memory_mib=512.0)).memory_bytes == 512 * MIB


def test_low_cpu_mem_usage_false_refuses_what_does_not_fit(deepseek: Path) -> None:
    plan = planned(deepseek, 4 * GIB, config=Configuration(low_cpu_mem_usage=False))
    assert plan.refused and plan.peak_bytes > WEIGHTS_BYTES
    assert "LOW_CPU_MEM_USAGE=true" in plan.hint
    assert planned(deepseek, 24 * GIB, config=Configuration(low_cpu_mem_usage=False)).mode == "memory"


def test_device_map_disk_keeps_no_weights_in_memory(deepseek: Path) -> None:
    plan = planned(deepseek, 24 * GIB, config=Configuration(device_map="disk"))
    assert (plan.mode, plan.resident_bytes, plan.kv_on_disk) == ("streamed", 0, False)


def with_gpu(folder: Path, gpu: int, device: Device = "auto") -> LoadPlan:
    memory = Memory(24 * GIB, 24 * GIB, 24 * GIB, 0, gpu=gpu)
    footprint = read_footprint(folder)
    return Planner(folder, footprint, memory, 8 * GIB, 2048, device, may_stream=True, computed=folder).plan()


def test_a_gpu_takes_the_model_or_as_much_of_it_as_fits(deepseek: Path) -> None:
    whole, part = with_gpu(deepseek, 24 * GIB), with_gpu(deepseek, 8 * GIB)
    assert (whole.mode, whole.device, whole.bytes_per_token) == ("memory", "cuda", 0)
    assert (part.mode, part.device) == ("partial", "cuda")
    assert part.resident_bytes + part.kv_bytes + 2 * GIB == 8 * GIB
    assert part.bytes_per_token == LINEAR_BYTES - part.resident_bytes


def test_a_gpu_that_is_not_there_or_not_wanted(deepseek: Path) -> None:
    assert with_gpu(deepseek, 0, "cuda").refused
    assert with_gpu(deepseek, 24 * GIB, "cpu").device == "cpu"
    assert with_gpu(deepseek, 1 * GIB).device == "cpu"


def test_a_small_model_is_held_in_memory(tmp_path: Path) -> None:
    plan = planned(make_tiny_llm(tmp_path / "tiny"), 512 * MIB)
    assert (plan.mode, plan.bytes_per_token) == ("memory", 0)


@pytest.mark.parametrize("format", ["safetensors", "bin"])
def test_both_forms_of_a_checkpoint_have_one_footprint(format: str, tmp_path: Path) -> None:
    found = read_footprint(make_tiny_llm(tmp_path / format, format=format))  # type: ignore[arg-type]
    assert found.kv_token_bytes == 2 * 4 * 2 * 16 * 2  # keys and values, layers, heads of them, length, bytes
    embedding = 512 * 64 * 2
    assert found.weights_bytes - found.linear_bytes == embedding + 9 * 64 * 2  # norms


def test_tied_embeddings_are_read_for_the_output_too(tmp_path: Path) -> None:
    tied = read_footprint(make_tiny_llm(tmp_path / "tied", tied=True))
    free = read_footprint(make_tiny_llm(tmp_path / "free", tied=False))
    assert tied.linear_bytes == free.linear_bytes
    assert free.weights_bytes - tied.weights_bytes == 512 * 64 * 2


@pytest.mark.parametrize("change", [{"num_hidden_layers": None}, {"hidden_size": "4096"}, {"vocab_size": -1}])
def test_a_configuration_without_its_numbers_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match=next(iter(change))):
        plan_load(make_7b(tmp_path / "m", **change))


def test_another_family_is_held_in_memory_or_refused_by_name(tmp_path: Path) -> None:
    folder = make_7b(tmp_path / "m", model_type="gemma", architectures=["GemmaForCausalLM"])
    assert planned(folder, 24 * GIB).mode == "memory"
    plan = planned(folder, 4 * GIB)
    assert plan.refused and "family gemma" in plan.hint and "llama" in plan.hint


def test_an_embedding_model_has_no_plan(tiny_model: Path) -> None:
    with pytest.raises(ModelRefused, match="no model that writes text"):
        plan_load(tiny_model)


def test_a_missing_shard_is_damage(tmp_path: Path) -> None:
    folder = make_7b(tmp_path / "m")
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(ModelDamaged, match="model-00002"):
        plan_load(folder)


def test_no_disk_for_the_attention_is_a_refusal_with_numbers(deepseek: Path, tmp_path: Path) -> None:
    import shutil

    free = shutil.disk_usage(tmp_path).free
    context = free // KV_TOKEN_BYTES + 1
    config = Configuration(offload_folder=tmp_path / "not" / "yet")
    long = make_7b(tmp_path / "long", max_position_embeddings=context)
    plan = planned(long, 512 * MIB, context=context, config=config)
    assert plan.refused and f"{tmp_path}/not/yet" in plan.reason and "QRAG_OFFLOAD_FOLDER" in plan.hint


def test_it_shows_itself_on_a_terminal_in_a_notebook_and_to_programs(deepseek: Path) -> None:
    plan = planned(deepseek, 512 * MIB)
    assert "streamed from disk" in str(plan) and "512 MiB" in str(plan) and "10.0 s" in str(plan)
    assert max(map(len, str(plan).replace(str(deepseek), "").splitlines())) <= 80
    assert "streamed from disk" in plan._repr_html_()
    assert json.loads(dumps(plan))["bytes_per_token"] == plan.bytes_per_token
