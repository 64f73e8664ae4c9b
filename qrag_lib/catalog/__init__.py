"""The one truth: documents, text, chunks, vectors and index terms in one SQLite file.

Each table has a class of its own; `Catalog` holds them over one database.

::

    database          the file: transactions, and what its failures mean
    connections       one that writes, and one for each thread that reads
    migrations        the schema, as numbered steps
    stored_documents  documents and their text
    chunks            passages and their index terms
    vectors           vectors by text and model, so that nothing is embedded twice
    indexes           what made an index, and which one answers
    filters           conditions on metadata as SQL
    comparisons       how their values are compared
    digest            what a catalogue holds, as one number

A new table gets a class beside these and a step of its own in `migrations`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qrag_lib.catalog.chunks import Chunks
from qrag_lib.catalog.database import Database
from qrag_lib.catalog.digest import digest
from qrag_lib.catalog.indexes import Index, Indexes
from qrag_lib.catalog.stored_documents import Documents, StoredDocument
from qrag_lib.catalog.vectors import Vectors
from qrag_lib.errors import DiskFull, WorkspaceReadOnly

__all__ = ["FILE", "Catalog", "Index", "StoredDocument"]

FILE = "catalog.db"  # in the folder of a workspace


class Catalog:
    """A workspace's catalogue, open. One process writes at a time (`ingest.writer_lock`), any number read.

    read_only: never writes, works in a folder that cannot be written.
    Raises WorkspaceDamaged where the file is not a catalogue or cannot be read.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.database = Database(path, read_only=read_only)
        self.documents = Documents(self.database)
        self.chunks = Chunks(self.database)
        self.vectors = Vectors(self.database)
        self.indexes = Indexes(self.database)

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> Catalog:
        """Open to write where that is possible, else to read."""
        if read_only:
            return cls(path, read_only=True)
        try:
            return cls(path)
        except (WorkspaceReadOnly, DiskFull):  # a WAL needs some room too, were it only to read
            if not path.exists():
                raise
            return cls(path, read_only=True)

    def generation(self) -> int:
        """Number of the last commit, by whichever process."""
        return self.database.generation()

    def digest(self) -> str:
        """What it holds as one number: the same for the same documents, however they came in."""
        return digest(self.database)

    @contextmanager
    def write(self, *, visible: bool = True) -> Iterator[None]:
        """One transaction: all of it is seen, or nothing. visible: readers have to look again."""
        with self.database.write(visible=visible):
            yield

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Reads inside see one generation, whatever others commit meanwhile."""
        with self.database.snapshot():
            yield

    def owe(self, purge: bool) -> None:
        """Note, inside `write`, that bytes of what was forgotten are still to be purged; or that they are gone."""
        self.database.run("INSERT OR REPLACE INTO meta VALUES ('purge', ?)", (int(purge),))

    def owes_purge(self) -> bool:
        """Whether a `forget` was stopped before it had purged every byte."""
        return bool(self.database.read("SELECT 1 FROM meta WHERE key = 'purge' AND value = 1"))

    def close(self) -> None:
        """Close the file; a closed catalogue cannot be used again."""
        self.database.close()
