"""A model in a process of its own: found, shared, stopped."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from worker_engines import PROGRAM
from worker_kernel import LONG, TEN, lives, person, pid_of, said, until, written

from local_models.clients import rendezvous
from local_models.clients.client import WorkerEngine, open_worker
from local_models.clients.registry import running, stop_workers
from local_models.engines.generation import Engine, Message, Sampling
from local_models.worker import file_hold
from local_models.worker.factories import FACTORIES, build
from qrag_lib import errors
from qrag_lib.cli import main
from qrag_lib.settings import Settings


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
    with pytest.raises(ValueError, match="a message of"):
        written(engine, "LONG")
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
    code = "import sys, local_models.worker.__main__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "transformers", "numpy", "llama_index", "tokenizers", "pydantic", "asyncio"}
    assert not heavy & set(done.stdout.split())


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
    assert len(list(rendezvous.private_folder(tmp_path).glob("*.sock"))) == 1


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
    assert [p.suffix for p in sorted(rendezvous.private_folder(tmp_path).iterdir())] == [".lock", ".log"]


def test_a_worker_that_ended_is_started_again_when_asked(hosted: Callable[..., WorkerEngine], tmp_path: Path) -> None:
    engine = hosted(idle_s=0.2)
    until(lambda: not running(tmp_path))
    assert engine.count_tokens("a b") == 2


def test_a_folder_that_is_removed_ends_its_worker(hosted: Callable[..., WorkerEngine], tmp_path: Path) -> None:
    hosted()
    pid = pid_of(tmp_path)
    shutil.rmtree(rendezvous.private_folder(tmp_path))
    until(lambda: not lives(pid))


def test_stopping_workers_names_them_and_leaves_nothing(hosted: Callable[..., WorkerEngine], tmp_path: Path) -> None:
    hosted()
    pid = pid_of(tmp_path)
    assert stop_workers(tmp_path) == [pid]
    assert (stop_workers(tmp_path), lives(pid)) == ([], False)


def test_a_worker_that_hangs_is_killed_by_stop(hosted: Callable[..., WorkerEngine], tmp_path: Path) -> None:
    hosted()
    pid = pid_of(tmp_path)
    os.kill(pid, signal.SIGSTOP)
    assert stop_workers(tmp_path, wait_s=0.2) == [pid]
    assert not lives(pid)


def test_a_process_that_only_has_the_number_of_a_worker_is_not_killed(tmp_path: Path) -> None:
    folder = rendezvous.private_folder(tmp_path)
    rendezvous.Note("0123456789", os.getpid(), f"unix:{folder}/elsewhere.sock", "t", "words", {}, 0, 0.0).write(folder)
    lock = file_hold.take(rendezvous.lock_path(folder, "0123456789"))  # as held from another container
    assert lock is not None
    assert stop_workers(tmp_path, wait_s=0.1) == []
    os.close(lock)


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


def test_the_command_line_shows_and_stops_what_holds_a_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QRAG_LANG", "en")
    settings = Settings(workspace=tmp_path)
    open_worker("words", {}, settings.models_folder, program=PROGRAM)
    assert main(["model", "stop", "--workspace", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "1 process was ended\n"
    assert running(settings.models_folder) == []
