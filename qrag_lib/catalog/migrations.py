"""The schema of the catalogue, as the numbered steps that make it out of nothing or out of an older one."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator, Mapping
from typing import Final

from qrag_lib import __version__
from qrag_lib.errors import WorkspaceDamaged
from qrag_lib.i18n import _

FIRST: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (
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
CREATE INDEX documents_source ON documents (source);
CREATE TABLE texts (
    document_id TEXT PRIMARY KEY REFERENCES documents ON DELETE CASCADE,
    sections TEXT NOT NULL,
    text TEXT NOT NULL
);
CREATE TABLE indexes (
    id TEXT PRIMARY KEY,
    config TEXT NOT NULL,
    active INTEGER NOT NULL DEFAULT 0,
    fit TEXT,
    published TEXT NOT NULL DEFAULT '',      -- folder of the vector index built from it
    published_seq INTEGER NOT NULL DEFAULT 0 -- vectors up to here are in that folder
);
CREATE TABLE indexed (
    index_id TEXT REFERENCES indexes ON DELETE CASCADE,
    document_id TEXT REFERENCES documents ON DELETE CASCADE,
    content TEXT NOT NULL,
    PRIMARY KEY (index_id, document_id)
) WITHOUT ROWID;
CREATE TABLE chunks (
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
CREATE UNIQUE INDEX chunks_place ON chunks (index_id, document_id, ordinal);
CREATE INDEX chunks_document ON chunks (document_id);
CREATE INDEX chunks_text ON chunks (index_id, text_hash);
CREATE TABLE vectors (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    model_id TEXT NOT NULL,
    text_hash TEXT NOT NULL,
    vector BLOB NOT NULL,                    -- float16, little endian, unit length
    UNIQUE (model_id, text_hash)
);
"""
JOBS: Final = """
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    verb TEXT NOT NULL,
    arguments TEXT NOT NULL,                 -- JSON
    who TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL,                     -- queued, running, done, failed, cancelled
    stages TEXT NOT NULL DEFAULT '{}',       -- JSON: what each has done
    error TEXT NOT NULL DEFAULT '',
    process TEXT NOT NULL DEFAULT '',        -- host, process id and its start, to tell that it is gone
    cancel INTEGER NOT NULL DEFAULT 0,       -- 1: somebody asks it to end
    created REAL NOT NULL,
    beat REAL NOT NULL,                      -- when it last told of itself
    ended REAL
);
CREATE INDEX jobs_created ON jobs (created);
"""
MIGRATIONS: Final[Mapping[int, str]] = {1: FIRST, 2: JOBS}
VERSION: Final = max(MIGRATIONS)


def version_of(connection: sqlite3.Connection) -> int:
    """The version of a catalogue, 0 for an empty file. Raises WorkspaceDamaged for one that is newer than this code."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
        return 0
    told = dict(connection.execute("SELECT key, value FROM meta WHERE key IN ('schema', 'written_by')"))
    version = int(told.get("schema", 0))
    if version > VERSION:
        writer = told.get("written_by") or _("a later version")
        raise WorkspaceDamaged(
            _("the catalogue is of version {found}; this Q-RAG ({mine}) knows version {known}").format(
                found=version, mine=__version__, known=VERSION
            ),
            hint=_("Q-RAG {version} wrote it and reads it: install that, or a later one").format(version=writer),
        )
    return version


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a catalogue up to VERSION, in one transaction; of two processes that try, the second finds it done."""
    if version_of(connection) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for number in range(version_of(connection) + 1, VERSION + 1):
            for statement in _statements(MIGRATIONS[number]):
                connection.execute(statement)
        for key, value in (("generation", 0), ("uuid", uuid.uuid4().hex)):
            connection.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (key, value))
        for key, value in (("schema", VERSION), ("written_by", __version__)):
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _statements(script: str) -> Iterator[str]:
    """The statements of a script; sqlite3's own executescript would commit before it begins."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
