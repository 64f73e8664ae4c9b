"""A streamed model writes what the model in memory writes, and refuses what it cannot be asked."""

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
from tiny_llm import make_tiny_llm

from qrag_lib.errors import ModelDamaged, ModelRefused
from qrag_lib.models.int8_store import quantize
from qrag_lib.models.offload.cut import cut_rows
from qrag_lib.models.offload.layers import Rows, StreamedLinear
from qrag_lib.models.offload.load import load_streamed
from qrag_lib.models.offload.stream import WeightStream
from qrag_lib.models.weights import Place, open_weights

SMALL = {"block_bytes": 8192, "ring_bytes": 3 * 8192, "poison": True}
PROMPT = torch.arange(2, 14)[None]
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


def in_memory(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype="auto")


def written(model: Any, prompt: torch.Tensor = PROMPT, n: int = 12, **options: Any) -> list[int]:
    tokens: torch.Tensor = model.generate(prompt, max_new_tokens=n, do_sample=False, **options)
    return tokens[0].tolist()


def copy_of(folder: Path, to: Path) -> Path:
    to.mkdir()
    for path in folder.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
    return to


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


# --- what does not go as planned -----------------------------------------------------------------


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


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("resident_bytes", [1, 60_000, 0])
def test_on_a_gpu_the_tokens_are_those_of_the_gpu(folder: Path, resident_bytes: int) -> None:
    whole = in_memory(folder).to("cuda")
    model = load_streamed(folder, resident_bytes=resident_bytes, device="cuda", **SMALL)
    assert model.device.type == "cuda"
    assert written(model, PROMPT.cuda()) == written(whole, PROMPT.cuda())
    assert (model.stream.stats().bytes_read == 0) == (resident_bytes == 0)
