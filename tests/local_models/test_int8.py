"""Weights in eight bits."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from test_kv import files_of_at_most
from tiny_engine import load_whole, make_engine, written
from tiny_llm import copy_of, make_tiny_llm

from local_models.engines.generation import Sampling
from local_models.errors import DiskFull, ModelDamaged, ModelRefused
from local_models.int8 import int8_layers
from local_models.int8.int8_drift import measure_drift
from local_models.int8.int8_layers import int8_linear, quantize_rows
from local_models.int8.int8_store import MARKER, quantize
from local_models.streaming.load_streamed import load_streamed

BF16 = torch.bfloat16
SMALL = {"ring_bytes": 2**15, "block_bytes": 2**13}  # so that little is read ahead of the end


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llm(tmp_path_factory.mktemp("llm") / "llama", layers=2, hidden=128)


@pytest.fixture(scope="module")
def store(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return quantize(folder, tmp_path_factory.mktemp("int8") / "store")


def product(x: torch.Tensor, weight: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """The same in float64."""
    return x.double() @ (weight.double() * scale.double()[:, None]).T


@given(m=st.integers(1, 40), k=st.sampled_from([16, 30, 64, 100, 176]), n=st.integers(1, 40), skip=st.integers(0, 17))
@settings(max_examples=60, deadline=None)
def test_a_product_is_that_of_the_widened_weights(m: int, k: int, n: int, skip: int) -> None:
    dice = torch.Generator().manual_seed(m * n * k + skip)
    flat = torch.randint(-127, 128, (n * k + skip,), generator=dice).to(torch.int8)
    weight, scale = flat[skip:].view(n, k), torch.rand(n, generator=dice).to(BF16)  # at uneven places in memory too
    x = torch.randn(m, k, generator=dice).to(BF16)
    expected = product(x, weight, scale)
    assert (int8_linear(x, weight, scale) - expected).abs().max() <= 0.02 * expected.abs().max()


def test_a_product_keeps_the_axes_before_the_last() -> None:
    weight, scale = torch.ones(5, 32, dtype=torch.int8), torch.ones(5, dtype=BF16)
    assert int8_linear(torch.ones(2, 3, 32, dtype=BF16), weight, scale).shape == (2, 3, 5)


def test_without_torchs_kernel_products_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight = torch.randn(4, 64).to(BF16), torch.randint(-127, 128, (8, 64)).to(torch.int8)
    scale = torch.rand(8).to(BF16)
    with_kernel = int8_linear(x, weight, scale)
    monkeypatch.delattr(torch, "_weight_int8pack_mm")
    int8_layers._has_kernel.cache_clear()
    without = int8_linear(x, weight, scale)
    int8_layers._has_kernel.cache_clear()
    assert torch.allclose(with_kernel.float(), without.float(), rtol=0.02, atol=0.02 * float(without.abs().max()))


@pytest.mark.parametrize("dtype", [torch.float32, BF16])
def test_a_row_is_off_by_half_a_step_at_most(dtype: torch.dtype) -> None:
    rows = (torch.randn(20, 64) * torch.logspace(-6, 3, 20)[:, None]).to(dtype)
    eight, scale = quantize_rows(rows, dtype)
    assert eight.dtype == torch.int8 and scale.dtype == dtype
    step = scale.float()[:, None]
    assert ((eight.float() * step - rows.float()).abs() <= 1.0001 * step).all()
    assert ((eight.float() * step - rows.float()).abs() <= 0.5001 * step).float().mean() > 0.98  # but at the largest


@pytest.mark.parametrize(("kind", "tied", "format"), [("llama", False, "bin"), ("qwen2", True, "safetensors")])
def test_a_store_writes_and_reads_half(kind: Any, tied: bool, format: Any, tmp_path: Path) -> None:
    folder = make_tiny_llm(tmp_path / "llm", kind=kind, tied=tied, format=format, layers=2, hidden=128)
    store = quantize(folder, tmp_path / "int8")
    read = []
    for place in (folder, store):
        text = written(make_engine(place, load_streamed(place, **SMALL), draft_tokens=0), "x", Sampling(8))
        assert text.n_new_tokens == 8
        read.append(text.details["bytes_read"])
    assert read[1] < (0.8 if tied else 0.6) * read[0]  # a tied head stays as the embedding is


def test_a_streamed_store_computes_with_its_widened_weights(folder: Path, store: Path) -> None:
    model = load_whole(folder)
    tensors = load_file(store / "model.safetensors")
    widened = {
        name: tensors[name].float() * tensors[f"{name}_scale"].float()[:, None]
        for name in tensors
        if f"{name}_scale" in tensors
    }
    model.load_state_dict(widened, strict=False)
    ids = torch.arange(4, 44)[None]
    with torch.inference_mode():
        expected = model(ids).logits
        got = load_streamed(store)(ids).logits.float()
    assert (got - expected).abs().max() < 0.05 * expected.abs().max()


def test_drift_is_small_and_not_claimed_to_be_nothing(folder: Path, store: Path) -> None:
    drift = measure_drift(folder, store, n=2, length=16)
    assert drift.n_tokens == 32
    assert 0 < drift.kl_mean <= drift.kl_max < 0.2
    assert 0.7 < drift.same_first <= 1
    assert measure_drift(folder, folder, n=1, length=8).kl_max == 0


def test_a_store_says_what_it_is_and_of_what(folder: Path, store: Path) -> None:
    assert (store / MARKER).is_file() and not (folder / MARKER).exists()
    tensors = load_file(store / "model.safetensors")
    original = load_file(next(folder.glob("*00001-of*.safetensors")))
    assert torch.equal(tensors["model.embed_tokens.weight"], original["model.embed_tokens.weight"])
    assert {str(t.dtype) for name, t in tensors.items() if name.endswith("proj.weight")} == {"torch.int8"}
    assert not (store / "model.safetensors.index.json").exists()


def test_a_store_that_is_there_is_left_as_it_is(folder: Path, store: Path) -> None:
    before = (store / "model.safetensors").stat().st_mtime_ns
    told: list[int] = []
    assert quantize(folder, store, lambda *_told: told.append(1)) == store
    assert ((store / "model.safetensors").stat().st_mtime_ns, told) == (before, [])


def test_progress_ends_at_the_bytes_of_the_model(folder: Path, tmp_path: Path) -> None:
    from local_models.checkpoint.weights import open_weights

    told: list[tuple[str, int, int | None]] = []
    quantize(folder, tmp_path / "int8", lambda stage, done, total=None, seconds=None: told.append((stage, done, total)))
    n_bytes = open_weights(folder).n_bytes
    assert told[-1] == ("quantize", n_bytes, n_bytes)


# --- faults -------------------------------------------------------------------------------------


def test_a_folder_that_is_something_else_is_refused(folder: Path, store: Path, tmp_path: Path) -> None:
    other = make_tiny_llm(tmp_path / "other", layers=1)
    for out in (folder, tmp_path, store):
        with pytest.raises(ModelRefused, match="exists, and is not the int8 store of this model"):
            quantize(other, out)


def test_a_number_that_is_none_is_named(tmp_path: Path) -> None:
    folder = make_tiny_llm(tmp_path / "llm", layers=1, shards=1)
    tensors = load_file(folder / "model.safetensors")
    tensors["model.layers.0.mlp.up_proj.weight"][3, 3] = float("nan")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelDamaged, match=r"up_proj\.weight holds what is not a number"):
        quantize(folder, tmp_path / "int8")
    assert {path.name for path in tmp_path.iterdir()} == {"llm", ".int8.lock"}


def test_a_full_disk_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    with files_of_at_most(2**15), pytest.raises(DiskFull, match="could not be written"):
        quantize(folder, tmp_path / "int8")
    assert [path.name for path in tmp_path.iterdir()] == [".int8.lock"]


def test_factors_that_are_missing_or_too_few_are_damage(store: Path, tmp_path: Path) -> None:
    tensors = load_file(store / "model.safetensors")
    name = "model.layers.0.mlp.up_proj.weight_scale"
    for broken in ({**tensors, name: tensors[name][:-1].clone()}, {k: t for k, t in tensors.items() if k != name}):
        (tmp_path / "config.json").write_bytes((store / "config.json").read_bytes())
        save_file(broken, tmp_path / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(ModelDamaged, match=r"row factors of model\.layers\.0\.mlp\.up_proj"):
            load_streamed(tmp_path)


MADE = """
from pathlib import Path
from local_models.int8.int8_store import quantize
import time
quantize(Path({folder!r}), Path({out!r}), lambda stage, done, total: time.sleep(0.02))
"""
KILLED = """
import os, signal
from pathlib import Path
from local_models.int8.int8_store import quantize
quantize(Path({folder!r}), Path({out!r}), lambda stage, done, total: done < total / 2 or os.kill(os.getpid(), 9))
"""


def seen(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if not path.name.startswith(".")]


def test_two_who_make_one_store_at_once_both_have_it_whole(folder: Path, store: Path, tmp_path: Path) -> None:
    order = MADE.format(folder=str(folder), out=str(tmp_path / "int8"))
    both = [subprocess.Popen([sys.executable, "-c", order]) for _n in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    made = (tmp_path / "int8" / "model.safetensors").read_bytes()
    assert made == (store / "model.safetensors").read_bytes()


def test_a_model_that_cannot_be_streamed_has_no_store(folder: Path, tmp_path: Path) -> None:
    other = copy_of(folder, tmp_path / "other")
    (other / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(ModelRefused, match="gpt2 has no copy in 8 bits"):
        quantize(other, tmp_path / "int8")


def test_a_killed_quantization_is_no_store_and_is_made_anew(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "int8"
    killed = subprocess.run([sys.executable, "-c", KILLED.format(folder=str(folder), out=str(out))])
    assert killed.returncode == -signal.SIGKILL
    assert seen(tmp_path) == ["int8.part"]
    assert (quantize(folder, out) / MARKER).is_file()
    assert seen(tmp_path) == ["int8"]
    assert json.loads((out / "qrag_int8.json").read_text())["version"] == 1
