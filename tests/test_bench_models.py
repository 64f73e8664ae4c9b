"""The model benchmark makes what it says, limits what it runs and counts rightly. No speed is tested."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.bench_models import Bench, Case, cases, rows_of
from benchmarks.cgroups import NoCgroup, memory_group, run_limited
from benchmarks.checkpoint_7b import DEEPSEEK_7B, Shape, write_checkpoint
from benchmarks.disks import NoLoopDevice, drop_page_cache, loop_device, read_ahead_kb, read_bytes
from benchmarks.model_prompts import prompt_of
from benchmarks.model_results import results

TINY = Shape(layers=2, hidden=64, intermediate=176, heads=4, vocab=1024)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny", TINY)


@pytest.fixture(scope="module")
def limited() -> Callable[..., Any]:
    """`run_limited`, where groups can be made."""
    try:
        with memory_group(None):
            return run_limited
    except NoCgroup as error:
        pytest.skip(f"root may limit memory, and here: {error}")


def test_the_shape_is_that_of_deepseek_llm_7b() -> None:
    sizes = [rows * columns for _name, rows, columns in DEEPSEEK_7B.tensors()]
    assert 2 * sum(sizes) == 13_820_731_392
    assert DEEPSEEK_7B.streamed_bytes == 12_981_370_880


def test_transformers_loads_the_checkpoint_and_writes_text_of_its_full_length(checkpoint: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, loading = AutoModelForCausalLM.from_pretrained(checkpoint, output_loading_info=True)
    ids = AutoTokenizer.from_pretrained(checkpoint)("a library", return_tensors="pt").input_ids
    assert not loading["missing_keys"] and not loading["unexpected_keys"]
    written = model.generate(ids, max_new_tokens=20, do_sample=False)[0, ids.shape[1] :]
    assert len(written) == 20
    assert written.max() < 1000, "only tokens that are text"


def test_both_formats_hold_the_same_numbers(checkpoint: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    pickled = write_checkpoint(tmp_path / "bin", TINY, format="bin")
    assert not list(pickled.glob("*.safetensors"))
    theirs = torch.load(pickled / "pytorch_model-00001-of-00001.bin", weights_only=True)
    ours = load_file(checkpoint / "model-00001-of-00001.safetensors")
    assert theirs.keys() == ours.keys()
    assert all(torch.equal(theirs[name], ours[name]) for name in ours)


def test_a_checkpoint_that_was_cut_goes_on_and_a_whole_one_is_left_alone(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "cut", TINY)
    shard = folder / "model-00001-of-00001.safetensors"
    whole = shard.read_bytes()
    shard.rename(shard.with_suffix(".part"))
    os.truncate(shard.with_suffix(".part"), 1000)  # what a kill leaves
    made = write_checkpoint(folder, TINY).joinpath(shard.name)
    assert made.read_bytes() == whole
    written = made.stat().st_mtime_ns
    write_checkpoint(folder, TINY)
    assert made.stat().st_mtime_ns == written


def test_a_folder_with_another_checkpoint_is_refused(checkpoint: Path) -> None:
    with pytest.raises(ValueError, match="holds another checkpoint"):
        write_checkpoint(checkpoint, Shape(layers=3, hidden=64, intermediate=176, heads=4, vocab=1024))


@pytest.mark.parametrize("n", [32, 512, 1024])
def test_a_prompt_has_exactly_so_many_tokens(checkpoint: Path, n: int) -> None:
    from transformers import AutoTokenizer

    prompt = prompt_of(checkpoint, n)
    assert len(AutoTokenizer.from_pretrained(checkpoint)(prompt).input_ids) == n


def test_a_command_that_fits_its_limit_ends_with_its_peak(limited: Callable[..., Any]) -> None:
    ran = limited([sys.executable, "-c", "print(len(b'x' * (40 << 20)))"], 200 << 20)
    assert (ran.returncode, ran.output, ran.oom_kills, ran.timed_out) == (0, "41943040\n", 0, False)
    assert 40 << 20 < ran.peak_bytes < 200 << 20


def test_a_command_that_takes_more_is_killed_and_counted(limited: Callable[..., Any]) -> None:
    ran = limited([sys.executable, "-c", "print(len(b'x' * (300 << 20)))"], 100 << 20)
    assert ran.returncode == -9 and ran.oom_kills >= 1
    assert ran.peak_bytes == pytest.approx(100 << 20, rel=0.01)


def test_the_page_cache_counts(limited: Callable[..., Any], tmp_path: Path) -> None:
    written = "import sys; f = open(sys.argv[1], 'wb'); f.write(b'x' * (20 << 20)); f.flush()"
    small = limited([sys.executable, "-c", "pass"], 200 << 20).peak_bytes
    ran = limited([sys.executable, "-c", written, str(tmp_path / "file")], 200 << 20)
    assert ran.peak_bytes - small > 30 << 20, "the bytes are held twice, once by the process and once by the cache"


def test_a_command_that_takes_too_long_is_cut_with_its_children(limited: Callable[..., Any]) -> None:
    script = "import subprocess; print('began', flush=True); subprocess.run(['sleep', '60'])"
    ran = limited([sys.executable, "-c", script], None, timeout_s=2)
    assert ran.timed_out and ran.output == "began\n"
    assert ran.wall_s < 30


def test_dropped_pages_are_read_from_the_disk_again(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(8 << 20))
    drop_page_cache(tmp_path, everything=False)
    before = read_bytes()
    path.read_bytes()
    if not read_bytes() - before and read_ahead_kb(tmp_path) is None:
        pytest.skip("root may have no disk under its temporary files")
    assert read_bytes() - before >= 8 << 20


def test_a_loop_device_reads_ahead_as_the_kernel_does_and_leaves_nothing(tmp_path: Path) -> None:
    image = tmp_path / "image"
    try:
        with loop_device(image, 8 << 20) as mounted:
            (mounted / "file").write_bytes(b"x" * (4 << 20))
            assert read_ahead_kb(mounted) == 128
    except NoLoopDevice as reason:
        pytest.skip(f"root may have no loop device: {reason}")
    assert list(tmp_path.iterdir()) == []


def test_a_model_is_measured_token_by_token_inside_its_limit(checkpoint: Path, limited: object, tmp_path: Path) -> None:
    Bench(checkpoint, TINY, tmp_path / "rows", time_limit_s=300, n_new=4).run([Case("streamed", 512, 32)])
    (found,) = rows_of(tmp_path / "rows")
    assert (found["returncode"], found["oom_kills"], found["n_prompt"], found["n_pieces"]) == (0, 0, 32, 4)
    assert found["peak_bytes"] <= 512 << 20


def test_few_cases_run_where_few_are_named() -> None:
    assert list(cases(["streamed", "stock"], [512], [32])) == [Case("streamed", 512, 32), Case("stock", 512, 32)]
    kinds = [case.kind for case in cases(["in memory", "int8"], [512, 0], [32, 512])]
    assert kinds == ["in memory", "in memory", "int8"], "the memory limit means nothing to the first"


def test_the_last_row_of_a_case_counts(tmp_path: Path) -> None:
    rows = [{"kind": "stock", "limit_mib": 512, "n_prompt": 32, "first_s": first} for first in (1, 2)]
    (tmp_path / "rows").write_text("\n".join(map(json.dumps, rows)))
    assert rows_of(tmp_path / "rows") == rows[1:]


def row(kind: str, **found: Any) -> dict[str, Any]:
    """Nine seconds for the eight tokens after the first; 800 bytes streamed for each."""
    told = {"n_pieces": 10, "first_s": 3.0, "later_s": 9.0, "later_bytes": 7200, "wall_s": 20.0, "load_s": 1.0}
    ended = {
        "peak_bytes": 2**29,
        "oom_kills": 0,
        "text": "abcd",
        "machine": "a machine",
        "timed_out": False,
        "prompt": "p",
    }
    return {"kind": kind, "limit_mib": 512, "n_prompt": 32, **told, **ended, **found}


def figures(*rows: dict[str, Any]) -> Iterator[tuple[str, float, bool]]:
    for result in results(rows, quick=True):
        if result.target:
            yield result.measure, result.value, result.met


def test_share_and_amplification_are_of_the_bytes_that_a_token_needs() -> None:
    streamed = row("streamed", plan={"streamed_bytes": 796}, bandwidth=800, bandwidth_after=840, details={})
    found = {measure: (value, met) for measure, value, met in figures(streamed)}
    assert found["share of the bandwidth"] == (pytest.approx(796 / 820), True)
    assert found["read for each byte needed"] == (pytest.approx(800 / 796), True)


def test_a_case_that_was_cut_bounds_the_ratio() -> None:
    cut = row("stock", n_pieces=2, later_s=30.0, wall_s=100.0, timed_out=True)
    measured = {r.measure: r.value for r in results([row("streamed"), cut], quick=True)}
    assert measured["times as fast as stock, which was cut after 100 s, at least"] == pytest.approx(48.0)


def test_another_text_than_in_memory_misses_its_target() -> None:
    whole = row("in memory", limit_mib=0)
    assert ("share of the text as in memory", 0.5, False) in figures(whole, row("streamed", text="abxy"))
    assert ("share of the text as in memory", 1.0, True) in figures(whole, row("streamed"))
    assert "share of the text as in memory" not in [
        name for name, *_rest in figures(whole, row("streamed", prompt="q"))
    ]
