"""A file read by a LlamaIndex reader of the user's, in the place of ours."""

from __future__ import annotations

import os
from pathlib import Path

from llama_index.core.readers.base import BaseReader
from llama_index.core.schema import MetadataMode

from qrag_lib.documents.records import plain_metadata
from qrag_lib.documents.text.draft import Draft, Extract
from qrag_lib.errors import DocumentRefused
from qrag_lib.i18n import _


def extract_with(reader: BaseReader, path: str | os.PathLike[str]) -> Extract:
    """What a reader of the user's finds; each of its documents with a page label is a page."""
    try:
        parts = reader.load_data(Path(path))
    except DocumentRefused:
        raise
    except Exception as error:  # somebody else's code: any error refuses the file, not the batch
        message = _("{reader} failed: {error}").format(reader=type(reader).__name__, error=error)
        raise DocumentRefused("broken", message) from error
    draft = Draft()
    for part in parts:
        if label := str(part.metadata.get("page_label") or ""):
            draft.begin("page", label)
        draft.add(part.get_content(metadata_mode=MetadataMode.NONE))
        draft.metadata.update({k: v for k, v in plain_metadata(part.metadata).items() if k != "page_label"})
    return draft.finish("text/plain")
