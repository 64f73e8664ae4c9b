"""Streamed models whose files, layers or callers do not do what they should."""

from __future__ import annotations

import gc
import json
import os
import random
import struct
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from streamed_llm import PROMPT, SMALL, in_memory, written
from tiny_llm import copy_of, make_tiny_llm

from local_models.checkpoint.weights import Place, open_weights
from local_models.errors import ModelDamaged, ModelRefused
from local_models.streaming.load_streamed import load_streamed
from local_models.streaming.row_blocks import cut_rows
from local_models.streaming.streamed_layers import Rows, StreamedLinear
from local_models.streaming.weight_stream import WeightStream


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    """On matrices of 64 rows, threads wait for each other most of the time."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llm(tmp_path_factory.mktemp("llm") / "llama", layers=2)


def test_layers_called_in_any_order_give_the_same_products(folder: Path) -> None:
    model, whole = load_streamed(folder, **SMALL), dict(in_memory(folder).named_modules())
    layers = [(name, layer) for name, layer in model.named_modules() if isinstance(layer, StreamedLinear)]
    for name, layer in random.Random(0).choices(layers, k=40):
        x = torch.randn(3, layer.in_features, dtype=torch.bfloat16)
        assert torch.equal(layer(x), whole[name](x))
    assert model.stream.stats().restarts > 20


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupt_at_any_layer_leaves_the_model_usable(folder: Path, error: type[BaseException]) -> None:
    model = load_streamed(folder, **SMALL)
    expected = written(model)

    def stop(*_args: object) -> None:
        raise error

    for layer in [layer for layer in model.modules() if isinstance(layer, StreamedLinear)]:
        hook = layer.register_forward_pre_hook(stop)
        with pytest.raises(error):
            written(model)
        hook.remove()
        assert written(model, n=1) == expected[: PROMPT.numel() + 1]
    assert written(model) == expected


def test_two_threads_generate_what_each_would_alone(folder: Path) -> None:
    model = load_streamed(folder, **SMALL)
    prompts = [torch.arange(start, start + 9)[None] for start in (2, 40, 80)]
    expected = [written(model, prompt) for prompt in prompts]
    got: dict[int, list[int]] = {}

    def generate(i: int) -> None:
        got[i] = written(model, prompts[i])

    threads = [threading.Thread(target=generate, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [got[i] for i in range(3)] == expected
    assert model.stream.stats().restarts == 0


def test_a_shard_cut_in_the_middle_of_a_text_is_damaged_and_named(folder: Path, tmp_path: Path) -> None:
    copy = copy_of(folder, tmp_path / "m")
    model = load_streamed(copy, **SMALL)
    shard = copy / "model-00002-of-00002.safetensors"

    def cut(*_args: object) -> None:
        os.truncate(shard, 5000)

    model.model.layers[0].register_forward_hook(cut)
    with pytest.raises(ModelDamaged, match=shard.name):
        written(model)


def test_shards_replaced_in_the_middle_of_a_text_do_not_change_it(folder: Path, tmp_path: Path) -> None:
    copy = copy_of(folder, tmp_path / "m")
    model = load_streamed(copy, **SMALL)
    for shard in copy.glob("*.safetensors"):
        (copy / "new").write_bytes(bytes(shard.stat().st_size))
        (copy / "new").replace(shard)
    assert written(model) == written(load_streamed(folder, **SMALL))


def test_a_dropped_model_leaves_no_thread(folder: Path) -> None:
    model = load_streamed(folder, **SMALL)
    written(model, n=1)
    readers = [thread for thread, _bell in model.stream._ring.readers]
    del model
    gc.collect()
    for reader in readers:
        reader.join(20)
    assert not any(reader.is_alive() for reader in readers)


# --- weights that are not the configuration's ----------------------------------------------------


def surgery(folder: Path, to: Path, change: Any) -> Path:
    """A copy of the folder, its tensors in one file, changed."""
    copy = copy_of(folder, to)
    tensors: dict[str, torch.Tensor] = {}
    for shard in sorted(copy.glob("*.safetensors")):
        tensors |= load_file(shard)
        shard.unlink()
    (copy / "model.safetensors.index.json").unlink()
    change(tensors)
    save_file(tensors, copy / "model.safetensors")
    return copy


Q = "model.layers.1.self_attn.q_proj.weight"


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda t: t.pop(Q), ModelDamaged, f"{Q} is missing"),
        (lambda t: t.pop("lm_head.weight"), ModelDamaged, "lm_head.weight is missing"),
        (lambda t: t.pop("model.norm.weight"), ModelDamaged, "model.norm.weight is missing"),
        (lambda t: t.update({Q: t[Q].view(torch.float16)}), ModelDamaged, "of type F16, and the embedding of BF16"),
        (lambda t: t.update({Q: t[Q].view(128, 32).clone()}), ModelDamaged, r"shape \[128, 32\]"),
        (lambda t: t.update({"model.norm.weight": t["model.norm.weight"][:-1].clone()}), ModelDamaged, "another shape"),
        (lambda t: t.update({"model.renamed.weight": t.pop(Q)}), ModelDamaged, "is missing"),
        (lambda t: t.update({"model.layers.0.q_norm.weight": torch.ones(2)}), ModelRefused, "no place in a llama"),
        (lambda t: t.update({Q: t[Q].to(torch.int8)}), ModelDamaged, "row factors"),
    ],
)
def test_weights_that_the_configuration_does_not_describe_are_not_loaded(
    folder: Path, tmp_path: Path, change: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        load_streamed(surgery(folder, tmp_path / "m", change))


def test_rotary_tables_of_old_checkpoints_are_passed_over(folder: Path, tmp_path: Path) -> None:
    old = {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(8)}
    copy = surgery(folder, tmp_path / "m", lambda t: t.update(old))
    assert written(load_streamed(copy, **SMALL)) == written(load_streamed(folder, **SMALL))


def test_another_architecture_is_refused_by_name(folder: Path, tmp_path: Path) -> None:
    copy = copy_of(folder, tmp_path / "m")
    config = json.loads((copy / "config.json").read_text()) | {"model_type": "gpt2"}
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelRefused, match="type gpt2 cannot be streamed; these can: llama, mistral, qwen2"):
        load_streamed(copy)


def test_a_file_larger_than_memory_is_read_where_its_weights_are(tmp_path: Path) -> None:
    rows, width = 2**22, 3584  # 30 GB of bf16, of which the file has the last rows alone
    header = json.dumps(
        {"w": {"dtype": "BF16", "shape": [rows, width], "data_offsets": [0, rows * width * 2]}}
    ).encode()
    last = torch.randn(64, width, dtype=torch.bfloat16)
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.seek((rows - 64) * width * 2, os.SEEK_CUR)
        file.write(last.view(torch.uint8).numpy().tobytes())
    place = open_weights(tmp_path)["w"]
    assert place.n_bytes > 30e9
    tail = Place(place.file, place.offset + (rows - 96) * place.row_bytes, 96 * place.row_bytes, "BF16", (96, width))
    cuts = cut_rows({"w": tail}, 2**18, 0)
    stream = WeightStream([cut.block for cut in cuts])
    layer = StreamedLinear(stream, tail, [Rows(c.start, c.stop, i) for i, c in enumerate(cuts)])
    x = torch.randn(1, width, dtype=torch.bfloat16)
    assert torch.equal(layer(x)[0, 32:], torch.nn.functional.linear(x, last)[0])
    assert not layer(x)[0, :32].any()
