"""Answers made of sentences of the documents, word for word; no language model is needed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from local_models.embedding.embedder import Embedder
from local_models.reading.span_reader import SpanReader
from qrag_lib.answer.quoted import judgement
from qrag_lib.answer.quoted.confidence import THRESHOLD, confidence
from qrag_lib.answer.quoted.mismatch import is_of_another
from qrag_lib.answer.quoted.spans import UNREAD, Found
from qrag_lib.answer.quoted.spans import read as spans_of
from qrag_lib.answer.sentences import asked_provisions
from qrag_lib.answer.sentences.question_analysis import Question
from qrag_lib.answer.sentences.sentence_scoring import GAP, Array, Candidate, candidates, features, score
from qrag_lib.errors import QragError
from qrag_lib.i18n import _, ngettext
from qrag_lib.language import detect
from qrag_lib.language.cutting import is_row
from qrag_lib.search.fusion import is_foreign
from qrag_lib.types import Answer, Chunk, Citation, Hit, Hits, Outcome, Sentence

LONGEST_QUESTION: Final = 2_000  # characters
EMBEDDED: Final = 40  # sentences that the embedder reads for a question
READ: Final = 120  # word pieces of a sentence that the embedder reads
MARGIN: Final = 1.5  # how far below the best (log odds) a supporting sentence may score
JOINED: Final = 2.0  # how far below the best (log odds) a neighbour of it may score and be quoted with it
ALIKE: Final = 0.5  # share of common terms from which a sentence says nothing new
OPENED: Final = 3  # passages of the search that are shown where nothing is sure
OPENED_ACROSS: Final = 5  # the same, where some are in another language: of natural-train 41 of 70 hold it, not 34
NEAR: Final = 0.015  # confidence below which even the nearest passages are no answer
FAINT: Final = 0.03  # the same, of passages that have none of the question's words
CONTEXT: Final = 300  # characters on both sides of a passage that is opened, for whoever reads it
AROUND: Final = 600  # characters of the passage shown around a quote


@dataclass(frozen=True)
class Evidence:
    """The candidates with their scores (log odds), and how sure the best one makes an answer.

    spans: what a reader found in each of them; empty without one.
    """

    question: Question
    candidates: tuple[Candidate, ...]
    scores: Array
    confidence: float
    spans: tuple[Found, ...] = ()

    def answer_in(self, candidate: Candidate) -> tuple[int, int] | None:
        """The very words that answer, as a span in the document, where a reader has read the candidate."""
        return self.spans[self.candidates.index(candidate)].answer if self.spans else None

    def score_of(self, candidate: Candidate) -> float:
        """The candidate's score, log odds."""
        return float(self.scores[self.candidates.index(candidate)])

    def followed_by(self, others: Sequence[Candidate]) -> Evidence:
        """The same, with candidates that answer only when none of these does."""
        far = np.full(len(others), self.scores.min(initial=0.0) - judgement.FAR)
        unread = (Found(0.0, UNREAD, UNREAD),) * len(others) if self.spans else ()
        scores = np.concatenate([self.scores, far])
        return replace(self, candidates=(*self.candidates, *others), scores=scores, spans=self.spans + unread)

    @property
    def order(self) -> list[int]:
        """Positions of the candidates, best first."""
        return [int(i) for i in np.argsort(-self.scores, kind="stable")]


def quote(
    question: str,
    hits: Hits,
    texts: Callable[[str], str],
    embedding: Embedder | None = None,
    reader: SpanReader | None = None,
    *,
    max_sentences: int = 3,
    threshold: float | None = None,
) -> Answer:
    """The sentences of the hits that answer the question, best first, or the passages that come nearest.

    texts: the stored text of a document by its id. reader: reads the passages; without one sentences are
    compared by their words, and by meaning where there is an embedding. threshold: the confidence below
    which nothing is sure; the defaults were measured in experiments/reader and experiments/answers.
    A question that is empty or beyond 2,000 characters raises QragError.
    """
    started = time.perf_counter()
    asked = clean_question(question)
    language = hits.language if hits.language in ("pt", "en") else detect(asked)
    evidence = weigh(Question(asked, language), hits, texts, embedding, reader)
    default = THRESHOLD if reader is None else judgement.THRESHOLD
    sure = evidence.confidence >= (default if threshold is None else threshold)
    chosen = choose(evidence, max_sentences) if sure and evidence.candidates else []
    sentences, citations = _written(evidence, chosen, texts)
    outcome: Outcome = "sure"
    if not sentences:
        citations = open_passages(evidence, hits.hits, texts)
        outcome = "unsure" if citations and evidence.confidence >= _least(evidence) else "nothing"
    seconds = {**hits.seconds, "answer": time.perf_counter() - started}
    return Answer(
        question=asked,
        sentences=sentences,
        citations=citations,
        language=language,
        outcome=outcome,
        confidence=evidence.confidence,
        note=_written_by() if sentences else _refusal(evidence, outcome),
        seconds=seconds,
    )


def _least(evidence: Evidence) -> float:
    """The confidence from which passages are near."""
    asked = evidence.question.known
    return FAINT if all(asked.isdisjoint(each.stems) for each in evidence.candidates) else NEAR


def clean_question(question: str) -> str:
    """The question without control characters and superfluous space; refused where nothing can be asked with it."""
    asked = " ".join("".join(c if c.isprintable() else " " for c in question).split())
    if not asked:
        raise QragError(_("the question is empty"), hint=_("ask in words, for example: who wrote the report?"))
    if len(asked) > LONGEST_QUESTION:
        raise QragError(
            ngettext(
                "the question has {n} character; the limit is {limit}",
                "the question has {n} characters; the limit is {limit}",
                len(asked),
            ).format(n=len(asked), limit=LONGEST_QUESTION),
            hint=_("ask one thing, in a sentence; texts to be searched go in with ingest"),
        )
    return asked


def weigh(
    question: Question,
    hits: Hits,
    texts: Callable[[str], str],
    embedding: Embedder | None,
    reader: SpanReader | None = None,
) -> Evidence:
    """All sentences of the hits, scored; those of a provision that the question names before all others."""
    found = candidates(hits.hits, texts, question.language) if question.stems else []
    if not found:
        return Evidence(question, (), np.zeros(0), 0.0)
    asked = asked_provisions.asked_of(question.text, hits.hits, found, texts)
    if asked.itself:
        return Evidence(question, tuple(found), asked.scores(len(found)), asked_provisions.SURE)
    cosines = None if embedding is None or reader is not None else _cosines(question, found, embedding)
    rows = features(question, found, cosines)
    inside = list(asked.inside or range(len(found)))
    read = _read(question, hits, [found[i] for i in inside], rows[inside], texts, cosines is not None, reader)
    doubted = asked.elsewhere or is_of_another(question, read.candidates[read.order[0]])
    sure = min(read.confidence, asked_provisions.UNSURE) if doubted else read.confidence
    return replace(read, confidence=sure).followed_by([c for i, c in enumerate(found) if i not in inside])


def _read(
    question: Question,
    hits: Hits,
    found: Sequence[Candidate],
    rows: Array,
    texts: Callable[[str], str],
    semantic: bool,
    reader: SpanReader | None,
) -> Evidence:
    """The candidates, scored by their features, and by a reader where there is one."""
    scores = score(rows, semantic=semantic)
    words = confidence(question, found, rows, scores)
    if reader is None:
        return Evidence(question, tuple(found), scores, words)
    spans = spans_of(question.text, hits.hits, found, texts, reader)
    read = judgement.features(found, spans, scores)
    judged = judgement.score(read)
    sure = judgement.confidence(question, found, read, judged)
    if int(scores.argmax()) == int(judged.argmax()):  # two that know different things name one sentence
        sure = max(sure, words)
    return Evidence(question, tuple(found), judged, sure, tuple(spans))


def _cosines(question: Question, found: Sequence[Candidate], embedding: Embedder) -> Array:
    """Cosine of the question and each sentence; those with the fewest words in common get the lowest one."""
    first = np.argsort(-score(features(question, found), semantic=False), kind="stable")[:EMBEDDED]
    vectors = embedding.encode([_beginning(found[i].text, embedding) for i in first])
    asked = embedding.encode([question.text], kind="query")[0]
    near = (vectors @ asked).astype(np.float64)
    cosines = np.full(len(found), near.min())
    cosines[first] = near
    return cosines


def _beginning(text: str, embedding: Embedder) -> str:
    """The text, cut after READ word pieces."""
    spans = embedding.token_spans(text) if len(text) > READ else []
    return text[: spans[READ - 1][1]] if len(spans) > READ else text


def choose(evidence: Evidence, n: int) -> list[int]:
    """The best candidate and a neighbour of it that scores nearly as well, then others that say something else.

    n: candidates at most, beside the neighbour. JOINED is where, on squad1-pt-sample, a longer quote no
    longer pays for its length (experiments/answers).
    """
    best, *others = evidence.order
    near = [i for i in others if evidence.scores[i] >= evidence.scores[best] - JOINED and _touch(evidence, i, best)]
    chosen = [best, *near[:1]]
    for i in others:
        if len(chosen) >= n + len(near[:1]) or evidence.scores[i] < evidence.scores[best] - MARGIN:
            break
        if not _touch(evidence, i, best) and all(_adds(evidence.candidates[i], evidence.candidates[j]) for j in chosen):
            chosen.append(i)
    return chosen


def _touch(evidence: Evidence, i: int, j: int) -> bool:
    """Whether the candidates are neighbours in one text; a row of a table stands by itself."""
    one, other = evidence.candidates[i], evidence.candidates[j]
    if is_row(one.text) or is_row(other.text):
        return False
    return _leads_to(one, other) or _leads_to(other, one)


def _adds(candidate: Candidate, known: Candidate) -> bool:
    ours, theirs = set(candidate.stems), set(known.stems)
    return len(ours & theirs) < ALIKE * max(1, min(len(ours), len(theirs)))


def _leads_to(one: Candidate, other: Candidate) -> bool:
    """True where `other` is the very next sentence of the same document."""
    return one.document_id == other.document_id and 0 <= other.start - one.end <= GAP


def _groups(evidence: Evidence, chosen: Sequence[int]) -> Iterator[list[Candidate]]:
    """The chosen sentences, neighbours of a document together in reading order; the best sentence's group first."""
    left = [evidence.candidates[i] for i in chosen]
    while left:
        group = [left.pop(0)]
        while following := next((c for c in left if _leads_to(group[-1], c)), None):
            group.append(following)
            left.remove(following)
        while leading := next((c for c in left if _leads_to(c, group[0])), None):
            group.insert(0, leading)
            left.remove(leading)
        yield group


def _written(
    evidence: Evidence, chosen: Sequence[int], texts: Callable[[str], str]
) -> tuple[tuple[Sentence, ...], tuple[Citation, ...]]:
    """Sentences and their citations; a quote that does not stand in the document's text is left out."""
    sentences: list[Sentence] = []
    citations: list[Citation] = []
    for group in _groups(evidence, chosen):
        best = max(group, key=evidence.score_of)
        relative = float(np.exp(evidence.score_of(best) - evidence.scores.max()))
        citation = cite(group, len(citations) + 1, evidence.confidence * relative, texts)
        if citation is not None:
            citations.append(replace(citation, answer=evidence.answer_in(best)))
            sentences.append(Sentence(" ".join(citation.quote.split()), (citation.number,)))
    return tuple(sentences), tuple(citations)


def cite(group: Sequence[Candidate], number: int, score: float, texts: Callable[[str], str]) -> Citation | None:
    """Where the group stands; None where the document's text no longer has its sentences there."""
    first, last = group[0], group[-1]
    text = texts(first.document_id)
    if any(text[c.start : c.end] != c.text for c in group):
        return None
    left, right = passage_around(text, first.start, last.end)
    chunk = first.hit.chunk
    return Citation(
        number=number,
        document_id=chunk.document_id,
        document_name=chunk.document_name,
        start=first.start,
        end=last.end,
        quote=text[first.start : last.end],
        score=score,
        page=chunk.page,
        headings=chunk.headings,
        passage=text[left:right],
        passage_start=left,
    )


def open_passages(evidence: Evidence, hits: Sequence[Hit], texts: Callable[[str], str]) -> tuple[Citation, ...]:
    """The passage of the likeliest sentence, then the best of the search, each with its own likeliest as the quote."""
    likeliest: dict[str, Candidate] = {}
    for i in evidence.order:
        likeliest.setdefault(evidence.candidates[i].hit.chunk.id, evidence.candidates[i])
    read = [hit for hit in hits if hit.chunk.id in likeliest]
    first = [hit for hit in read if hit.chunk.id == next(iter(likeliest))]
    opened: list[Citation] = []
    across = any(is_foreign(hit.chunk.language, evidence.question.language) for hit in read[:OPENED])
    shown = read[: OPENED_ACROSS if across else OPENED]
    for hit in [*first, *(hit for hit in shown if hit not in first)]:
        best = likeliest[hit.chunk.id]
        score = evidence.confidence * float(np.exp(evidence.score_of(best) - evidence.scores.max()))
        citation = cite([best], len(opened) + 1, score, texts)
        if citation is not None:
            opened.append(_widened(citation, hit.chunk, texts(citation.document_id), evidence.answer_in(best)))
    return tuple(opened)


def _widened(citation: Citation, chunk: Chunk, text: str, answer: tuple[int, int] | None) -> Citation:
    """The citation with the whole of its passage and CONTEXT around it, and the words that may answer."""
    first = min(citation.passage_start, chunk.start)
    last = max(citation.passage_start + len(citation.passage), chunk.end)
    start, end = passage_around(text, first, last, last - first + 2 * CONTEXT)
    return replace(citation, passage=text[start:end], passage_start=start, answer=answer)


def passage_around(text: str, start: int, end: int, length: int = AROUND) -> tuple[int, int]:
    """Span of some `length` characters around [start:end), at word boundaries.

    >>> passage_around("a short text", 2, 7)
    (0, 12)
    """
    spare = max(0, length - (end - start)) // 2
    left, right = max(0, start - spare), min(len(text), end + spare)
    while 0 < left < start and not text[left - 1].isspace():
        left += 1
    while end < right < len(text) and not text[right].isspace():
        right -= 1
    return left, right


def _written_by() -> str:
    return _("No language model wrote this: the sentences are quoted from the documents, word for word.")


def _refusal(evidence: Evidence, outcome: Outcome) -> str:
    """Why nothing is given as sure; what to do next depends on where it is shown, and is said there."""
    if not evidence.question.stems:
        return _("The question has no word that can be looked up. Name the thing it is about.")
    if outcome == "unsure":
        return _("Nothing is sure; in each passage the likeliest sentence is marked.")
    return _("The documents do not seem to hold the answer.")
