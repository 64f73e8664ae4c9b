"""`auto:` takes the best model that the disk holds and the memory allows, and says why."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from shape_7b import KV_TOKEN_BYTES, make_7b
from test_gguf_header import NAME, gguf
from tiny_llm import make_tiny_llm

from local_models.configuration import Configuration
from local_models.engines.model_choice import choose_address, installed, plan_address
from local_models.errors import ModelError, NotFound
from local_models.planning.memory import Memory

MIB, GIB = 2**20, 2**30
I8 = 24  # ggml's number of a type of one byte
Chooser = Callable[..., tuple[str, str]]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llm(tmp_path_factory.mktemp("llm") / "tiny")


@pytest.fixture
def chosen(tmp_path: Path) -> Chooser:
    """The address chosen in a models folder, with so much memory."""

    def choose(available: int, **config: object) -> tuple[str, str]:
        there = Configuration(models_folder=tmp_path / "models_cache", otherwise="extractive:", **config)  # type: ignore[arg-type]
        return choose_address(there, Memory(available, available, available, 0))

    return choose


def make_gguf(path: Path, n_bytes: int) -> Path:
    """A file of the 7B shape's attention whose one tensor has so many bytes; nothing of it is on the disk."""
    numbers = {"context_length": 4096, "block_count": 30, "attention.head_count": 32, "embedding_length": 4096}
    values = {f"llama.{name}": (4, struct.pack("<I", value)) for name, value in numbers.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gguf({"general.architecture": NAME, **values}, (("a", (n_bytes,), I8, 0),), data=0))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size + n_bytes)
    return path


def test_with_no_model_the_documents_are_quoted(chosen: Chooser, tmp_path: Path) -> None:
    address, reason = chosen(8 * GIB)
    assert address == "extractive:"
    assert reason == f"there is no language model in {tmp_path}/models_cache"


def test_a_model_of_the_cache_that_fits_is_held_in_memory(chosen: Chooser, tmp_path: Path, tiny: Path) -> None:
    place = tmp_path / "models_cache" / "huggingface" / "models--a--tiny" / "snapshots" / ("0" * 40)
    shutil.copytree(tiny, place)
    assert chosen(8 * GIB) == (f"offload:{place}", "a/tiny: all of it fits in memory")


def test_one_that_does_not_fit_is_streamed(chosen: Chooser, tmp_path: Path) -> None:
    place = make_7b(tmp_path / "models_cache" / "deepseek")
    address, reason = chosen(512 * MIB)
    assert (address, "read from disk" in reason) == (f"offload:{place}", True)


def test_in_memory_comes_before_streamed_and_the_largest_that_fits_wins(
    chosen: Chooser, tmp_path: Path, tiny: Path
) -> None:
    large = make_7b(tmp_path / "models_cache" / "deepseek")
    small = Path(shutil.copytree(tiny, tmp_path / "models_cache" / "tiny"))
    assert chosen(1 * GIB)[0] == f"offload:{small}"
    assert chosen(24 * GIB)[0] == f"offload:{large}"


def test_too_little_for_any_says_so(chosen: Chooser, tmp_path: Path) -> None:
    make_7b(tmp_path / "models_cache" / "deepseek")
    address, reason = chosen(300 * MIB)
    assert (address, "no language model" in reason) == ("extractive:", True)


def test_what_model_path_names_comes_first(chosen: Chooser, tmp_path: Path, tiny: Path) -> None:
    make_7b(tmp_path / "models_cache" / "deepseek")
    address, reason = chosen(24 * GIB, model_path=tiny, openai_url="http://127.0.0.1/v1")
    assert (address, "model_path names it" in reason) == (f"offload:{tiny}", True)


def test_a_model_path_that_leads_nowhere_is_an_error(chosen: Chooser, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no language model at"):
        chosen(24 * GIB, model_path=tmp_path / "gone.gguf")


def test_a_model_path_that_does_not_fit_leaves_the_answer_to_the_next_and_says_why(
    chosen: Chooser, tmp_path: Path
) -> None:
    large = make_7b(tmp_path / "large")
    address, reason = chosen(300 * MIB, model_path=large)
    assert (address, "300 MiB are there" in reason) == ("extractive:", True)


def test_a_server_comes_before_what_lies_in_the_cache(chosen: Chooser, tmp_path: Path, tiny: Path) -> None:
    shutil.copytree(tiny, tmp_path / "models_cache" / "tiny")
    assert chosen(8 * GIB, openai_url="http://127.0.0.1:8000/v1")[0] == "openai:http://127.0.0.1:8000/v1"


def test_an_embedding_model_and_half_a_download_are_not_taken(
    chosen: Chooser, tmp_path: Path, tiny_model: Path
) -> None:
    shutil.copytree(tiny_model, tmp_path / "models_cache" / "embedder")
    half = make_7b(tmp_path / "models_cache" / "half")
    (half / "model-00001-of-00002.safetensors").unlink()
    assert chosen(24 * GIB)[0] == "extractive:"


def test_a_gguf_file_is_taken_where_something_can_run_it(chosen: Chooser, tmp_path: Path) -> None:
    path = make_gguf(tmp_path / "models_cache" / "m.gguf", 4 * GIB)
    make_7b(tmp_path / "models_cache" / "deepseek")
    assert chosen(8 * GIB, llama_cpp_path=Path("/bin/true"))[0] == f"gguf:{path}"


def test_the_plan_of_a_gguf_file_is_in_memory_or_nothing(tmp_path: Path) -> None:
    path = make_gguf(tmp_path / "m.gguf", 4 * GIB)
    plan = plan_address(f"gguf:{path}", Configuration(), memory_bytes=8 * GIB, measure=False)
    assert (plan.mode, plan.kv_bytes) == ("memory", 2048 * KV_TOKEN_BYTES)
    assert 4 * GIB + plan.kv_bytes < plan.peak_bytes < 6 * GIB
    assert plan_address(str(path), Configuration(), memory_bytes=4 * GIB, measure=False).refused


def test_the_parts_of_a_split_gguf_file_count_together(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        make_gguf(tmp_path / "models_cache" / f"m-0000{number}-of-00003.gguf", 2 * GIB)
    config = Configuration(models_folder=tmp_path / "models_cache")
    first = tmp_path / "models_cache" / "m-00001-of-00003.gguf"
    assert list(installed(config)) == [first]
    assert plan_address(str(first), config, memory_bytes=4 * GIB, measure=False).refused


def test_a_plan_measures_the_disk_where_no_bandwidth_is_given(tiny: Path) -> None:
    plan = plan_address(f"offload:{tiny}", Configuration(device_map="disk"))
    assert plan.bandwidth and plan.seconds_per_token
    assert plan.seconds_per_token >= plan.bytes_per_token / plan.bandwidth


@pytest.mark.parametrize("address", ["openai:http://127.0.0.1/v1", "extractive:"])
def test_what_loads_nothing_has_no_plan(address: str) -> None:
    with pytest.raises(ModelError, match="nothing to plan"):
        plan_address(address, Configuration(otherwise="extractive:"))


def test_auto_without_a_model_names_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no language model in") as told:
        plan_address(None, Configuration(models_folder=tmp_path / "models_cache"))
    assert "qrag model download" in str(told.value.hint)


def test_an_address_without_a_place_is_not_the_present_folder(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny)
    with pytest.raises(NotFound, match='no language model at ""'):
        plan_address("offload:", Configuration())


def test_a_hub_name_that_was_not_fetched_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="deepseek-ai/deepseek-llm-7b-chat"):
        plan_address("offload:deepseek-ai/deepseek-llm-7b-chat", Configuration(models_folder=tmp_path / "models_cache"))


def test_a_configuration_nested_without_end_is_passed_over(chosen: Chooser, tmp_path: Path) -> None:
    folder = tmp_path / "models_cache" / "deep"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("[" * 100_000)
    assert chosen(8 * GIB)[0] == "extractive:"
