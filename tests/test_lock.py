"""One writer at a time, named to whoever has to wait."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path

import pytest

from qrag_lib.errors import WorkspaceBusy
from qrag_lib.ingest.writer_lock import HOLDER, holder, writer


def test_who_writes_is_named_while_it_writes(tmp_path: Path) -> None:
    with writer(tmp_path, "ingesting"):
        assert f"process {os.getpid()} on {socket.gethostname()}, ingesting" in holder(tmp_path)
    assert holder(tmp_path) == ""


def test_a_second_writer_waits_no_longer_than_it_was_told(tmp_path: Path) -> None:
    start = time.monotonic()
    busy = pytest.raises(WorkspaceBusy, match="ingesting")
    with writer(tmp_path, "ingesting"), busy, writer(tmp_path, "forgetting", wait_s=0.1):
        pass
    assert time.monotonic() - start < 2


def test_the_lock_is_free_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), writer(tmp_path, "ingesting"):
        raise RuntimeError
    with writer(tmp_path, "again", wait_s=0):
        pass


def test_what_a_killed_writer_left_names_nobody(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    held = {"pid": child, "host": socket.gethostname(), "doing": "ingesting", "since": time.time()}
    (tmp_path / HOLDER).write_text(json.dumps(held))
    assert holder(tmp_path) == ""
    (tmp_path / HOLDER).write_text(json.dumps(held | {"host": "elsewhere"}))
    assert f"process {child} on elsewhere" in holder(tmp_path)


def test_a_process_number_that_went_to_another_names_nobody(tmp_path: Path) -> None:
    held = {"pid": os.getpid(), "host": socket.gethostname(), "doing": "ingesting", "since": 1_000_000_000}
    (tmp_path / HOLDER).write_text(json.dumps(held))
    assert holder(tmp_path) == ""


def test_a_torn_note_is_no_error(tmp_path: Path) -> None:
    (tmp_path / HOLDER).write_text('{"pid": 1')
    with writer(tmp_path, "ingesting"):
        (tmp_path / HOLDER).write_text("{")
        with pytest.raises(WorkspaceBusy, match="another process"), writer(tmp_path, "x", wait_s=0):
            pass
