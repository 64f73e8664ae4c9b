"""Who may speak with a worker, and what it makes of nonsense; locks, logs, addresses."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from worker_engines import PROGRAM
from worker_kernel import until

from local_models.clients import rendezvous
from local_models.clients.client import WorkerEngine, open_worker
from local_models.clients.registry import running, stop_workers
from local_models.worker import file_hold, process
from local_models.worker.listening import connect, listen
from local_models.worker.protocol import MAX_LINE, Line, error_message, error_of
from qrag_lib import errors


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
    folder = rendezvous.private_folder(tmp_path)
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
    found = rendezvous.private_folder(tmp_path)
    assert found.parent == Path(tempfile.gettempdir())
    os.chown(found, 65534, 65534)
    with pytest.raises(errors.ModelUnavailable, match="open to others"):
        rendezvous.private_folder(tmp_path)
    shutil.rmtree(found)


def test_a_lock_ends_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    child = os.fork()
    if child == 0:
        file_hold.take(path)
        (tmp_path / "held").touch()
        time.sleep(60)
    until((tmp_path / "held").exists)
    assert (file_hold.is_held(path), file_hold.take(path)) == (True, None)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert not file_hold.is_held(path)


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
    listener, address = listen(tmp_path / "missing" / "a.sock")
    with listener, connect(address) as client:
        assert address.startswith("tcp:")
        accepted, (host, _port) = listener.accept()
        assert (host, client.family) == ("127.0.0.1", socket.AF_INET)
        accepted.close()


def test_a_file_system_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_arguments: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", refused)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(
        errors.ModelUnavailable, match=r"a\.lock cannot be locked: No locks available\n→ set QRAG_MODELS_CACHE"
    ):
        file_hold.take(tmp_path / "a.lock")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
