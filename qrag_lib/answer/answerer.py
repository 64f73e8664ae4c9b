"""Asking a workspace, one question or many: searched, quoted, written, checked, cited."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from qrag_lib.answer.citations import complete_citations
from qrag_lib.answer.quoted.quotes import quote
from qrag_lib.answer.requests import answer_request
from qrag_lib.answer.written.check_draft import check_draft
from qrag_lib.answer.written.drafts import write_drafts
from qrag_lib.answer.written.llm_adapters import Writers
from qrag_lib.answer.written.prompt import Prompt, load_prompt
from qrag_lib.catalog import Catalog
from qrag_lib.i18n import _
from qrag_lib.search.embedders import Embedders
from qrag_lib.settings import EXTRACTIVE
from qrag_lib.types import Answer, Document, Filter, Hits

if TYPE_CHECKING:
    from local_models.embedding.embedder import Embedder
    from local_models.reading.span_reader import SpanReader
    from qrag_lib.answer.streaming_display import OnText

QUOTES: Final = "extractive"  # who writes then
READ: Final = 10  # passages that an answer is taken from; measured in experiments/answers

Filters = Mapping[str, Any] | Sequence[Filter] | None
Search = Callable[[str, int, Filters], Hits]


@dataclass(frozen=True)
class Found:
    """What was found for a question, and the documents of it as they were then, in which index and generation."""

    hits: Hits
    documents: Mapping[str, Document]
    index: str
    generation: int

    def text(self, document_id: str) -> str:
        """The text of a document that was found."""
        return self.documents[document_id].text


@dataclass(frozen=True)
class Answerer:
    """Answers over one catalogue.

    search: (question, k, filters) -> Hits. reader: gives what reads the passages, or None. top_k: passages
    that a prompt holds.
    """

    catalog: Catalog
    search: Search
    embedders: Embedders
    writers: Writers
    reader: Callable[[Embedder | None], SpanReader | None]
    top_k: int

    def ask(
        self,
        questions: Sequence[str],
        k: int | None,
        filters: Filters,
        threshold: float | None,
        llm: object = None,
        on_text: OnText | None = None,
        prompt: Prompt | None = None,
    ) -> list[Answer]:
        """An answer a question, in their order; see `Workspace.ask` and `Workspace.ask_many`."""
        writes = llm is not None and llm != EXTRACTIVE
        if writes:
            self.writers.check(llm)
        found = [self._find(question, k, filters) for question in questions]
        answers = self._quote(questions, found, threshold)
        if writes:  # after the embedder has worked: both may not fit in memory at once
            answers = self._write(found, answers, k, threshold, llm, on_text, prompt or load_prompt())
        return [
            replace(
                complete_citations(self._explain(answer, llm if writes else None), each.documents.__getitem__),
                index=each.index,
                generation=each.generation,
            )
            for each, answer in zip(found, answers, strict=True)
        ]

    def _find(self, question: str, k: int | None, filters: Filters) -> Found:
        with self.catalog.snapshot():  # a document that is forgotten meanwhile is still there for this answer
            hits = self.search(question, max(self.top_k, READ) if k is None else k, filters)
            ids = {hit.chunk.document_id for hit in hits}
            documents = {id: self.catalog.documents.load(id) for id in ids}
            index = self.catalog.indexes.active()
            return Found(hits, documents, index.id if index else "", self.catalog.generation())

    def _quote(self, questions: Sequence[str], found: Sequence[Found], threshold: float | None) -> list[Answer]:
        embedding = self._embedding()
        reader = self.reader(embedding)
        return [
            quote(question, each.hits, each.text, embedding, reader, threshold=threshold)
            for question, each in zip(questions, found, strict=True)
        ]

    def _write(
        self,
        found: Sequence[Found],
        quoted: Sequence[Answer],
        k: int | None,
        threshold: float | None,
        llm: object,
        on_text: OnText | None,
        prompt: Prompt,
    ) -> list[Answer]:
        """What a model makes of the questions; the quotes, where it is not asked, or fails.

        It is not asked where nothing was found, or, where a threshold is given, where nothing is sure.
        """
        from qrag_lib.answer.streaming_display import shown

        asked = [i for i, each in enumerate(found) if each.hits and (threshold is None or not quoted[i].refused)]
        prompted = [(quoted[i], found[i].hits.hits[: k or self.top_k]) for i in asked]
        # a model may write for minutes: nobody waits for it to read or write the catalogue
        with shown() if on_text is None and len(found) == 1 else nullcontext(on_text) as tell:
            drafts = write_drafts(prompted, partial(self.writers.of, llm), prompt, tell) if asked else []
        answers, embedding = list(quoted), self._embedding()
        for i, draft in zip(asked, drafts, strict=True):
            if draft is not None:
                answer = check_draft(quoted[i], draft, found[i].hits, found[i].text, embedding)
                answers[i] = replace(answer, prompt=prompt.identity)
        return answers

    def _explain(self, answer: Answer, llm: object) -> Answer:
        """An answer of quotes alone is told what no quote can do, and why no model writes where one was to."""
        if llm is None:
            return answer_request(answer)
        reason = self.writers.reason(llm)
        if not reason or answer.writing or answer.failure or answer.generator != QUOTES:
            return answer
        answer = answer_request(answer)
        return replace(answer, note=f"{answer.note} {_('No model writes: {reason}.').format(reason=reason)}".strip())

    def _embedding(self) -> Embedder | None:
        index = self.catalog.indexes.active()
        return self.embedders.of(index) if index else None
