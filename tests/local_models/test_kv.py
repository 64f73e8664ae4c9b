"""Keys and values in memory and on disk."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from crew import small_disk
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_engine import PROMPT, load_whole, make_engine, written
from tiny_llm import make_tiny_llm
from transformers.cache_utils import DynamicLayer

from local_models.engines.generation import Sampling
from local_models.errors import DiskFull, GenerationFailed
from local_models.kv_cache.kv import DiskCache, kv_shape
from local_models.kv_cache.kv_shape import KVShape

SHAPE = KVShape(layers=3, heads=2, dimensions=24, dtype=torch.bfloat16)
MEMORY = Path("/dev/shm")


@contextmanager
def files_of_at_most(n_bytes: int) -> Iterator[None]:
    """The system lets no file of this process grow further."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def states(n: int, seed: int, shape: KVShape = SHAPE) -> tuple[torch.Tensor, torch.Tensor]:
    """Keys and values of n tokens, laid out as attention computes them: (batch, heads, n, dimensions)."""
    dice = torch.Generator().manual_seed(seed)
    made = torch.randn(2, shape.batch, n, shape.heads, shape.dimensions, generator=dice).to(shape.dtype)
    keys, values = made.transpose(2, 3)
    return keys, values


def same(mine: tuple[torch.Tensor, ...], theirs: tuple[torch.Tensor, ...]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))


STEPS = st.lists(st.tuples(st.integers(1, 20), st.integers(0, 6)), min_size=1, max_size=8)


@given(steps=STEPS, batch=st.integers(1, 3), on_disk=st.booleans(), ahead=st.booleans())
@settings(max_examples=30, deadline=None)
def test_adding_and_taking_back_is_what_transformers_own_layer_does(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int]], batch: int, on_disk: bool, ahead: bool
) -> None:
    shape = KVShape(2, 2, 24, torch.bfloat16, batch)
    folder = tmp_path_factory.mktemp("kv")
    with DiskCache(shape, 200, folder=folder, memory_bytes=0 if on_disk else None) as cache:
        theirs = [DynamicLayer(), DynamicLayer()]
        for i, (n, back) in enumerate(steps):
            for layer in (0, 1):
                keys, values = states(n, 10 * i + layer, shape)
                assert same(cache.update(keys, values, layer), theirs[layer].update(keys, values))
                if on_disk and ahead:
                    cache.layers[layer].attended()
            cache.crop(-min(back, n))
            for layer in theirs:
                layer.crop(-min(back, n))
            assert cache.get_seq_length() == theirs[0].get_seq_length()


@pytest.mark.parametrize("memory_bytes", [None, 0], ids=["memory", "disk"])
def test_a_prompt_in_pieces_attends_as_it_does_in_one(tmp_path: Path, memory_bytes: int | None) -> None:
    shape, n = KVShape(1, 8, 64, torch.bfloat16), 850
    (keys, values), (queries, _unused) = states(n, 1, shape), states(n, 2, shape)
    attend = torch.nn.functional.scaled_dot_product_attention
    whole = attend(queries, keys, values, is_causal=True)
    seen = torch.ones(n, n, dtype=torch.bool).tril()
    with DiskCache(shape, n, folder=tmp_path, memory_bytes=memory_bytes) as cache, cache.computing(n):
        for start in range(0, n, 256):
            piece = slice(start, min(start + 256, n))
            shown = cache.layers[0].get_mask_sizes(piece.stop - start)[0]
            held = cache.update(keys[:, :, piece], values[:, :, piece], 0)
            assert {len(part[0, 0]) for part in held} == {shown} == {512 if start < 512 else n}
            found = attend(queries[:, :, piece], *held, attn_mask=seen[piece, :shown])
            if torch.backends.cpu.get_cpu_capability() == "AVX512":  # elsewhere sums may be made in another order
                assert torch.equal(found, whole[:, :, piece])
            torch.testing.assert_close(found, whole[:, :, piece], rtol=0.02, atol=0.02)


def test_once_a_prompt_is_computed_attention_sees_what_is_there(tmp_path: Path) -> None:
    with DiskCache(SHAPE, 700, folder=tmp_path, memory_bytes=0) as cache:
        with cache.computing(600):
            assert len(cache.update(*states(100, 1), 0)[0][0, 0]) == 512
        assert cache.update(*states(1, 2), 0)[0].shape == (1, 2, 101, 24)


def test_as_many_layers_as_fit_are_in_memory(tmp_path: Path) -> None:
    one_layer = SHAPE.row_bytes * 100
    with DiskCache(SHAPE, 100, folder=tmp_path, memory_bytes=2 * one_layer + 1) as cache:
        assert [type(layer).__name__ for layer in cache.layers] == ["MemoryLayer", "MemoryLayer", "DiskLayer"]
        assert cache.window and one_layer <= cache.window.file.n_bytes < one_layer + 4096
    with DiskCache(SHAPE, 100, memory_bytes=0) as cache:  # no folder: memory is all there is
        assert cache.window is None


def test_a_token_of_deepseek_7b_takes_480_kib() -> None:
    from transformers import LlamaConfig

    config = LlamaConfig(hidden_size=4096, num_hidden_layers=30, num_attention_heads=32, num_key_value_heads=32)
    assert kv_shape(config, torch.bfloat16).token_bytes == 480 * 1024


def test_what_was_read_is_told_and_rows_come_back(tmp_path: Path) -> None:
    with DiskCache(SHAPE, 64, folder=tmp_path, memory_bytes=0) as cache:
        keys, values = states(40, 1)
        for layer in range(3):
            cache.update(keys, values, layer)
        rows = [row.clone() for row in cache.rows(8, 24)]
        assert cache.bytes_read >= 3 * 24 * SHAPE.row_bytes
    expected = torch.stack((keys, values))[:, :, :, 8:24].permute(3, 0, 1, 2, 4)
    assert all(torch.equal(row, expected) for row in rows)


def test_it_works_where_the_page_cache_cannot_be_passed_by() -> None:
    if not MEMORY.is_dir():
        pytest.skip("no file system in memory at /dev/shm")
    with DiskCache(SHAPE, 64, folder=MEMORY, memory_bytes=0) as cache:
        first, second = states(40, 1), states(3, 2)
        cache.update(*first, 0)
        keys, _values = cache.update(*second, 0)
    assert torch.equal(keys, torch.cat((first[0], second[0]), dim=2))


# --- faults -------------------------------------------------------------------------------------


def test_a_models_next_layer_is_read_while_it_computes(tmp_path: Path) -> None:
    folder = make_tiny_llm(tmp_path / "llm")
    model = load_whole(folder)
    with DiskCache(kv_shape(model.config, model.dtype), 40, folder=tmp_path, memory_bytes=0) as cache:
        with cache.reading_ahead(model), torch.inference_mode():
            for tokens in ([3, 4, 5], [6], [7]):
                model(torch.tensor([tokens]), past_key_values=cache)
            assert cache.window is not None
            cache.window.wait()
            read = cache.bytes_read
            cache.window.show(0, 5)  # the first layer's rows are there again before the next token
            assert cache.bytes_read == read > 0
        model(torch.tensor([[8]]), past_key_values=cache)
        assert not model.model.layers[0].self_attn._forward_hooks
    assert not [each for each in threading.enumerate() if each.name.startswith("qrag-keys-and-values")]


def test_what_fails_while_it_is_read_ahead_is_told_by_the_next_token(tmp_path: Path) -> None:
    with DiskCache(SHAPE, 100, folder=tmp_path, memory_bytes=0) as cache:
        for layer in range(3):
            cache.update(*states(50, layer), layer)
        assert cache.window
        os.ftruncate(cache.window.file._descriptor, 0)
        cache.layers[0].attended()
        with pytest.raises(GenerationFailed, match="the file ends early"):
            cache.update(*states(1, 9), 1)


def test_the_file_has_no_name_and_its_room_comes_back(tmp_path: Path) -> None:
    with DiskCache(SHAPE, 4096, folder=tmp_path, memory_bytes=0) as cache:
        assert cache.window and cache.window.file.n_bytes > 0
        assert list(tmp_path.iterdir()) == []
        assert len(kv_files()) == 2  # one past the page cache
    assert kv_files() == []


def kv_files() -> list[Path]:
    """The files of keys and values that this process has open."""
    opened = list(Path("/proc/self/fd").iterdir())
    return [path for path in opened if path.is_symlink() and "/.kv-" in str(path.readlink())]


def test_more_tokens_than_room_was_made_for_are_refused() -> None:
    cache = DiskCache(SHAPE, 10)
    cache.update(*states(8, 1), 0)
    with pytest.raises(GenerationFailed, match="11 tokens do not fit: room was made for 10"):
        cache.update(*states(3, 2), 0)


def test_a_full_disk_is_told_before_anything_is_computed(tmp_path: Path) -> None:
    folder = make_tiny_llm(tmp_path / "llm", layers=2)
    engine = make_engine(folder, load_whole(folder), kv_folder=tmp_path / "kv", kv_memory_bytes=0)
    passes: list[int] = []
    engine._model.register_forward_pre_hook(lambda *_args: passes.append(1))
    with files_of_at_most(2**15), pytest.raises(DiskFull, match=r"needs \d+ MiB in .*kv, which has \d+ MiB free"):
        written(engine)
    assert passes == []
    assert list((tmp_path / "kv").iterdir()) == []
    assert written(engine).text


def test_a_small_disk_is_not_filled_by_what_does_not_fit(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "64k") as folder:
        with pytest.raises(DiskFull, match="which has 0 MiB free"):
            DiskCache(SHAPE, 1000, folder=folder, memory_bytes=0)
        assert list(folder.iterdir()) == []
        assert os.statvfs(folder).f_bfree == os.statvfs(folder).f_blocks


def test_a_file_that_fails_in_mid_text_is_an_error_and_the_next_text_works(tmp_path: Path) -> None:
    folder = make_tiny_llm(tmp_path / "llm", layers=2)
    engine = make_engine(folder, load_whole(folder), kv_folder=tmp_path / "kv", kv_memory_bytes=0)
    expected = written(engine).text
    writing = engine.generate(PROMPT, Sampling(24))
    next(writing)
    os.truncate(kv_files()[0], 0)
    with pytest.raises(GenerationFailed, match="the file of what the model reads failed: the file ends early"):
        list(writing)
    assert written(engine).text == expected


KILLED = """
import sys
sys.path[:0] = [{tests!r}, {tests!r} + "/local_models"]
from test_kv import SHAPE, states
from pathlib import Path
from local_models.kv_cache.kv import DiskCache
with DiskCache(SHAPE, 100_000, folder=Path({folder!r}), memory_bytes=0) as cache:
    for n in range(10_000):
        cache.update(*states(10, n), n % 3)
        if n == 5:
            print("writing", flush=True)
"""


def test_nothing_is_left_of_a_killed_process_and_two_share_a_folder(tmp_path: Path) -> None:
    code = KILLED.format(tests=str(Path(__file__).parents[1]), folder=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdout.readline() == b"writing\n"
        with DiskCache(SHAPE, 10, folder=tmp_path, memory_bytes=0) as mine:
            keys, values = states(4, 1)
            assert same(mine.update(keys, values, 0), (keys, values))
        child.send_signal(signal.SIGKILL)
    assert list(tmp_path.iterdir()) == []


def test_beams_are_refused(tmp_path: Path) -> None:
    folder = make_tiny_llm(tmp_path / "llm", layers=1)
    model: Any = load_whole(folder)
    cache = DiskCache(kv_shape(model.config, model.dtype, batch=2), 40)
    with pytest.raises(NotImplementedError, match="beam search needs"):
        model.generate(torch.tensor([[5, 6]]), num_beams=2, max_new_tokens=4, past_key_values=cache)
