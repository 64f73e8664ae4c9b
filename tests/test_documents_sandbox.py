"""The child process: its limits hold, its death costs one file, and it never outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType

import pytest

from qrag_lib.documents import Limits, Reader
from qrag_lib.errors import DocumentRefused

PAGE = b"<html><body><p>uma p\xc3\xa1gina</p></body></html>"
SLOW = b"<html><body>" + b"<p><b>x</b> y</p>" * 2_000_000  # about ten seconds, 32 MiB
ROOT = Path(__file__).parents[1]


@pytest.fixture
def reader() -> Iterator[Reader]:
    with Reader() as reader:
        yield reader


def child(reader: Reader) -> int:
    process = reader.sandbox._child
    assert process
    return process.pid


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def wait_until_gone(pid: int) -> bool:
    deadline = time.monotonic() + 8
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(pid)


def test_text_is_read_without_a_child(reader: Reader) -> None:
    assert reader.parse("# Título".encode(), "a.md").text == "# Título"
    assert reader.sandbox.started == 0


def test_one_child_serves_many_files(reader: Reader) -> None:
    for _n in range(20):
        assert reader.parse(PAGE, "a.html").text == "uma página"
    assert reader.sandbox.started == 1


def test_slow_file_is_refused_and_the_next_one_read() -> None:
    with Reader(Limits(seconds=2)) as reader:
        start = time.monotonic()
        with pytest.raises(DocumentRefused, match="longer than 2 s") as refused:
            reader.parse(SLOW, "a.html")
        assert refused.value.reason == "too_slow" and time.monotonic() - start < 15
        assert reader.parse(PAGE, "a.html").text == "uma página"


def test_hungry_file_is_refused_and_the_next_one_read() -> None:
    with Reader(Limits(memory_mib=150)) as reader:
        with pytest.raises(DocumentRefused, match="more than 150 MiB") as refused:
            reader.parse(b"<p>" + b"palavra " * 6_000_000, "a.html")
        assert refused.value.reason == "too_much_memory"
        assert reader.parse(PAGE, "a.html").text == "uma página"
        assert reader.sandbox.peak_mib < 151


@pytest.mark.parametrize(("number", "reason"), [(signal.SIGSEGV, "broken"), (signal.SIGKILL, "too_much_memory")])
def test_crash_of_the_parser_costs_one_file(reader: Reader, number: int, reason: str) -> None:
    reader.parse(PAGE, "a.html")
    killer = threading.Timer(0.3, os.kill, (child(reader), number))
    killer.start()
    with pytest.raises(DocumentRefused) as refused:
        reader.parse(SLOW, "a.html")
    killer.join()
    assert refused.value.reason == reason
    assert reader.parse(PAGE, "a.html").text == "uma página"


def test_a_child_that_died_idle_is_replaced(reader: Reader) -> None:
    reader.parse(PAGE, "a.html")
    os.kill(child(reader), signal.SIGKILL)
    time.sleep(0.1)
    assert reader.parse(PAGE, "a.html").text == "uma página"


def test_reading_goes_on_after_an_interrupt(reader: Reader) -> None:
    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    reader.parse(PAGE, "a.html")
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(KeyboardInterrupt):
            reader.parse(SLOW, "a.html")
    finally:
        signal.signal(signal.SIGALRM, before)
    assert reader.parse(PAGE, "a.html").text == "uma página"


def test_threads_share_the_child(reader: Reader) -> None:
    pages = [f"<p>página {n}</p>".encode() for n in range(40)]
    with ThreadPoolExecutor(4) as pool:
        texts = list(pool.map(lambda page: reader.parse(page, "a.html").text, pages))
    assert texts == [f"página {n}" for n in range(40)] and reader.sandbox.started == 1


def test_close_ends_the_child_and_so_does_forgetting_the_reader() -> None:
    reader = Reader()
    reader.parse(PAGE, "a.html")
    first = child(reader)
    reader.close()
    reader.parse(PAGE, "a.html")
    second = child(reader)
    del reader
    assert wait_until_gone(first) and wait_until_gone(second)


SCRIPT = """
import os, sys, threading
sys.path.insert(0, {root!r})
from qrag_lib.documents import Reader
print("started", flush=True)
reader = Reader()
reader.parse(b"<p>x</p>", "a.html")
print(reader.sandbox._child.pid, flush=True)
if {busy}:
    threading.Thread(target=reader.parse, args=(b"<p><b>x</b> y</p>" * 2_000_000, "a.html"), daemon=True).start()
sys.stdin.read()
"""


@pytest.mark.parametrize("busy", [False, True])
def test_the_child_goes_when_its_parent_is_killed(busy: bool, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(root=str(ROOT), busy=busy))
    with subprocess.Popen([sys.executable, script], stdin=-1, stdout=-1, cwd=tmp_path, text=True) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == "started\n"  # an unguarded script is not run again by the child
        pid = int(parent.stdout.readline())
        time.sleep(1 if busy else 0)
        parent.kill()
        assert wait_until_gone(pid)


def test_the_child_takes_no_module_from_the_folder_it_starts_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "lxml", "email", "signal"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('hijacked')")
    monkeypatch.chdir(tmp_path)
    with Reader() as reader:
        assert reader.parse(PAGE, "a.html").text == "uma página"


def test_the_child_loads_no_heavy_library(reader: Reader) -> None:
    reader.parse(PAGE, "a.html")
    maps = Path(f"/proc/{child(reader)}/maps")
    if not maps.exists():
        pytest.skip("needs /proc to look into the child")
    assert not any(name in maps.read_text() for name in ("torch", "numpy", "pandas", "tokenizers"))


def test_importing_the_package_loads_no_parser() -> None:
    code = "import sys, qrag_lib.documents; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    heavy = {"lxml", "pypdf", "openpyxl", "striprtf", "charset_normalizer", "llama_index", "torch", "numpy"}
    assert not heavy & set(loaded.split())


def test_memory_of_the_parent_is_not_held_against_the_child() -> None:
    ballast = bytearray(os.urandom(1) * 200 * 2**20)
    with Reader(Limits(memory_mib=150)) as reader:
        reader.parse(PAGE, "a.html")
        reader.parse(PAGE, "a.html")
        assert reader.sandbox.started == 1 and reader.sandbox.peak_mib < 100 < len(ballast)
