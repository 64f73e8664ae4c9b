"""A streamed model writes what the model in memory writes, and refuses what it cannot be asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from streamed_llm import PROMPT, SMALL, in_memory, written
from tiny_llm import copy_of, make_tiny_llm

from local_models.checkpoint.weights import open_weights
from local_models.errors import ModelRefused
from local_models.int8.int8_store import quantize
from local_models.streaming.load_streamed import load_streamed

SHAPES: dict[str, dict[str, Any]] = {
    "llama": {},
    "one file": {"shards": 1, "kv_heads": 4},
    "bin": {"format": "bin"},
    "mistral bin": {"kind": "mistral", "format": "bin", "shards": 1},
    "qwen2 biases": {"kind": "qwen2"},
    "qwen2 tied": {"kind": "qwen2", "tied": True, "kv_heads": 1},
    "odd width": {"hidden": 40, "vocab": 301},
}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    """On matrices of 64 rows, threads wait for each other most of the time."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llm(tmp_path_factory.mktemp("llm") / "llama", layers=2)


def linear_bytes(folder: Path) -> int:
    return sum(p.n_bytes for n, p in open_weights(folder).items() if len(p.shape) == 2 and "embed" not in n)


# --- the same text ------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_tokens_and_logits_are_those_of_the_model_in_memory(tmp_path: Path, shape: str) -> None:
    folder = make_tiny_llm(tmp_path / "m", layers=2, **SHAPES[shape])
    whole, expected = in_memory(folder), written(in_memory(folder))
    for resident_bytes in (0, linear_bytes(folder) // 3, 2**30):
        model = load_streamed(folder, resident_bytes=resident_bytes, **SMALL)
        assert written(model) == expected
        assert torch.equal(model(PROMPT).logits, whole(PROMPT).logits)


def test_a_checkpoint_of_another_type_is_computed_in_the_configuration_s(tmp_path: Path) -> None:
    folder = make_tiny_llm(tmp_path / "m", layers=1, shards=1)
    file = folder / "model.safetensors"
    save_file({name: tensor.float() for name, tensor in load_file(file).items()}, file, {"format": "pt"})
    model = load_streamed(folder, **SMALL)
    assert model.dtype == torch.bfloat16
    assert written(model) == written(in_memory(folder))


def test_an_int8_store_is_loaded_by_the_same_function(folder: Path, tmp_path: Path) -> None:
    store = quantize(folder, tmp_path / "int8")
    model = load_streamed(store, **SMALL)
    near = torch.nn.functional.cosine_similarity(
        model(PROMPT).logits.float(), in_memory(folder)(PROMPT).logits.float(), -1
    )
    assert near.min() > 0.99
    assert written(model) == written(load_streamed(store, resident_bytes=2**30))
    assert model.stream.stats().bytes_used < 0.6 * model.stream.stats().passes * linear_bytes(folder)


def test_a_pass_reads_each_weight_once_and_no_other_byte(folder: Path) -> None:
    model = load_streamed(folder, **SMALL)
    for n in (1, 2):
        model(PROMPT)
        assert model.stream.stats().bytes_used == n * linear_bytes(folder)
    assert model.stream.stats().restarts == 0


def test_residents_take_their_bytes_off_every_pass(folder: Path) -> None:
    budget = linear_bytes(folder) // 2
    model = load_streamed(folder, resident_bytes=budget, **SMALL)
    model(PROMPT)
    assert linear_bytes(folder) - budget <= model.stream.stats().bytes_used <= linear_bytes(folder) - budget + 8192


def test_a_wholly_resident_model_reads_nothing(folder: Path) -> None:
    model = load_streamed(folder, resident_bytes=2**30)
    written(model)
    assert model.stream.stats().bytes_read == 0


def test_batches_left_padded_and_prompt_lookup_work_as_in_memory(folder: Path) -> None:
    model, whole = load_streamed(folder, **SMALL), in_memory(folder)
    batch = torch.tensor([[1, 1, 5, 6, 7], [9, 8, 7, 6, 5]])
    options = {"max_new_tokens": 8, "do_sample": False, "attention_mask": (batch != 1).long()}
    assert torch.equal(model.generate(batch, **options), whole.generate(batch, **options))
    repeated = torch.tensor([[5, 6, 7, 8, 5, 6, 7, 8, 5, 6]])
    assert written(model, repeated, prompt_lookup_num_tokens=3) == written(whole, repeated)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("resident_bytes", [1, 60_000, 0])
def test_on_a_gpu_the_tokens_are_those_of_the_gpu(folder: Path, resident_bytes: int) -> None:
    whole = in_memory(folder).to("cuda")
    model = load_streamed(folder, resident_bytes=resident_bytes, device="cuda", **SMALL)
    assert model.device.type == "cuda"
    assert written(model, PROMPT.cuda()) == written(whole, PROMPT.cuda())
    assert (model.stream.stats().bytes_read == 0) == (resident_bytes == 0)


# --- its shape ----------------------------------------------------------------------------------


def test_it_looks_like_a_model_on_its_device(folder: Path) -> None:
    model = load_streamed(folder)
    assert (model.device.type, model.dtype) == ("cpu", torch.bfloat16)
    assert not any(parameter.numel() > 64 or parameter.requires_grad for parameter in model.parameters())
    assert not model.training


def test_positions_stay_in_float32(folder: Path) -> None:
    ours, theirs = load_streamed(folder).model.rotary_emb.inv_freq, in_memory(folder).model.rotary_emb.inv_freq
    assert ours.dtype == torch.float32
    assert torch.equal(ours, theirs)


def test_padding_is_the_end_where_the_card_names_none(folder: Path, tmp_path: Path) -> None:
    copy = copy_of(folder, tmp_path / "m")
    (copy / "generation_config.json").write_text(json.dumps({"eos_token_id": [3, 1], "bos_token_id": 0}))
    model = load_streamed(copy)
    assert model.generation_config.pad_token_id == 3
    written(model, n=2)  # transformers would warn, and warnings are errors


@pytest.mark.parametrize(
    "act",
    [
        lambda m: m.to(torch.float32),
        lambda m: m.to("meta"),
        lambda m: m.half(),
        lambda m: m.float(),
        lambda m: m.cuda(),
        lambda m: m.save_pretrained("nowhere"),
        lambda m: m.push_to_hub("nowhere"),
        lambda m: m.resize_token_embeddings(600),
        lambda m: m.state_dict(),
    ],
)
def test_what_needs_the_weights_in_memory_is_refused(folder: Path, act: Any) -> None:
    with pytest.raises(ModelRefused, match="streamed model"):
        act(load_streamed(folder))


def test_moving_it_to_where_it_is_changes_nothing(folder: Path) -> None:
    model = load_streamed(folder)
    assert model.to("cpu") is model.to(torch.bfloat16) is model.to(device=torch.device("cpu"), dtype=None) is model


def test_training_is_refused(folder: Path) -> None:
    model = load_streamed(folder)
    with pytest.raises(ModelRefused, match="cannot be trained"):
        model(inputs_embeds=torch.zeros(1, 2, 64, dtype=torch.bfloat16, requires_grad=True))


def test_a_token_beyond_the_vocabulary_is_an_index_error(folder: Path) -> None:
    with pytest.raises(IndexError, match="512 of 512"):
        load_streamed(folder)(torch.tensor([[3, 512]]))
