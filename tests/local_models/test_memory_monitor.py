"""Memory over time is that of this process and of the workers that run."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tiny_llm import make_tiny_llm

from local_models.clients.open_worker import open_hosted
from local_models.clients.registry import running, stop_workers
from local_models.configuration import Configuration
from local_models.planning.memory_monitor import watch_memory


def test_what_this_process_takes_is_seen(tmp_path: Path) -> None:
    with watch_memory(tmp_path) as curve:
        time.sleep(0.2)
        held = bytearray(b"x" * (100 << 20))
        time.sleep(0.2)
        del held
    assert max(curve.own_mib) - curve.own_mib[0] == pytest.approx(100, abs=20)
    assert curve.seconds == sorted(curve.seconds)


def test_a_folder_without_workers_has_none(tmp_path: Path) -> None:
    with watch_memory(tmp_path) as curve:
        pass
    assert curve.peak_mib == 0.0 and curve.seconds
    assert not list(tmp_path.iterdir()), "watching leaves nothing"


def test_a_worker_that_starts_meanwhile_is_seen(tmp_path: Path) -> None:
    config = Configuration(models_folder=tmp_path / "models")
    model = make_tiny_llm(tmp_path / "model")
    try:
        with watch_memory(config.models_folder) as curve:
            open_hosted(model, config).close()
            time.sleep(1)
            (worker,) = running(config.models_folder)
    finally:
        stop_workers(config.models_folder)
    assert curve.workers_mib[0] == 0.0
    assert curve.peak_mib > worker.bytes / 2**21, "half of what it says of itself, at least"


def test_watching_ends_with_the_error_of_what_was_watched(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="broke"), watch_memory(tmp_path):
        raise ValueError("it broke")
