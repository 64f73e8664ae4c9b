"""The catalogue's SQLite file: opening, transactions, and what its failures mean."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from qrag_lib.catalog.comparisons import meets_json
from qrag_lib.errors import DiskFull, QragError, WorkspaceBusy, WorkspaceDamaged, WorkspaceReadOnly
from qrag_lib.i18n import _

SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS documents (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    source TEXT NOT NULL,
    path TEXT,
    media_type TEXT NOT NULL DEFAULT '',
    language TEXT NOT NULL DEFAULT 'und',
    metadata TEXT NOT NULL DEFAULT '{}',
    n_pages INTEGER NOT NULL DEFAULT 0,
    n_characters INTEGER NOT NULL DEFAULT 0,
    version INTEGER NOT NULL DEFAULT 0,      -- 0: never read with success
    content TEXT NOT NULL DEFAULT '',        -- hash of text, sections and metadata
    stamp TEXT NOT NULL DEFAULT '',          -- of the file, to tell that it is unchanged
    reason TEXT NOT NULL DEFAULT '',         -- of the last refusal; '' where the last read went well
    message TEXT NOT NULL DEFAULT '',
    hint TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS documents_source ON documents (source);
CREATE TABLE IF NOT EXISTS texts (
    document_id TEXT PRIMARY KEY REFERENCES documents ON DELETE CASCADE,
    sections TEXT NOT NULL,
    text TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS indexes (
    id TEXT PRIMARY KEY,
    config TEXT NOT NULL,
    active INTEGER NOT NULL DEFAULT 0,
    fit TEXT,
    published TEXT NOT NULL DEFAULT '',      -- folder of the vector index built from it
    published_seq INTEGER NOT NULL DEFAULT 0 -- vectors up to here are in that folder
);
CREATE TABLE IF NOT EXISTS indexed (
    index_id TEXT REFERENCES indexes ON DELETE CASCADE,
    document_id TEXT REFERENCES documents ON DELETE CASCADE,
    content TEXT NOT NULL,
    PRIMARY KEY (index_id, document_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS chunks (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    index_id TEXT NOT NULL REFERENCES indexes ON DELETE CASCADE,
    document_id TEXT NOT NULL REFERENCES documents ON DELETE CASCADE,
    ordinal INTEGER NOT NULL,
    text_hash TEXT NOT NULL,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    page TEXT,
    language TEXT NOT NULL,
    headings TEXT NOT NULL,
    text TEXT NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS chunks_place ON chunks (index_id, document_id, ordinal);
CREATE INDEX IF NOT EXISTS chunks_document ON chunks (document_id);
CREATE INDEX IF NOT EXISTS chunks_text ON chunks (index_id, text_hash);
CREATE TABLE IF NOT EXISTS vectors (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    model_id TEXT NOT NULL,
    text_hash TEXT NOT NULL,
    vector BLOB NOT NULL,                    -- float16, little endian, unit length
    UNIQUE (model_id, text_hash)
);
"""


class Database:
    """One connection, shared by the threads of this process.

    Durable without a sync for each commit: WAL with synchronous=NORMAL survives a kill at any
    point; `checkpoint` syncs, and is called before anything is reported as done.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self.read_only = read_only
        self.closed = False
        self._lock = threading.RLock()
        self._depth = 0
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        self._frozen: tuple[object, ...] | None = None  # the files as they were, where SQLite does not follow them
        with self._explained():
            self._connection = self._connect_read_only() if read_only else self._connect()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("PRAGMA secure_delete=ON")  # what is forgotten leaves no bytes behind
            connection.execute("PRAGMA cache_size=-32000")
            connection.create_function("meets", 2, meets_json, deterministic=True)
            if _schema_version(connection) != SCHEMA_VERSION:
                connection.executescript(f"BEGIN IMMEDIATE;{SCHEMA}{_first_rows()}COMMIT;")
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect_read_only(self) -> sqlite3.Connection:
        """Beside the WAL where SQLite can; else as it is on the disk; else over a copy of both."""
        self._frozen = None
        with suppress(sqlite3.OperationalError):
            return _open_uri(self.path, "mode=ro")
        self._frozen = self._files()
        wal = self._wal
        if not wal.exists() or not wal.stat().st_size:
            return _open_uri(self.path, "immutable=1")
        self._copy = tempfile.TemporaryDirectory(prefix="qrag-")
        copy = Path(self._copy.name) / self.path.name
        shutil.copyfile(self.path, copy)
        shutil.copyfile(wal, copy.with_name(wal.name))
        return _open_uri(copy, "mode=rw")

    @property
    def _wal(self) -> Path:
        return self.path.with_name(self.path.name + "-wal")

    def _files(self) -> tuple[object, ...]:
        """What changes when another process writes."""
        states = [file.stat() if file.exists() else None for file in (self.path, self._wal)]
        return tuple(state and (state.st_ino, state.st_size, state.st_mtime_ns) for state in states)

    def _follow(self) -> None:
        """Open the files anew where SQLite took them for unchanging and somebody has changed them."""
        if self._frozen is not None and self._depth == 0 and self._frozen != self._files():
            self._release()
            self._connection = self._connect_read_only()

    def _release(self) -> None:
        self._connection.close()
        if self._copy is not None:
            self._copy.cleanup()
            self._copy = None

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of one query."""
        with self._lock, self._explained():
            self._follow()
            return self._connection.execute(sql, parameters).fetchall()

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run one statement inside `write`; returns the number of rows it changed."""
        with self._explained():
            return self._connection.execute(sql, parameters).rowcount

    def run_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run one statement over many rows inside `write`."""
        with self._explained():
            self._connection.executemany(sql, rows)

    def insert(self, sql: str, parameters: Sequence[Any]) -> int:
        """Insert one row inside `write`; returns its row id."""
        with self._explained():
            return int(self._connection.execute(sql, parameters).lastrowid or 0)

    @contextmanager
    def write(self, *, visible: bool = True) -> Iterator[None]:
        """One transaction, and one generation where readers can see the change; an inner one joins the outer."""
        if self.read_only:
            raise WorkspaceReadOnly(
                _("{path} was opened to be read only").format(path=self.path.parent),
                hint=_("open it without read_only, in a folder that can be written"),
            )
        with self._transaction("BEGIN IMMEDIATE"):
            yield
            if self._depth == 1 and visible:
                self.run("UPDATE meta SET value = value + 1 WHERE key = 'generation'")

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Reads inside see one state of the file."""
        with self._transaction("BEGIN"):
            yield

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        with self._lock, self._explained():
            if self._depth == 0:
                self._follow()
                if self._connection.in_transaction:  # Ctrl-C in a notebook fell between BEGIN and its end
                    self._connection.execute("ROLLBACK")
                self._connection.execute(begin)
            self._depth += 1
            try:
                yield
            except BaseException:
                if self._depth == 1 and self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            else:
                if self._depth == 1:
                    self._commit()
            finally:
                self._depth -= 1

    def _commit(self) -> None:
        try:
            self._connection.execute("COMMIT")
        except sqlite3.Error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def checkpoint(self) -> int:
        """Bring every commit so far safely to the disk and empty the WAL.

        Returns the bytes that a reader kept in it: 0 unless one has stayed inside a snapshot for 30 s.
        """
        with self._lock, self._explained():
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return self._wal.stat().st_size if self._wal.exists() else 0

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
        """Close the connection."""
        with self._lock:
            self.closed = True
            self._release()

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


def _schema_version(connection: sqlite3.Connection) -> int:
    """0 for an empty file; raises WorkspaceDamaged for a file of a later version."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
        return 0
    row = connection.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
    version = int(row[0]) if row else 0
    if version > SCHEMA_VERSION:
        raise WorkspaceDamaged(
            _("the catalogue is of version {found}; this Q-RAG knows version {known}").format(
                found=version, known=SCHEMA_VERSION
            ),
            hint=_("install the newer Q-RAG that wrote it"),
        )
    return version


def _first_rows() -> str:
    rows = {"schema": str(SCHEMA_VERSION), "generation": "0", "uuid": f"'{uuid.uuid4().hex}'"}
    return "".join(f"INSERT OR IGNORE INTO meta VALUES ('{key}', {value});" for key, value in rows.items())


def _open_uri(path: Path, options: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?{options}"
    connection = sqlite3.connect(uri, uri=True, timeout=30, isolation_level=None, check_same_thread=False)
    try:
        connection.create_function("meets", 2, meets_json, deterministic=True)
        if _schema_version(connection) == 0:
            raise WorkspaceDamaged(
                _("{file} holds no catalogue yet").format(file=path), hint=_("open it once where it can be written")
            )
    except BaseException:
        connection.close()
        raise
    return connection


def _no_room(folder: Path) -> bool:
    return shutil.disk_usage(folder).free < 1 << 20
