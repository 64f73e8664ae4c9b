"""A model in a process of its own: found, shared, stopped, killed, starved, and started again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from worker_engines import PROGRAM

from qrag_lib import errors
from qrag_lib.cli import main
from qrag_lib.models.generation import Engine, Generation, Message, Sampling
from qrag_lib.models.worker import deaths, hold, place, process
from qrag_lib.models.worker import hosted as hosted_model
from qrag_lib.models.worker.client import WorkerEngine, open_worker
from qrag_lib.models.worker.factories import FACTORIES, build
from qrag_lib.models.worker.listening import connect
from qrag_lib.models.worker.opening import arguments_of, open_hosted, plan_of
from qrag_lib.models.worker.protocol import MAX_LINE, Line, error_message, error_of
from qrag_lib.models.worker.recovery import reason_of
from qrag_lib.models.worker.registry import running, stop_workers
from qrag_lib.settings import Settings

GROUPS = Path("/sys/fs/cgroup/memory")
TEN = Sampling(max_new_tokens=10)
LONG = Sampling(max_new_tokens=100_000)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def hosted(tmp_path: Path, told: list[str]) -> Iterator[Callable[..., WorkerEngine]]:
    """Opens an engine of words in a worker below `tmp_path`; the workers end with the test."""

    def open_(*, idle_s: float = 60, **arguments: Any) -> WorkerEngine:
        return open_worker("words", arguments, tmp_path, idle_s=idle_s, tell=told.append, program=PROGRAM)

    yield open_
    stop_workers(tmp_path)
    shutil.rmtree(place.private_folder(tmp_path))


def written(engine: Engine, prompt: str, sampling: Sampling = TEN) -> tuple[list[str], Generation]:
    pieces, generation = [], engine.generate(prompt, sampling)
    while True:
        try:
            pieces.append(next(generation))
        except StopIteration as end:
            return pieces, end.value


def pid_of(root: Path) -> int:
    (worker,) = running(root)
    return worker.note.pid


def until(holds: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.01)


def person(root: Path, code: str, *, before: Callable[[], None] | None = None) -> subprocess.Popen[str]:
    """Another kernel: a process that opens the engine of words below `root`, as `engine`, and runs `code`."""
    begin = f"""
        import os, sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
        from pathlib import Path
        from worker_engines import PROGRAM
        from qrag_lib.models.generation import Sampling
        from qrag_lib.models.worker.client import open_worker
        told = []
        def opened(**arguments):
            return open_worker("words", arguments, Path({str(root)!r}), idle_s=60, tell=told.append, program=PROGRAM)
    """
    script = textwrap.dedent(begin) + textwrap.dedent(code)
    command = [sys.executable, "-c", script]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=before
    )


def said(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out.strip()


# --- hosting ------------------------------------------------------------------------------------


def test_a_hosted_engine_is_an_engine(hosted: Callable[..., WorkerEngine]) -> None:
    engine = hosted()
    assert isinstance(engine, Engine)
    assert (engine.name, engine.context_length, engine.details) == ("words", 64, {"grow_mib": 0})
    assert engine.count_tokens("three words here") == 3
    assert engine.render([Message("user", "Olá\ud800")]) == "user: Olá\ud800"


def test_pieces_arrive_and_the_generation_is_returned(hosted: Callable[..., WorkerEngine]) -> None:
    pieces, generation = written(hosted(), "um dois três", Sampling(max_new_tokens=4))
    assert pieces == ["um ", "dois ", "três ", "um "]
    assert (generation.n_new_tokens, generation.finish) == (4, "length")


def test_pieces_arrive_as_they_are_made(hosted: Callable[..., WorkerEngine]) -> None:
    pieces = hosted(pause_s=0.01).generate("a", LONG)
    assert next(pieces) == "a "  # of a text that would take a quarter of an hour
    pieces.close()


def test_a_batch_comes_back_in_its_order(hosted: Callable[..., WorkerEngine]) -> None:
    texts = hosted().generate_batch(["a", "b b"], TEN)
    assert [(t.text, t.n_prompt_tokens) for t in texts] == [("a", 1), ("b b", 2)]


def test_the_model_is_in_another_process_that_writes_nothing_here(
    hosted: Callable[..., WorkerEngine], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    _pieces, generation = written(hosted(), "a b")
    assert generation.details["pid"] == pid_of(tmp_path) != os.getpid()
    assert capfd.readouterr() == ("", "")


def test_errors_of_the_engine_are_errors_here(hosted: Callable[..., WorkerEngine]) -> None:
    engine = hosted()
    with pytest.raises(ValueError, match="65 words; the limit is 64"):
        written(engine, "w " * 65)
    with pytest.raises(errors.GenerationFailed, match="KeyError: 'a bug'"):
        written(engine, "BUG")
    assert written(engine, "a")[0][0] == "a "


@pytest.mark.parametrize("kind", ["ModelRefused", "ModelDamaged", "ModelTooLarge", "DiskFull"])
def test_a_load_that_is_refused_is_refused_here(hosted: Callable[..., WorkerEngine], kind: str) -> None:
    with pytest.raises(getattr(errors, kind), match=f"{kind} told") as caught:
        hosted(refused=kind)
    assert caught.value.hint == "do this"


def test_only_engines_on_the_list_are_built() -> None:
    with pytest.raises(errors.ModelRefused, match="'os:system'") as caught:
        build(FACTORIES, "os:system", {})
    assert "offload" in str(caught.value.hint)


def test_the_worker_starts_without_anything_heavy() -> None:
    code = "import sys, qrag_lib.models.worker.__main__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "transformers", "numpy", "llama_index", "tokenizers", "pydantic", "asyncio"}
    assert not heavy & set(done.stdout.split())


# --- found by others ----------------------------------------------------------------------------


def test_another_kernel_finds_the_same_worker(hosted: Callable[..., WorkerEngine], tmp_path: Path) -> None:
    hosted(pause_s=0)
    other = person(tmp_path, "print(*[e := opened(pause_s=0), *e.generate('x y', Sampling(max_new_tokens=2))][1:])")
    assert said(other) == "x  y"
    assert len(running(tmp_path)) == 1


def test_the_worker_outlives_the_kernel_that_started_it(tmp_path: Path, hosted: Callable[..., WorkerEngine]) -> None:
    said(person(tmp_path, "opened()"))
    pid = pid_of(tmp_path)
    assert written(hosted(), "a")[1].details["pid"] == pid


def test_many_who_start_at_once_end_with_one_worker(tmp_path: Path, hosted: Callable[..., WorkerEngine]) -> None:
    code = "print(opened(load_s=0.3).count_tokens('a b c'))"
    crowd = [person(tmp_path, code) for _n in range(4)]
    assert [said(process) for process in crowd] == ["3"] * 4
    assert len(running(tmp_path)) == 1
    assert len(list(place.private_folder(tmp_path).glob("*.sock"))) == 1


def test_other_arguments_are_another_worker(hosted: Callable[..., WorkerEngine], tmp_path: Path) -> None:
    hosted(pause_s=0)
    hosted(pause_s=0.001)
    assert len(running(tmp_path)) == 2


def test_a_second_text_waits_and_is_told(hosted: Callable[..., WorkerEngine], told: list[str]) -> None:
    engine = hosted(pause_s=0.1)
    first = engine.generate("a", TEN)
    next(first)
    assert len(written(engine, "b")[0]) == 10
    assert told == ["the model is writing for somebody else; 1 before you"]
    assert len(list(first)) == 9


def test_who_runs_says_what_it_does(hosted: Callable[..., WorkerEngine], tmp_path: Path) -> None:
    assert running(tmp_path / "nowhere") == []
    assert not (tmp_path / "nowhere").exists()
    pieces = hosted(pause_s=0.01).generate("a", LONG)
    next(pieces)
    (worker,) = running(tmp_path)
    assert (worker.doing, worker.bytes > 2**20) == ("writing", True)
    assert f"words: process {worker.note.pid}, writing, " in str(worker)
    pieces.close()


def test_counting_does_not_wait_for_a_text(hosted: Callable[..., WorkerEngine]) -> None:
    engine = hosted(pause_s=0.01)
    pieces = engine.generate("a", LONG)
    next(pieces)
    assert engine.count_tokens("a b") == 2
    pieces.close()


# --- stopping -----------------------------------------------------------------------------------


def test_closing_the_iterator_leaves_the_model_usable(hosted: Callable[..., WorkerEngine]) -> None:
    engine = hosted(pause_s=0.01)
    pieces = engine.generate("a", LONG)
    next(pieces)
    pieces.close()
    assert len(written(engine, "b")[0]) == 10


def test_a_computation_that_gives_no_piece_is_interrupted(hosted: Callable[..., WorkerEngine], tmp_path: Path) -> None:
    engine, pid = hosted(sign=str(tmp_path / "began")), pid_of(tmp_path)
    thread = threading.Thread(target=lambda: list(engine.generate("a", TEN)))
    waiting = engine.generate("a STEEP", TEN)
    next(waiting)
    waiting.close()
    thread.start()
    thread.join(20)
    assert (thread.is_alive(), pid_of(tmp_path)) == (False, pid)


def test_ctrl_c_stops_the_text_and_the_next_one_is_written(tmp_path: Path, hosted: Callable[..., WorkerEngine]) -> None:
    process = person(
        tmp_path,
        """
        engine = opened(pause_s=0.01)
        try:
            for piece in engine.generate("a", Sampling(max_new_tokens=100_000)):
                print("began", flush=True)
        except KeyboardInterrupt:
            print("stopped")
        print("".join(engine.generate("b c", Sampling(max_new_tokens=2))))
        """,
    )
    assert process.stdout
    assert process.stdout.readline() == "began\n"
    pid = pid_of(tmp_path)
    os.killpg(process.pid, signal.SIGINT)
    assert said(process).endswith("stopped\nb c")
    assert pid_of(tmp_path) == pid


def test_a_kernel_that_dies_frees_the_model(tmp_path: Path, hosted: Callable[..., WorkerEngine]) -> None:
    code = "print(next(opened(pause_s=0.01).generate('a', Sampling(max_new_tokens=100_000))), flush=True); input()"
    process = person(tmp_path, "kept = opened(pause_s=0.01).generate('a', Sampling(max_new_tokens=100_000))\n"
                     "print(next(kept), flush=True); import time; time.sleep(60)")  # fmt: skip
    assert process.stdout and code
    process.stdout.readline()
    process.kill()
    process.communicate()
    assert len(written(hosted(pause_s=0.01), "b")[0]) == 10


def test_nobody_asks_and_it_ends(hosted: Callable[..., WorkerEngine], tmp_path: Path) -> None:
    hosted(idle_s=0.2)
    until(lambda: not running(tmp_path))
    assert [p.suffix for p in sorted(place.private_folder(tmp_path).iterdir())] == [".lock", ".log"]


def test_a_worker_that_ended_is_started_again_when_asked(hosted: Callable[..., WorkerEngine], tmp_path: Path) -> None:
    engine = hosted(idle_s=0.2)
    until(lambda: not running(tmp_path))
    assert engine.count_tokens("a b") == 2


def test_a_folder_that_is_removed_ends_its_worker(hosted: Callable[..., WorkerEngine], tmp_path: Path) -> None:
    hosted()
    pid = pid_of(tmp_path)
    shutil.rmtree(place.private_folder(tmp_path))
    until(lambda: not _lives(pid))


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_stopping_workers_names_them_and_leaves_nothing(hosted: Callable[..., WorkerEngine], tmp_path: Path) -> None:
    hosted()
    pid = pid_of(tmp_path)
    assert stop_workers(tmp_path) == [pid]
    assert (stop_workers(tmp_path), _lives(pid)) == ([], False)


def test_a_worker_that_hangs_is_killed_by_stop(hosted: Callable[..., WorkerEngine], tmp_path: Path) -> None:
    hosted()
    pid = pid_of(tmp_path)
    os.kill(pid, signal.SIGSTOP)
    assert stop_workers(tmp_path, wait_s=0.2) == [pid]
    assert not _lives(pid)


def test_stopping_ends_a_text_that_is_being_written(hosted: Callable[..., WorkerEngine], tmp_path: Path) -> None:
    pieces = hosted(pause_s=0.01).generate("a", LONG)
    next(pieces)
    stop_workers(tmp_path)
    with pytest.raises(errors.GenerationFailed):
        list(pieces)


def test_a_closed_engine_is_not_asked_again(hosted: Callable[..., WorkerEngine]) -> None:
    engine = hosted()
    engine.close()
    with pytest.raises(errors.ModelUnavailable, match="was closed"):
        engine.count_tokens("a")


# --- killed -------------------------------------------------------------------------------------


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
    assert not [*place.private_folder(tmp_path).glob("*.sock"), *place.private_folder(tmp_path).glob("*.json")]


def test_a_stale_note_with_the_number_of_a_living_process_misleads_nobody(
    hosted: Callable[..., WorkerEngine], tmp_path: Path
) -> None:
    folder = place.private_folder(tmp_path)
    key = place.key_of("words", {})
    place.Note(key, os.getpid(), f"unix:{folder}/gone.sock", "t", "words", {}, 0, 0.0).write(folder)
    assert hosted().count_tokens("a") == 1
    assert stop_workers(tmp_path) != [os.getpid()]


def test_a_program_that_cannot_start_is_an_error_with_its_log(tmp_path: Path) -> None:
    from worker_engines import FACTORIES as WORDS

    from qrag_lib.models.worker.start import Program

    with pytest.raises(errors.ModelUnavailable, match="No module named nowhere"):
        open_worker("words", {}, tmp_path, program=Program("nowhere", tmp_path, WORDS))


# --- too little memory, and device maps ---------------------------------------------------------


@pytest.fixture
def group() -> Iterator[Path]:
    """A memory control group of 120 MiB, without swap."""
    folder = GROUPS / f"qrag-test-{os.getpid()}"
    try:
        folder.mkdir()
        (folder / "memory.limit_in_bytes").write_text(str(120 << 20))
    except OSError:
        pytest.skip("root may make memory control groups (cgroup v1); here it may not")
    yield folder
    for pid in (folder / "cgroup.procs").read_text().split():
        os.kill(int(pid), signal.SIGKILL)
    until(lambda: not (folder / "cgroup.procs").read_text())
    folder.rmdir()


def inside(group: Path) -> Callable[[], None]:
    return lambda: (group / "cgroup.procs").write_text(str(os.getpid())) and None


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


# --- a real model -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def llm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tiny_llm import make_tiny_llm

    return make_tiny_llm(tmp_path_factory.mktemp("llm") / "tiny")


def test_a_streamed_model_writes_the_same_in_a_worker_and_after_a_stop(llm: Path, tmp_path: Path) -> None:
    settings = Settings(workspace=tmp_path, device_map="disk")
    engine = open_hosted(llm, settings)
    try:
        here = written(_in_this_process(llm), "o rato roeu a roupa", TEN)
        assert written(engine, "o rato roeu a roupa", TEN)[0] == here[0]
        stopped = engine.generate("prazo de trinta dias", TEN)
        next(stopped)
        stopped.close()
        _pieces, there = written(engine, "o rato roeu a roupa", TEN)
        assert (there.text, plan_of(engine).mode) == (here[1].text, "streamed")
        assert there.details["bytes_read"] > 0
    finally:
        assert len(stop_workers(settings.models_folder)) == 1


def _in_this_process(folder: Path) -> Engine:
    from qrag_lib.models.offload.load import load_streamed
    from qrag_lib.models.offload.write import StreamedEngine
    from qrag_lib.models.tokenizer import load_tokenizer

    return StreamedEngine(load_streamed(folder), load_tokenizer(folder))


def test_a_model_writes_inside_512_mib_beside_the_kernel_that_asks(group: Path, llm: Path, tmp_path: Path) -> None:
    (group / "memory.limit_in_bytes").write_text(str(512 << 20))
    code = f"""
        from qrag_lib.models.worker.opening import open_hosted, plan_of
        from qrag_lib.models.worker.registry import stop_workers
        from qrag_lib.settings import Settings
        settings = Settings(workspace=Path({str(tmp_path)!r}))
        engine = open_hosted(Path({str(llm)!r}), settings, tell=told.append)
        print(engine.count_tokens("".join(engine.generate("a roupa", Sampling(max_new_tokens=9)))) > 0, told)
        stop_workers(settings.models_folder)
        """
    assert said(person(tmp_path, textwrap.dedent(code), before=inside(group))) == "True []"
    assert "oom_kill 0" in (group / "memory.oom_control").read_text()


def test_an_embedding_model_in_a_worker_gives_the_same_bits(tiny_model: Path, tmp_path: Path) -> None:
    from qrag_lib.models.embedding import open_embedding
    from qrag_lib.models.worker.embedder import open_hosted_embedding

    here, texts = open_embedding(str(tiny_model)), ["um prazo de trinta dias", "", "a \ud800 b"] * 100
    there = open_hosted_embedding(str(tiny_model), tmp_path, idle_s=60)
    try:
        assert (there.encode(texts) == here.encode(texts)).all()
        assert (there.encode(["o prazo?"], kind="query") == here.encode(["o prazo?"], kind="query")).all()
        assert there.token_spans_many(texts) == here.token_spans_many(texts)
        known = (there.model_id, there.dimensions, there.max_tokens, there.overhead_tokens)
        assert known == (here.model_id, here.dimensions, here.max_tokens, here.overhead_tokens)
        with pytest.raises(errors.GenerationFailed, match="writes nothing"):
            written(there.engine, "a")
    finally:
        stop_workers(tmp_path)


def test_smaller_plans_of_a_model_end_with_all_of_it_on_disk() -> None:
    wanted = arguments_of(Path("m"), Settings())
    first = hosted_model.smaller(wanted, "memory")
    assert first and (first["share"], first["settings"]["device_map"]) == (0.6, "auto")
    second = hosted_model.smaller(first, "memory")
    assert second and second["settings"]["device_map"] == "disk"
    assert hosted_model.smaller(second, "memory") is None
    assert hosted_model.smaller(wanted, "device map") == {**second, "share": 1.0}


# --- strangers ----------------------------------------------------------------------------------


def raw(root: Path) -> Iterator[Line]:
    (worker,) = running(root)
    while True:
        yield Line(connect(worker.note.address))


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\xff\n",
        b"[]\n",
        b"[" * 50_000 + b"\n",
        b"{}\n",
        b'{"token": 1}\n',
        b'{"token": "\xc3\xa9", "op": "open"}\n',
    ],
    ids=["bytes", "list", "deep", "empty", "number", "wrong token"],
)
def test_garbage_is_refused_and_the_worker_goes_on(
    hosted: Callable[..., WorkerEngine], tmp_path: Path, sent: bytes
) -> None:
    engine = hosted()
    line = next(raw(tmp_path))
    line.connection.sendall(sent)
    assert "error" in line.receive(5)
    with pytest.raises(EOFError):
        line.receive(5)
    line.close()
    assert engine.count_tokens("a") == 1


def test_an_endless_line_is_cut_off(hosted: Callable[..., WorkerEngine], tmp_path: Path) -> None:
    engine = hosted()
    line = next(raw(tmp_path))
    with pytest.raises(OSError):  # reset or broken pipe
        for _n in range(100):
            line.connection.sendall(b"x" * (MAX_LINE // 10))
    line.close()
    assert engine.count_tokens("a") == 1


@pytest.mark.parametrize(
    "ask",
    [
        {"op": "exec"},
        {"op": "generate", "prompt": "a"},
        {"op": "generate", "prompt": "a", "sampling": {"max_new_tokens": 0}},
        {"op": "generate", "prompt": "a", "sampling": {"nonsense": 1}},
        {"op": "count", "text": 3},
        {"op": "render", "messages": "x"},
        {"op": "open", "version": 99},
    ],
)
def test_a_request_that_means_nothing_is_answered_with_an_error(
    hosted: Callable[..., WorkerEngine], tmp_path: Path, ask: dict[str, Any]
) -> None:
    engine = hosted()
    line, (worker,) = next(raw(tmp_path)), running(tmp_path)
    line.send({**ask, "token": worker.note.token})
    while "beat" in (reply := line.receive(5)):
        pass
    assert "error" in reply
    line.close()
    assert engine.count_tokens("a") == 1


def test_a_folder_and_a_socket_are_this_users_alone(hosted: Callable[..., WorkerEngine], tmp_path: Path) -> None:
    hosted()
    folder = place.private_folder(tmp_path)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())


def test_another_user_is_refused_though_the_socket_lies_open() -> None:
    if os.getuid() != 0 or not shutil.which("su"):
        pytest.skip("root may become another user; here it may not")
    root = Path(tempfile.mkdtemp(dir="/tmp"))
    engine = open_worker("words", {}, root, program=PROGRAM)
    try:
        (worker,) = running(root)
        path = Path(worker.note.address.removeprefix("unix:"))
        for opened, mode in ((root, 0o755), (path.parent, 0o755), (path, 0o777)):
            opened.chmod(mode)
        ask = json.dumps({"op": "count", "text": "a", "token": worker.note.token}) + "\\n"
        code = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect('{path}'); s.sendall({ask!r}.encode())"
        shown = f"{code}; print(s.recv(99))"
        stranger = subprocess.run(["su", "nobody", "-s", "/usr/bin/python3", "--", "-c", shown],
                                  capture_output=True, text=True, cwd="/")  # fmt: skip
        refused = ("b''", "Connection reset", "Broken pipe")
        assert any(text in stranger.stdout + stranger.stderr for text in refused)
        assert engine.count_tokens("a") == 1
    finally:
        stop_workers(root)
        shutil.rmtree(root)


def test_a_path_too_long_for_a_socket_is_none(tmp_path: Path) -> None:
    root = tmp_path / ("long" * 50) / ("longer" * 40)
    engine = open_worker("words", {}, root, program=PROGRAM)
    assert (Path(engine.order.folder).parent, engine.count_tokens("a")) == (root, 1)
    (worker,) = running(root)
    assert worker.note.address.startswith("unix:")
    assert len(stop_workers(root)) == 1


def test_a_private_folder_that_belongs_to_another_is_not_used(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("root may give a folder away; here it may not")
    mine = tmp_path / "workers-0"
    mine.mkdir()
    os.chown(mine, 65534, 65534)
    found = place.private_folder(tmp_path)
    assert found.parent == Path(tempfile.gettempdir())
    os.chown(found, 65534, 65534)
    with pytest.raises(errors.ModelUnavailable, match="open to others"):
        place.private_folder(tmp_path)
    shutil.rmtree(found)


# --- the small parts ----------------------------------------------------------------------------


def test_a_lock_ends_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    child = os.fork()
    if child == 0:
        hold.take(path)
        (tmp_path / "held").touch()
        time.sleep(60)
    until((tmp_path / "held").exists)
    assert (hold.is_held(path), hold.take(path)) == (True, None)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert not hold.is_held(path)


def test_a_log_is_cut_to_its_last_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("".join(f"line {n}\n" for n in range(200_000)))
    process.trim_log(path)
    lines = path.read_text().splitlines()
    assert (lines[-1], path.stat().st_size < process.LOG_BYTES) == ("line 199999", True)
    assert lines[0].startswith("line ")
    assert process.tail(path, 1) == "line 199999"


def test_every_error_travels_as_itself() -> None:
    raised = errors.ModelDamaged("short", path="a.safetensors", hint="repair")
    told = error_of(json.loads(json.dumps(error_message(raised)))["error"])
    assert isinstance(told, errors.ModelDamaged)
    assert (told.message, told.path, told.hint) == ("short", "a.safetensors", "repair")
    assert isinstance(error_of({"kind": "SystemExit", "message": "m"}), errors.GenerationFailed)


def test_where_there_are_no_unix_sockets_loopback_serves(tmp_path: Path) -> None:
    from qrag_lib.models.worker.listening import listen

    listener, address = listen(tmp_path / "missing" / "a.sock")
    with listener, connect(address) as client:
        assert address.startswith("tcp:")
        accepted, (host, _port) = listener.accept()
        assert (host, client.family) == ("127.0.0.1", socket.AF_INET)
        accepted.close()


def test_the_command_line_shows_and_stops_what_holds_a_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QRAG_LANG", "en")
    settings = Settings(workspace=tmp_path)
    open_worker("words", {}, settings.models_folder, program=PROGRAM)
    assert main(["model", "stop", "--workspace", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "1 process was ended\n"
    assert running(settings.models_folder) == []
