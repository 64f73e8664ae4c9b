"""Asking a workspace: which passages are read for a question, and who answers from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from qrag_lib.answer.citing import placed
from qrag_lib.answer.quoted.quotes import ask
from qrag_lib.answer.requests import answer_request
from qrag_lib.answer.written.llm_adapters import Writers
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
        question: str,
        k: int | None,
        filters: Filters,
        threshold: float | None,
        llm: object = None,
        on_text: OnText | None = None,
    ) -> Answer:
        """See `Workspace.ask`."""
        if llm is None or llm == EXTRACTIVE:
            return answer_request(self._quoted(question, k, filters, threshold))
        from qrag_lib.answer.streaming_display import shown
        from qrag_lib.answer.written.generated import generate

        self.writers.check(llm)
        hits, documents = self._read(question, k, filters)
        embedding = self._embedding()
        # a model may write for minutes: nobody waits for it to read or write the catalogue
        with nullcontext(on_text) if on_text else shown() as tell:
            answer = generate(
                question,
                hits,
                partial(_text, documents),
                embedding,
                partial(self.writers.of, llm),
                self.reader(embedding),
                top_k=k or self.top_k,
                threshold=threshold,
                on_text=tell,
            )
        return placed(self._explained(answer, llm), documents.__getitem__)

    def ask_together(
        self, questions: Sequence[str], k: int | None, filters: Filters, threshold: float | None, llm: object
    ) -> list[Answer]:
        """See `Workspace.ask_many`."""
        from qrag_lib.answer.written.batch_answers import Case, generate_together

        if llm is None or llm == EXTRACTIVE:
            return [answer_request(self._quoted(question, k, filters, threshold)) for question in questions]
        self.writers.check(llm)
        embedding = self._embedding()
        reader = self.reader(embedding)
        read = [self._read(question, k, filters) for question in questions]
        cases = []
        for question, (hits, documents) in zip(questions, read, strict=True):
            texts = partial(_text, documents)
            cases.append(Case(ask(question, hits, texts, embedding, reader, threshold=threshold), hits, texts))
        # the writer comes after the embedder has worked: both may not fit in memory at once
        answers = generate_together(cases, partial(self.writers.of, llm), embedding, top_k=k or self.top_k)
        return [
            placed(self._explained(answer, llm), documents.__getitem__)
            for answer, (_hits, documents) in zip(answers, read, strict=True)
        ]

    def _quoted(self, question: str, k: int | None, filters: Filters, threshold: float | None) -> Answer:
        with self.catalog.snapshot():  # a document that is forgotten meanwhile is still there for this answer
            hits = self.search(question, self._n_read(k), filters)
            texts = self.catalog.documents.text
            embedding = self._embedding()
            answer = ask(question, hits, texts, embedding, self.reader(embedding), threshold=threshold)
            return placed(answer, self.catalog.documents.load)

    def _explained(self, answer: Answer, llm: object) -> Answer:
        """The answer, with the reason in its note where `auto:` came to no model."""
        reason = self.writers.reason(llm)
        if not reason or answer.writing or answer.failure or answer.generator != QUOTES:
            return answer
        answer = answer_request(answer)
        return replace(answer, note=f"{answer.note} {_('No model writes: {reason}.').format(reason=reason)}".strip())

    def _read(self, question: str, k: int | None, filters: Filters) -> tuple[Hits, dict[str, Document]]:
        """The hits of a question and the documents they are of, as they are now."""
        with self.catalog.snapshot():
            hits = self.search(question, self._n_read(k), filters)
            return hits, {h.chunk.document_id: self.catalog.documents.load(h.chunk.document_id) for h in hits}

    def _n_read(self, k: int | None) -> int:
        return max(self.top_k, READ) if k is None else k

    def _embedding(self) -> Embedder | None:
        index = self.catalog.indexes.active()
        return self.embedders.of(index) if index else None


def _text(documents: Mapping[str, Document], document_id: str) -> str:
    return documents[document_id].text
