"""The edge to LlamaIndex: our reader serves its programs, its readers serve ours.

Ours are used because its own (llama-index-readers-file 0.7) lose what counts here: they skip broken
and encrypted files without a word, drop the letters of Latin-1 files, keep scripts in HTML and lose the
header of a table; importing them takes 2.6 s. Underneath are the same parsers: pypdf, openpyxl, striprtf.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llama_index.core.readers.base import BaseReader
from llama_index.core.schema import Document as LlamaDocument

from qrag_lib.documents.limits import Limits
from qrag_lib.documents.reader import Reader
from qrag_lib.types import Document


class QragReader(BaseReader):
    """Our reader as a LlamaIndex reader: one document a file, refused aloud.

    A SimpleDirectoryReader takes it as `file_extractor={".pdf": QragReader()}`.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._reader = Reader(limits)

    def load_data(
        self, file: str | Path, extra_info: dict[str, Any] | None = None, **_kwargs: Any
    ) -> list[LlamaDocument]:
        """The document in a file; its sections are kept under the metadata key `sections`.

        Raises DocumentRefused.
        """
        return [to_llama_index(self._reader.read(file), extra_info)]


def to_llama_index(document: Document, extra_info: dict[str, Any] | None = None) -> LlamaDocument:
    """The document for a LlamaIndex program; bookkeeping stays out of what is embedded."""
    sections = [(s.kind, s.label, s.start, s.end, s.level) for s in document.sections]
    metadata = {
        **document.metadata,
        "file_name": document.name,
        "media_type": document.media_type,
        **(extra_info or {}),
    }
    unread = [*metadata, "sections"]
    return LlamaDocument(
        id_=document.id,
        text=document.text,
        metadata={**metadata, "sections": sections},
        excluded_embed_metadata_keys=unread,
        excluded_llm_metadata_keys=unread,
    )
