"""The catalogue's SQLite file: transactions, and what its failures mean."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from qrag_lib.catalog.connections import Readers, open_to_write
from qrag_lib.errors import DiskFull, QragError, WorkspaceBusy, WorkspaceDamaged, WorkspaceReadOnly
from qrag_lib.i18n import _


class Database:
    """One file, shared by the threads of this process: one writes at a time, the others read meanwhile.

    `checkpoint` syncs what was committed to the disk, and is called before anything is reported as done.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self.read_only = read_only
        self.closed = False
        self._writing = threading.RLock()
        self._here = threading.local()  # of each thread: the connection of its transaction, and how deep it is in it
        with self._explained():
            self._writer = None if read_only else open_to_write(path)
            try:
                self._readers = Readers(path)
            except BaseException:
                if self._writer is not None:
                    self._writer.close()
                raise

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of one query; inside `write` or `snapshot`, of what is seen there."""
        with self._explained():
            if (inside := self._inside) is not None:
                return inside.execute(sql, parameters).fetchall()
            with self._readers.shared or nullcontext():
                return self._readers.connection().execute(sql, parameters).fetchall()

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run one statement inside `write`; returns the number of rows it changed."""
        with self._explained():
            return self._changing.execute(sql, parameters).rowcount

    def run_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run one statement over many rows inside `write`."""
        with self._explained():
            self._changing.executemany(sql, rows)

    def insert(self, sql: str, parameters: Sequence[Any]) -> int:
        """Insert one row inside `write`; returns its row id."""
        with self._explained():
            return int(self._changing.execute(sql, parameters).lastrowid or 0)

    @contextmanager
    def write(self, *, visible: bool = True) -> Iterator[None]:
        """One transaction, and one generation where readers can see the change; an inner one joins the outer."""
        if self._writer is None:
            raise WorkspaceReadOnly(
                _("{path} was opened to be read only").format(path=self.path.parent),
                hint=_("open it without read_only, in a folder that can be written"),
            )
        with self._writing, self._explained(), self._transaction(self._writer, "BEGIN IMMEDIATE"):
            yield
            if self._here.depth == 1 and visible:
                self.run("UPDATE meta SET value = value + 1 WHERE key = 'generation'")

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Reads inside see one state of the file; inside `write`, what is being written."""
        with self._readers.shared or nullcontext(), self._explained(), self._reading():
            yield

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._transaction(self._inside or self._readers.connection(), "BEGIN"):
            yield

    @property
    def _inside(self) -> sqlite3.Connection | None:
        """The connection of the transaction that this thread is in."""
        return getattr(self._here, "connection", None)

    @property
    def _changing(self) -> sqlite3.Connection:
        """The connection that writes."""
        if self._writer is None:
            raise sqlite3.ProgrammingError("the file was opened to be read only")
        return self._writer

    @contextmanager
    def _transaction(self, connection: sqlite3.Connection, begin: str) -> Iterator[None]:
        outer = self._inside
        if outer is None:
            if connection.in_transaction:  # Ctrl-C in a notebook fell between BEGIN and its end
                connection.execute("ROLLBACK")
            connection.execute(begin)
            self._here.connection, self._here.depth = connection, 0
        elif outer is not connection:
            raise sqlite3.ProgrammingError("nothing can be written inside a snapshot")
        self._here.depth += 1
        try:
            yield
        except BaseException:
            if outer is None and connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        else:
            if outer is None:
                _commit(connection)
        finally:
            self._here.depth -= 1
            if outer is None:
                self._here.connection = None

    def checkpoint(self) -> int:
        """Bring every commit so far safely to the disk and empty the WAL.

        Returns the bytes that a reader kept in it: 0 unless one has stayed inside a snapshot for 30 s.
        """
        with self._writing, self._explained():
            self._changing.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        wal = self.path.with_name(self.path.name + "-wal")
        return wal.stat().st_size if wal.exists() else 0

    def generation(self) -> int:
        """Number of the last commit."""
        return int(self.read("SELECT value FROM meta WHERE key = 'generation'")[0][0])

    def problems(self) -> list[str]:
        """What SQLite's own check finds wrong; empty where the file is sound."""
        try:
            rows = self.read("PRAGMA quick_check(20)")
        except WorkspaceDamaged as error:
            return [error.message]
        return [str(row[0]) for row in rows if row[0] != "ok"]

    def close(self) -> None:
        """Close every connection."""
        with self._writing:
            self.closed = True
            self._readers.close()
            if self._writer is not None:
                self._writer.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.ProgrammingError:
            raise  # a closed catalogue or a wrong statement: our mistake, not the file's
        except sqlite3.Error as error:
            raise self._error(error) from error

    def _error(self, error: sqlite3.Error) -> QragError:
        folder, code = self.path.parent, getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _no_room(folder)):
            return DiskFull(
                _("no room on the disk of {folder} ({free} MiB free)").format(
                    folder=folder, free=shutil.disk_usage(folder).free >> 20
                ),
                hint=_("free space and run it again: what is done is kept, the rest goes on from there"),
            )
        shut = code == sqlite3.SQLITE_CANTOPEN and not os.access(folder, os.W_OK)  # no room for the WAL's index
        if shut or code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
            return WorkspaceReadOnly(
                _("{folder} cannot be written").format(folder=folder),
                hint=_("it can be searched; to add documents, give yourself the right to write there"),
            )
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return WorkspaceBusy(
                _("another program holds {file}").format(file=self.path), hint=_("try again in a moment")
            )
        return WorkspaceDamaged(
            _("{file} cannot be read as a catalogue: {error}").format(file=self.path, error=error),
            hint=_("put a copy of it back, or move it away and ingest again; the documents themselves are not touched"),
        )


def _commit(connection: sqlite3.Connection) -> None:
    try:
        connection.execute("COMMIT")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _no_room(folder: Path) -> bool:
    return shutil.disk_usage(folder).free < 1 << 20
