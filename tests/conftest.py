"""Fixtures that every test may use. No test reaches beyond loopback."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("QRAG_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


def pytest_runtest_setup() -> None:
    """Block sockets other than loopback (pytest-socket) before each test."""
    import pytest_socket

    pytest_socket.socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real material; tests that need it skip where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"the real material is not at {DATA}; set QRAG_TEST_DATA to its folder")
    return DATA
