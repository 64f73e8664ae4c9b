"""Fixtures that every test may use. No test reaches beyond loopback."""

from __future__ import annotations

import os
import signal
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from crew import Crew

pytest_plugins = ["worker_kernel"]

# Under QRAG_CI a test may be skipped for these reasons only; any other skip fails the run.
MAY_SKIP = ("root may", "not a git checkout", "needs a GPU", "needs Windows", "needs macOS", "needs llama-cpp-python")
DATA = Path(os.environ.get("QRAG_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


# The program calls itself as it is reached here; in tests the shell finds it by its name.
os.environ["PATH"] = sysconfig.get_path("scripts") + os.pathsep + os.environ.get("PATH", "")

# A shell starts what it puts in the background deaf to Ctrl-C; the tests that press it must hear it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


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


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sentence embedding model of 32 dimensions, which loads in a moment."""
    from tiny_model import make_tiny_model

    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def crew(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    """Processes that can be killed at their work; see `fault_jobs`."""
    from crew import Crew

    hired = Crew(tiny_model, tmp_path_factory.mktemp("crew"))
    yield hired
    hired.close()


def must_have_run(skipped: list[tuple[str, str]]) -> list[str]:
    """The skips, of (test, reason), that a complete run does not allow."""
    return [f"{test}: {reason}" for test, reason in skipped if not reason.startswith(MAY_SKIP)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Under QRAG_CI, name the tests that were skipped and must run, and fail."""
    reports = [r for r in terminalreporter.stats.get("skipped", []) if not hasattr(r, "wasxfail")]
    skipped = [(r.nodeid, str(r.longrepr[2]).removeprefix("Skipped: ")) for r in reports]
    if os.environ.get("QRAG_CI") and (missed := must_have_run(skipped)):
        terminalreporter.section("skipped, and must run")
        for line in missed:
            terminalreporter.line(line)
        terminalreporter._session.exitstatus = pytest.ExitCode.TESTS_FAILED
