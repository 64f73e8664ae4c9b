"""The reader of a workspace: loaded when the first question needs it, where the embedder is, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_models.clients.memory_pressure import is_short
from local_models.reading.span_weights import FILE
from qrag_lib.settings import Settings

if TYPE_CHECKING:
    from local_models.embedding.embedder import Embedder
    from local_models.reading.span_reader import SpanReader


def reader_of(settings: Settings, embedding: Embedder | None = None) -> SpanReader | None:
    """The reader that the settings ask for; None where they want none, where memory is short, or without its weights.

    embedding: where that is hosted by a worker, the reader is hosted there too.
    Raises ModelError where the weights are not those that were trained.
    """
    if settings.reader == "none" or not FILE.is_file() or is_short():
        return None
    from local_models.reading.span_reader import load_reader
    from local_models.worker.hosted_embedder import HostedEmbedding

    return embedding if isinstance(embedding, HostedEmbedding) else load_reader()
