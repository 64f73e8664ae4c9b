"""One question through quotes, draft and check, without a workspace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qrag_lib.answer.quoted.quotes import quote
from qrag_lib.answer.written.check_draft import check_draft
from qrag_lib.answer.written.drafts import write_drafts
from qrag_lib.answer.written.prompt import load_prompt
from qrag_lib.types import Answer, Hits


def generate(
    question: str,
    hits: Hits,
    texts: Callable[[str], str],
    embedding: Any,
    open_writer: Callable[[], Any],
    threshold: float | None = None,
    on_text: Callable[[str], None] | None = None,
) -> Answer:
    quoted = quote(question, hits, texts, embedding, threshold=threshold)
    if not hits or (threshold is not None and quoted.refused):
        return quoted
    (draft,) = write_drafts([(quoted, hits.hits)], open_writer, load_prompt(), on_text)
    return quoted if draft is None else check_draft(quoted, draft, hits, texts, embedding)
