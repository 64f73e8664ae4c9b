"""What a catalogue holds, as one number: two catalogues with the same one answer alike."""

from __future__ import annotations

import hashlib

from qrag_lib.catalog.chunks import terms_table
from qrag_lib.catalog.database import Database

# Without row numbers, generations, versions and stamps: they tell how it came about, not what it is.
CONTENTS = (
    "SELECT id, name, source, path, media_type, language, metadata, n_pages, n_characters, content, reason, message,"
    " hint FROM documents ORDER BY id",
    "SELECT document_id, sections, text FROM texts ORDER BY document_id",
    "SELECT id, config, active FROM indexes ORDER BY id",
    "SELECT index_id, document_id, content FROM indexed ORDER BY index_id, document_id",
    'SELECT index_id, document_id, ordinal, text_hash, start, "end", page, language, headings, text FROM chunks'
    " ORDER BY index_id, document_id, ordinal",
    "SELECT model_id, text_hash, vector FROM vectors ORDER BY model_id, text_hash",
)


def digest(database: Database) -> str:
    """32 hexadecimal digits over documents, texts, chunks, terms and vectors, the latter byte for byte."""
    hashed = hashlib.sha256()
    with database.snapshot():
        indexes = [index_id for (index_id,) in database.read("SELECT id FROM indexes ORDER BY id")]
        for sql in (*CONTENTS, *map(_terms, indexes)):
            for row in database.read(sql):
                hashed.update(repr(row).encode())
    return hashed.hexdigest()[:32]


def _terms(index_id: str) -> str:
    return (
        f"SELECT c.document_id, c.ordinal, t.terms FROM {terms_table(index_id)} t JOIN chunks c ON c.row = t.rowid"
        " ORDER BY c.document_id, c.ordinal"
    )
