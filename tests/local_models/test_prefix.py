"""What was computed of a prompt's beginning, kept on disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from crew import small_disk, unwritable
from filelock import FileLock
from test_kv import files_of_at_most
from tiny_engine import PROMPT, load_whole, make_engine, written
from tiny_llm import make_tiny_llm

from local_models.checkpoint.fingerprint import fingerprint
from local_models.engines.generation import Sampling
from local_models.kv_cache import prefix
from local_models.kv_cache.kv import DiskCache, kv_shape
from local_models.kv_cache.prefix import BLOCK, PrefixStore

ENOUGH = 2**30
LONG = PROMPT + "the quick brown fox jumps over the lazy dog; " * 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llm(tmp_path_factory.mktemp("llm") / "llama", layers=2)


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return load_whole(folder)


@pytest.fixture
def store(tmp_path: Path) -> PrefixStore:
    return PrefixStore(tmp_path / "prefixes", ENOUGH, wait_s=0.05)


@pytest.fixture
def engine(folder: Path, model: Any, store: PrefixStore) -> Any:
    return make_engine(folder, model, prefixes=store, fingerprint=fingerprint(folder))


@pytest.fixture(scope="module")
def expected(folder: Path, model: Any) -> Any:
    """What the prompts give without a store."""
    plain = make_engine(folder, model)
    return {prompt: written(plain, prompt).text for prompt in (PROMPT, LONG, LONG + PROMPT)}


def blocks(store: PrefixStore) -> list[Path]:
    return sorted(store.folder.glob("*.kv"))


def reused(text: Any) -> int:
    return int(text.details["prefix_tokens_reused"])


def test_a_repeated_prompt_is_read_and_not_computed_again(engine: Any, expected: Any) -> None:
    first, second = written(engine, LONG), written(engine, LONG)
    assert first.text == second.text == expected[LONG]
    assert (reused(first), reused(second)) == (0, (first.n_prompt_tokens - 1) // BLOCK * BLOCK)
    assert second.details["passes"] < first.details["passes"]


def test_prompts_of_one_beginning_share_it(engine: Any, expected: Any, store: PrefixStore) -> None:
    n = written(engine, LONG).n_prompt_tokens
    longer = written(engine, LONG + PROMPT)
    assert longer.text == expected[LONG + PROMPT]
    assert 0 < reused(longer) <= n
    assert len(blocks(store)) == longer.n_prompt_tokens // BLOCK


def test_of_a_longer_prompt_a_shorter_one_takes_its_part(engine: Any, expected: Any) -> None:
    written(engine, LONG)
    shorter = written(engine, PROMPT)
    assert shorter.text == expected[PROMPT]
    assert reused(shorter) == (shorter.n_prompt_tokens - 1) // BLOCK * BLOCK > 0


def test_the_last_token_of_a_prompt_of_whole_blocks_is_computed(folder: Path, model: Any, store: PrefixStore) -> None:
    shape = kv_shape(model.config, model.dtype)
    tokens = list(range(2 * BLOCK))
    with DiskCache(shape, 2 * BLOCK) as cache:
        model(torch.tensor([tokens]), past_key_values=cache)
        assert store.save("m", cache, tokens) > 0
    with DiskCache(shape, 2 * BLOCK) as again:
        assert store.restore("m", again, tokens) == BLOCK


def test_what_is_kept_is_the_same_on_disk_and_in_memory(
    folder: Path, model: Any, engine: Any, store: PrefixStore, expected: Any, tmp_path: Path
) -> None:
    written(engine, LONG)
    on_disk = make_engine(
        folder, model, prefixes=store, fingerprint=engine.fingerprint, kv_folder=tmp_path / "kv", kv_memory_bytes=0
    )
    text = written(on_disk, LONG)
    assert reused(text) > 0
    assert text.text == expected[LONG]


def test_another_model_type_or_layout_meets_nothing(
    folder: Path, engine: Any, store: PrefixStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    written(engine, LONG)
    other = make_tiny_llm(tmp_path / "other", layers=2, seed=1)
    strangers = [
        make_engine(other, load_whole(other), prefixes=store, fingerprint=fingerprint(other)),
        make_engine(folder, load_whole(folder, "bfloat16"), prefixes=store, fingerprint=engine.fingerprint),
    ]
    assert [reused(written(stranger, LONG)) for stranger in strangers] == [0, 0]
    monkeypatch.setattr(prefix, "LAYOUT", prefix.LAYOUT + 1)
    assert reused(written(engine, LONG)) == 0


def test_changed_weights_have_another_fingerprint(tmp_path: Path) -> None:
    folder = make_tiny_llm(tmp_path / "llm", layers=1, shards=1)
    before = fingerprint(folder)
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert fingerprint(folder) != before


# --- faults -------------------------------------------------------------------------------------


def flip_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 5)


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("harm", [flip_bit, cut_short, empty])
def test_a_damaged_block_is_deleted_and_computed_again(
    harm: Any, engine: Any, store: PrefixStore, expected: Any
) -> None:
    written(engine, LONG)
    n = len(blocks(store))
    for path in blocks(store):
        harm(path)
    text = written(engine, LONG)
    assert (text.text, reused(text), len(blocks(store))) == (expected[LONG], 0, n)
    assert reused(written(engine, LONG)) > 0


def test_a_block_under_another_key_is_not_believed(engine: Any, store: PrefixStore, expected: Any) -> None:
    written(engine, LONG)
    first, second, *_others = blocks(store)
    swapped = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(swapped)
    assert written(engine, LONG).text == expected[LONG]


def test_the_oldest_go_where_the_limit_is_reached(folder: Path, model: Any, tmp_path: Path) -> None:
    size = kv_shape(model.config, model.dtype).token_bytes * BLOCK + 1000
    store = PrefixStore(tmp_path / "few", 4 * size)
    engine = make_engine(folder, model, prefixes=store, fingerprint="m")
    old, new = "zero " * 70, "one two " * 70
    written(engine, old)
    written(engine, new)
    assert 0 < store.n_bytes <= store.limit_bytes
    assert reused(written(engine, new)) > reused(written(engine, old))


def test_a_prompt_beyond_the_limit_keeps_its_beginning(folder: Path, model: Any, tmp_path: Path) -> None:
    size = kv_shape(model.config, model.dtype).token_bytes * BLOCK + 1000
    engine = make_engine(folder, model, prefixes=PrefixStore(tmp_path / "few", 2 * size), fingerprint="m")
    written(engine, LONG)
    assert reused(written(engine, LONG)) == 2 * BLOCK
    none = make_engine(folder, model, prefixes=PrefixStore(tmp_path / "none", 0), fingerprint="m")
    assert written(none, LONG).text
    assert not (tmp_path / "none").exists()


def test_a_full_disk_costs_the_block_and_not_the_answer(engine: Any, store: PrefixStore, expected: Any) -> None:
    with files_of_at_most(2**14):
        text = written(engine, LONG)
    assert text.text == expected[LONG]
    assert [path.name for path in store.folder.iterdir() if path.name != "lock"] == []
    written(engine, LONG)
    assert reused(written(engine, LONG)) > 0


def test_a_small_disk_keeps_the_blocks_that_fit(folder: Path, model: Any, expected: Any, tmp_path: Path) -> None:
    size = kv_shape(model.config, model.dtype).token_bytes * BLOCK
    with small_disk(tmp_path / "disk", f"{size // 1024 + 20}k") as disk:
        engine = make_engine(folder, model, prefixes=PrefixStore(disk, ENOUGH), fingerprint="m")
        assert written(engine, LONG).text == expected[LONG]
        assert list(disk.glob("*.part")) == []
        assert reused(written(engine, LONG)) == BLOCK


def test_a_store_that_can_only_be_read_is_read(engine: Any, store: PrefixStore, expected: Any) -> None:
    written(engine, PROMPT)
    with unwritable(store.folder, "attribute"):
        text = written(engine, LONG)
    assert text.text == expected[LONG]
    assert reused(text) > 0


def test_a_folder_that_cannot_be_written_costs_nothing(engine: Any, store: PrefixStore, expected: Any) -> None:
    store.folder.write_text("a file in its place")
    assert written(engine, LONG).text == expected[LONG]


def test_while_another_process_writes_nothing_is_kept(engine: Any, store: PrefixStore, expected: Any) -> None:
    store.folder.mkdir()
    with FileLock(store.folder / "lock"):
        assert written(engine, LONG).text == expected[LONG]
    assert blocks(store) == []


def test_cleaning_tells_first_and_then_frees(engine: Any, store: PrefixStore) -> None:
    written(engine, LONG)
    (store.folder / "left.part").write_bytes(b"x" * 100)
    wanted = store.clean(0, dry_run=True)
    assert wanted == store.n_bytes + 100
    assert store.clean(0) == wanted
    assert (store.n_bytes, store.clean(0)) == (0, 0)


def test_cleaning_leaves_a_store_that_is_written(engine: Any, store: PrefixStore) -> None:
    written(engine, LONG)
    with FileLock(store.folder / "lock"):
        assert store.clean(0) == 0
    assert store.n_bytes > 0


def test_cleaning_a_folder_that_is_not_there_frees_nothing(store: PrefixStore) -> None:
    assert store.clean() == 0
    assert store.n_bytes == 0


KILLED = """
import sys
sys.path[:0] = [{tests!r}, {tests!r} + "/local_models"]
from pathlib import Path
from tiny_engine import load_whole, make_engine, written
from local_models.engines.generation import Sampling
from local_models.checkpoint.fingerprint import fingerprint
from local_models.kv_cache.prefix import PrefixStore
folder = Path({folder!r})
store = PrefixStore(Path({store!r}), 2**30)
engine = make_engine(folder, load_whole(folder), prefixes=store, fingerprint=fingerprint(folder))
written(engine, {prompt!r}, Sampling(1))
print("kept", flush=True)
for n in range(1000):
    written(engine, str(n) + {prompt!r}, Sampling(1))
"""


def test_a_killed_process_leaves_what_another_uses(
    folder: Path, engine: Any, store: PrefixStore, expected: Any
) -> None:
    paths = {"tests": str(Path(__file__).parents[1]), "folder": str(folder), "store": str(store.folder)}
    code = KILLED.format(prompt=LONG, **paths)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdout.readline() == b"kept\n"
        child.send_signal(signal.SIGKILL)
    text = written(engine, LONG)
    assert text.text == expected[LONG]
    assert reused(text) > 0
    written(engine, "another " + LONG, Sampling(1))
    assert list(store.folder.glob("*.part")) == []
