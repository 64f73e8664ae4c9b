"""A question set run against a search and an answerer.

Honest counting: a question that fails counts as 0 and is listed; none is dropped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from qrag_lib.evaluation import metrics
from qrag_lib.evaluation.question_sets import Question, QuestionSet
from qrag_lib.evaluation.reports import DEPTH, Comparison, EvaluationReport, Row, compare, load_report
from qrag_lib.types import Answer, Hit, Hits

__all__ = ["Comparison", "EvaluationReport", "Row", "compare", "evaluate", "load_report", "ranked_documents"]

T = TypeVar("T")
Search = Callable[[str], Hits]
Ask = Callable[[str], Answer]

KEPT_DOCUMENTS = 20  # a question's documents that a report keeps


def evaluate(
    questions: QuestionSet,
    search: Search,
    ask: Ask | None = None,
    ks: Sequence[int] = (1, 3, 5, 10),
    on_progress: Callable[[int], None] | None = None,
) -> EvaluationReport:
    """Run every question and count.

    search: gives chunks, best first; they are collapsed to documents by their best rank, so it should
    give several times as many as the largest of ks. Relevant is a document whose id or name the
    question names. ask: without it nothing is said of answers. on_progress: called with the number done.
    """
    rows: list[Row] = []
    for question in questions:
        rows.append(_row(question, search, ask, ks))
        if on_progress:
            on_progress(len(rows))
    return EvaluationReport(questions.name, questions.fingerprint, tuple(rows))


def ranked_documents(hits: Iterable[Hit], relevant: Iterable[str] = ()) -> list[str]:
    """Distinct documents of the chunks, best first; each by its name where `relevant` has the name, else by its id.

    A chunk that stands for others with the same text brings their documents along.
    """
    names, ranked = set(relevant), dict[str, None]()
    for hit in hits:
        chunk = hit.chunk
        ranked[chunk.document_name if chunk.document_name in names else chunk.document_id] = None
        ranked.update((id.rpartition("#")[0], None) for id in hit.duplicates)
    return list(ranked)


def _row(question: Question, search: Search, ask: Ask | None, ks: Sequence[int]) -> Row:
    found = _run(lambda text: ranked_documents(search(text), question.relevant), question.text)
    said = _run(ask, question.text) if ask else None
    ranked = found.value or []
    outcomes = [("search", found)] + ([("ask", said)] if said else [])
    return Row(
        id=question.id,
        text=question.text,
        scores=_ranking_scores(question, ranked, ks) | (_answer_scores(question, said.value) if said else {}),
        documents=tuple(ranked[:KEPT_DOCUMENTS]),
        answer=_words(said.value) if said else "",
        answerable=question.answerable,
        refused=_refused(said.value) if said else None,
        failure="; ".join(f"{stage}: {outcome.failure}" for stage, outcome in outcomes if outcome.failure),
        seconds={stage: outcome.seconds for stage, outcome in outcomes},
    )


@dataclass(frozen=True, slots=True)
class _Outcome(Generic[T]):
    value: T | None
    seconds: float
    failure: str = ""


def _run(call: Callable[[str], T], text: str) -> _Outcome[T]:
    """What came of the call. Any error is the question's failure: the others are still to be counted."""
    started = time.perf_counter()
    try:
        return _Outcome(call(text), time.perf_counter() - started)
    except Exception as error:
        return _Outcome(None, time.perf_counter() - started, f"{type(error).__name__}: {error}")


def _ranking_scores(question: Question, ranked: Sequence[str], ks: Sequence[int]) -> dict[str, float]:
    """Nothing for a question that names no relevant document."""
    grades = question.relevant
    if not any(grade > 0 for grade in grades.values()):
        return {}
    recalls = {f"recall@{k}": metrics.recall_at(ranked, grades, k) for k in ks}
    mrr, ndcg = metrics.mrr_at(ranked, grades, DEPTH), metrics.ndcg_at(ranked, grades, DEPTH)
    return {**recalls, f"mrr@{DEPTH}": mrr, f"ndcg@{DEPTH}": ndcg}


def _answer_scores(question: Question, answer: Answer | None) -> dict[str, float]:
    """Words are compared where there is a gold answer, quotes counted where something was said (or failed)."""
    scores: dict[str, float] = {}
    if question.answerable:
        scores["answered"] = float(answer is not None and not answer.refused)
    if question.answerable and question.answers:
        said, golds, language = _words(answer), question.answers, _language(question)
        scores["exact_match"] = metrics.exact_match(said, golds, language)
        scores["token_f1"] = metrics.token_f1(said, golds, language)
        scores["gold_in_answer"] = metrics.holds_answer(said, golds, language)
        scores["gold_in_first_quote"] = metrics.holds_answer(_first_quote(answer), golds, language)
    if answer is None or not answer.refused:
        scores["quote_support"] = metrics.quote_support(answer) if answer else 0.0
    return scores


def _refused(answer: Answer | None) -> bool:
    return answer is not None and answer.refused


def _words(answer: Answer | None) -> str:
    """What was answered, without the numbers of the citations; nothing where it was refused."""
    return " ".join(sentence.text for sentence in answer.sentences) if answer and not answer.refused else ""


def _first_quote(answer: Answer | None) -> str:
    if not answer or answer.refused or not answer.citations:
        return ""
    return min(answer.citations, key=lambda citation: citation.number).quote


def _language(question: Question) -> str:
    from qrag_lib.language import detect

    return question.language if question.language != "und" else detect(question.text)
