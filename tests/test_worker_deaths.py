"""A worker is killed, starved or refused its devices, and another takes its place."""

from __future__ import annotations

import os
import signal
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from worker_engines import FACTORIES as WORDS
from worker_kernel import LONG, inside, person, pid_of, said, until, written

from local_models.clients import deaths, rendezvous
from local_models.clients.client import WorkerEngine, open_worker
from local_models.clients.registry import running, stop_workers
from local_models.clients.smaller_plan import reason_of
from local_models.clients.start import Program
from qrag_lib import errors


def test_a_killed_worker_is_an_error_and_the_next_call_starts_another(
    hosted: Callable[..., WorkerEngine], tmp_path: Path
) -> None:
    engine = hosted(pause_s=0.01)
    pieces, pid = engine.generate("a", LONG), pid_of(tmp_path)
    next(pieces)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(errors.GenerationFailed, match=rf"process {pid}\) is killed by signal 9 while writing"):
        list(pieces)
    assert len(written(engine, "b")[0]) == 10
    assert pid_of(tmp_path) != pid


def test_a_worker_that_was_killed_between_two_calls_is_replaced_without_a_word(
    hosted: Callable[..., WorkerEngine], tmp_path: Path, told: list[str]
) -> None:
    engine = hosted()
    for _n in range(5):
        os.kill(pid_of(tmp_path), signal.SIGKILL)
        assert engine.count_tokens("a b") == 2
    assert told == []


def test_a_worker_that_crashes_in_c_is_an_error(hosted: Callable[..., WorkerEngine]) -> None:
    with pytest.raises(errors.GenerationFailed, match="killed by signal 11"):
        written(hosted(), "CRASH")


def test_a_worker_killed_while_it_loads_is_an_error(hosted: Callable[..., WorkerEngine], tmp_path: Path) -> None:
    caught: list[BaseException] = []

    def load() -> None:
        try:
            hosted(load_s=60)
        except errors.QragError as error:
            caught.append(error)

    thread = threading.Thread(target=load)
    thread.start()
    while thread.is_alive():  # one that had said nothing yet is replaced; one that was heard is not
        for worker in running(tmp_path):
            os.kill(worker.note.pid, signal.SIGKILL)
        thread.join(0.5)
    assert isinstance(caught[0], errors.ModelUnavailable)


def test_what_a_killed_worker_left_is_swept_up(hosted: Callable[..., WorkerEngine], tmp_path: Path) -> None:
    hosted()
    os.kill(pid_of(tmp_path), signal.SIGKILL)
    until(lambda: not running(tmp_path))
    assert stop_workers(tmp_path) == []
    assert not [
        *rendezvous.private_folder(tmp_path).glob("*.sock"),
        *rendezvous.private_folder(tmp_path).glob("*.json"),
    ]


def test_a_stale_note_with_the_number_of_a_living_process_misleads_nobody(
    hosted: Callable[..., WorkerEngine], tmp_path: Path
) -> None:
    folder = rendezvous.private_folder(tmp_path)
    key = rendezvous.key_of("words", {})
    rendezvous.Note(key, os.getpid(), f"unix:{folder}/gone.sock", "t", "words", {}, 0, 0.0).write(folder)
    assert hosted().count_tokens("a") == 1
    assert stop_workers(tmp_path) != [os.getpid()]


def test_a_program_that_cannot_start_is_an_error_with_its_log(tmp_path: Path) -> None:
    with pytest.raises(errors.ModelUnavailable, match="No module named nowhere"):
        open_worker("words", {}, tmp_path, program=Program("nowhere", tmp_path, WORDS))


def test_a_text_goes_on_in_a_smaller_plan_when_memory_runs_out(group: Path, tmp_path: Path) -> None:
    code = """
        engine = opened(grow_mib=8)
        print(len("".join(engine.generate("a b", Sampling(max_new_tokens=40))).split()), engine.order.step)
        print(*told, sep="; ")
        """
    out = said(person(tmp_path, textwrap.dedent(code), before=inside(group)))
    assert out.startswith("40 1\n")
    assert "ran out of memory; trying a smaller plan (step 1 of 2)" in out


def test_a_load_that_takes_too_much_is_tried_smaller(group: Path, tmp_path: Path) -> None:
    code = "print(opened(load_mib=2000).order.arguments, *told)"
    out = said(person(tmp_path, code, before=inside(group)))
    assert "'load_mib': 31" in out
    assert "(step 1 of 2)" in out and "(step 2 of 2)" in out


def test_when_no_plan_is_small_enough_the_kernel_lives_and_says_so(group: Path, tmp_path: Path) -> None:
    code = """
        from qrag_lib.errors import ModelTooLarge
        try:
            opened(load_mib=100_000)
        except ModelTooLarge as error:
            print(error, len(told))
        """
    out = said(person(tmp_path, textwrap.dedent(code), before=inside(group)))
    assert out.endswith("ran out of memory 2")


def test_a_sampled_text_that_was_cut_is_not_continued_by_another(group: Path, tmp_path: Path) -> None:
    code = """
        from qrag_lib.errors import GenerationFailed
        try:
            list(opened(grow_mib=8).generate("a b", Sampling(max_new_tokens=40, temperature=1.0)))
        except GenerationFailed as error:
            print(error)
        """
    out = said(person(tmp_path, textwrap.dedent(code), before=inside(group)))
    assert "cannot be repeated" in out


def test_an_allocation_that_fails_is_tried_in_a_fresh_worker(
    hosted: Callable[..., WorkerEngine], tmp_path: Path, told: list[str]
) -> None:
    engine, pid = hosted(grow_mib=8), pid_of(tmp_path)
    with pytest.raises(errors.ModelTooLarge, match="no more"):
        written(engine, "a MEMORY")
    assert len(told) == 1  # 8 MiB, then 1, then there is nothing smaller
    assert engine.count_tokens("a") == 1
    assert pid_of(tmp_path) != pid


def test_a_device_map_that_is_refused_becomes_disk_offload(
    hosted: Callable[..., WorkerEngine], told: list[str]
) -> None:
    pieces, _generation = written(engine := hosted(), "a MAP")
    assert (len(pieces), engine.order.arguments) == (10, {"map": "disk"})
    assert "offload_folder" in told[0] and "step 1 of 2" in told[0]


@pytest.mark.parametrize(
    "said_by_the_library",
    [
        "When passing device_map as a string, the value needs to be a device name, but found disk.",
        "We need an `offload_dir` to dispatch this model according to this `device_map`",
        "weight is on the meta device, we need a `value` to put in on cpu.",
        "Cannot copy out of meta tensor; no data!",
    ],
)
def test_what_the_libraries_say_of_device_maps_is_known(said_by_the_library: str) -> None:
    assert reason_of(ValueError(said_by_the_library)) == "device map"


def test_other_errors_ask_for_no_smaller_plan() -> None:
    refused = errors.ModelRefused("device_map 'x' is not known")
    assert [reason_of(e) for e in (KeyError("device_map"), ValueError("n"), refused)] == [None] * 3
    assert reason_of(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes")) == "memory"


def test_counters_of_both_kinds_of_groups_are_found(tmp_path: Path) -> None:
    v1, v2 = tmp_path / "cg" / "memory" / "a", tmp_path / "cg" / "b"
    for folder, name in ((v1, "memory.oom_control"), (v2, "memory.events")):
        folder.mkdir(parents=True)
        (folder / name).write_text("low 1\noom_kill 2\n")
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cgroup").write_text("5:memory:/a\n3:cpu:/x\n0::/b\n")
    counts = deaths.oom_counts("7", tmp_path, tmp_path / "cg")
    assert sorted(counts.values()) == [2, 2]
    assert not deaths.was_out_of_memory(counts)
    (v2 / "memory.events").write_text("oom_kill 3\n")
    assert deaths.was_out_of_memory(counts)
