"""Connections to the catalogue's file: one that writes, and one for each thread that reads."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

from qrag_lib.catalog.comparisons import meets_json
from qrag_lib.catalog.migrations import VERSION, migrate, version_of
from qrag_lib.errors import WorkspaceDamaged
from qrag_lib.i18n import _

WAIT_S: Final = 30  # for another process that writes


def open_to_write(path: Path) -> sqlite3.Connection:
    """The file, made where there is none and brought up to date.

    Durable without a sync for each commit: WAL with synchronous=NORMAL survives a kill at any point.
    """
    connection = sqlite3.connect(path, timeout=WAIT_S, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA secure_delete=ON")  # what is forgotten leaves no bytes behind
        connection.execute("PRAGMA cache_size=-32000")
        _prepare(connection)
        migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


class Readers:
    """Connections that only read, one a thread: nobody waits for another's search.

    Where SQLite cannot follow a file (a read-only medium), or the file is of an older version and cannot be
    written, all threads share one connection to it as it is, or to a copy; it is opened anew when the file changes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._own = threading.local()
        self._opened: list[tuple[threading.Thread, sqlite3.Connection]] = []
        self._frozen: tuple[object, ...] | None = None  # the files as they were, where SQLite does not follow them
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        self._shared: sqlite3.Connection | None = None
        first = self._open()
        if self._frozen is not None:
            self._shared = first
        else:
            self._keep(first)

    @property
    def shared(self) -> threading.RLock | None:
        """The lock of the connection that all threads share; None where each has its own."""
        return self._lock if self._frozen is not None else None

    def connection(self, *, follow: bool = True) -> sqlite3.Connection:
        """The calling thread's connection. follow: where it does not see the changes of others by itself, look."""
        if self._frozen is not None:
            if follow and self._frozen != self._files():
                self._release()
                self._shared = self._open()
            assert self._shared is not None
            return self._shared
        if (own := getattr(self._own, "connection", None)) is None:
            own = self._keep(_open_uri(self.path, "mode=ro"))
        return own

    def close(self) -> None:
        """Close them all."""
        with self._lock:
            for _thread, connection in self._opened:
                connection.close()
            self._opened.clear()
            self._release()

    def _keep(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        with self._lock:
            for thread, old in [each for each in self._opened if not each[0].is_alive()]:
                old.close()
                self._opened.remove((thread, old))
            self._opened.append((threading.current_thread(), connection))
        self._own.connection = connection
        return connection

    def _open(self) -> sqlite3.Connection:
        """Beside the WAL where SQLite can; else as it is on the disk; else over a copy of both."""
        self._frozen = None
        with suppress(sqlite3.OperationalError):
            connection = _open_uri(self.path, "mode=ro")
            if version_of(connection) == VERSION:
                return connection
            connection.close()
            with suppress(sqlite3.OperationalError):
                open_to_write(self.path).close()
                return _open_uri(self.path, "mode=ro")
        self._frozen = self._files()
        wal = self._wal
        if not wal.exists() or not wal.stat().st_size:
            connection = _open_uri(self.path, "immutable=1")
            if version_of(connection) == VERSION:
                return connection
            connection.close()
        self._copy = tempfile.TemporaryDirectory(prefix="qrag-")
        copy = Path(self._copy.name) / self.path.name
        shutil.copyfile(self.path, copy)
        if wal.exists():
            shutil.copyfile(wal, copy.with_name(wal.name))
        connection = _open_uri(copy, "mode=rw")
        migrate(connection)
        return connection

    @property
    def _wal(self) -> Path:
        return self.path.with_name(self.path.name + "-wal")

    def _files(self) -> tuple[object, ...]:
        """What changes when another process writes."""
        states = [file.stat() if file.exists() else None for file in (self.path, self._wal)]
        return tuple(state and (state.st_ino, state.st_size, state.st_mtime_ns) for state in states)

    def _release(self) -> None:
        if self._shared is not None:
            self._shared.close()
            self._shared = None
        if self._copy is not None:
            self._copy.cleanup()
            self._copy = None


def _open_uri(path: Path, options: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?{options}"
    connection = sqlite3.connect(uri, uri=True, timeout=WAIT_S, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection)
        if version_of(connection) == 0:
            raise WorkspaceDamaged(
                _("{file} holds no catalogue yet").format(file=path), hint=_("open it once where it can be written")
            )
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    connection.create_function("meets", 2, meets_json, deterministic=True)
