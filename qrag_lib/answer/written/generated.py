"""Answers that a language model writes from the passages, each sentence compared with the documents afterwards."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from local_models.embedding.embedder import Embedder
from local_models.reading.span_reader import SpanReader
from qrag_lib.answer.quoted.quotes import ask, cite
from qrag_lib.answer.sentences.question_analysis import Question
from qrag_lib.answer.sentences.sentence_scoring import Candidate, candidates
from qrag_lib.answer.streaming_display import OnText
from qrag_lib.answer.written.attribution import Support, align
from qrag_lib.answer.written.llm_adapters import Writer
from qrag_lib.answer.written.prompting import assemble, says_unknown
from qrag_lib.errors import GenerationFailed, ModelError, QragError, SettingsError
from qrag_lib.i18n import _, ngettext
from qrag_lib.language import sentences
from qrag_lib.types import Answer, Citation, Hits, Sentence, Writing

LONGEST_DRAFT: Final = 20_000  # characters; a model that goes on is stopped
MOST_SENTENCES: Final = 40  # of a draft that are compared with the documents

_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_CLAIMED = re.compile(
    r"[ \t]*\[(?:(?:passage|passagem|source|fonte) )?\d{1,2}(?:[,;] ?\d{1,2})*\](?=[\s.,;:]|\Z)", re.IGNORECASE
)
_MARKUP = re.compile(r"\*\*|__|^[ \t]*(?:[-*+•]|\d{1,2}[.)])[ \t]+|^#{1,6}[ \t]+|</?passage[^>\n]*>", re.MULTILINE)


@dataclass(frozen=True)
class Draft:
    """What a model wrote, and what it cost; `error` is why it did not come to an end."""

    text: str
    writing: Writing | None = None
    error: Exception | None = None


def generate(
    question: str,
    hits: Hits,
    texts: Callable[[str], str],
    embedding: Embedder | None,
    open_writer: Callable[[], Writer | None],
    reader: SpanReader | None = None,
    *,
    top_k: int,
    threshold: float | None = None,
    on_text: OnText | None = None,
) -> Answer:
    """The answer of a language model: sentences with the citations that we found for them, or marked as unsupported.

    open_writer: gives the model, or None where the quotes are to answer; it is not called without a passage.
    reader: as in `ask`. top_k: hits that go into the prompt; all of them may support a sentence.
    threshold: where given, below this confidence the model is not asked. on_text: is told each piece as it is written.
    A refusal where the model says that the documents do not tell, or where nothing that it wrote is
    supported. Where the model fails, the extractive answer, which says so. Raises SettingsError for an
    address that means nothing, QragError for a question that cannot be asked.
    """
    quoted = ask(question, hits, texts, embedding, reader, threshold=threshold)
    if not hits or (threshold is not None and quoted.refused):
        return quoted
    name, draft = _written(quoted, hits, open_writer, top_k, on_text)
    return quoted if draft is None else judged(quoted, name, draft, hits, texts, embedding)


def judged(
    quoted: Answer, name: str, draft: Draft, hits: Hits, texts: Callable[[str], str], embedding: Embedder | None
) -> Answer:
    """The answer that a draft comes to: compared with the documents, or where it failed the quotes in its place."""
    if draft.error is not None:
        return _instead(quoted, name, draft)
    began = time.perf_counter()
    answer = _checked(quoted, name, draft, hits, texts, embedding)
    spent = {"write": draft.writing.seconds if draft.writing else 0.0, "align": time.perf_counter() - began}
    return replace(answer, seconds={**answer.seconds, **spent})


def _written(
    quoted: Answer, hits: Hits, open_writer: Callable[[], Writer | None], top_k: int, on_text: OnText | None
) -> tuple[str, Draft | None]:
    """The model's name and its draft; what goes wrong on its side is in the draft. No draft without a model."""
    name = ""
    try:
        writer = open_writer()
        if writer is None:
            return name, None
        name = writer.name
        budget = writer.context_length - writer.room
        prompt = assemble(quoted.question, quoted.language, hits.hits[:top_k], writer.count_tokens, budget)
    except SettingsError:
        raise
    except Exception as error:
        return name, Draft("", error=error)
    return name, draft_of(writer, prompt.messages, on_text)


def draft_of(writer: Writer, messages: Sequence[object], on_text: OnText | None = None) -> Draft:
    """All that the writer writes. Ctrl-C, and what `on_text` raises, end the writing and go on up."""
    text = ""
    stream = writer.write(messages)  # type: ignore[arg-type]
    try:
        while len(text) < LONGEST_DRAFT:
            try:
                piece = next(stream)
            except StopIteration as end:
                return Draft(text, end.value)
            except Exception as error:
                return Draft(text, error=error)
            text += piece
            if on_text is not None:
                on_text(piece)
    finally:
        stream.close()
    limit = ngettext(
        "the model went on beyond {n} character", "the model went on beyond {n} characters", LONGEST_DRAFT
    ).format(n=LONGEST_DRAFT)
    return Draft(text, error=GenerationFailed(limit, hint=_("ask for fewer tokens, or name a stop string")))


def spoken(text: str) -> str:
    """A draft without thoughts, marks of citation and markup: what is to be compared with the documents.

    >>> spoken("<think>hm</think>**Ana** fundou a escola [1].")
    'Ana fundou a escola.'
    """
    return _MARKUP.sub("", _CLAIMED.sub("", _THOUGHT.sub("", text))).strip()


def split(text: str, language: str) -> list[str]:
    """The sentences of a draft; one that is said twice counts once."""
    found = (" ".join(text[a:b].split()) for a, b in sentences(text, language))
    return list({each.casefold(): each for each in found if any(c.isalnum() for c in each)}.values())[:MOST_SENTENCES]


def _checked(
    quoted: Answer, name: str, draft: Draft, hits: Hits, texts: Callable[[str], str], embedding: Embedder | None
) -> Answer:
    said = spoken(draft.text)
    written = split(said, quoted.language)
    if not written:
        return _instead(quoted, name, replace(draft, error=GenerationFailed(_("it wrote nothing"))))
    mine = replace(quoted, generator=name, writing=draft.writing, draft=draft.text)
    sources = candidates(hits.hits, texts, quoted.language)
    supports, without = _aligned(written, Question(quoted.question, quoted.language), sources, embedding)
    spoken_for, citations = _cited(written, supports, texts)
    if says_unknown(said) and not spoken_for[0].supported:
        return _refused(mine, _("{model} found no answer in the passages.").format(model=name) + without)
    if not citations:
        note = ngettext(
            "{model} wrote {n} sentence, and nothing in the documents supports it.",
            "{model} wrote {n} sentences, and nothing in the documents supports them.",
            len(written),
        )
        return _refused(mine, note.format(model=name, n=len(written)) + without)
    return replace(mine, sentences=spoken_for, citations=citations, outcome="sure", note=without.strip())


def _aligned(
    written: Sequence[str], question: Question, sources: Sequence[Candidate], embedding: Embedder | None
) -> tuple[list[Support], str]:
    """What supports each sentence; by words alone where the memory no longer holds the embedder, and then that said."""
    try:
        return align(written, question, sources, embedding), ""
    except ModelError as error:
        without = _("They were compared by words alone: {reason}.").format(reason=error.message.rstrip("."))
        return align(written, question, sources), f" {without}"


def _cited(
    written: Sequence[str], supports: Sequence[Support], texts: Callable[[str], str]
) -> tuple[tuple[Sentence, ...], tuple[Citation, ...]]:
    """The sentences with the numbers of their citations; a stretch that supports several is cited once."""
    known: dict[tuple[str, int, int], Citation] = {}
    said: list[Sentence] = []
    for text, support in zip(written, supports, strict=True):
        numbers: tuple[int, ...] = ()
        if support.parts:
            place = (support.parts[0].document_id, support.parts[0].start, support.parts[-1].end)
            found = known.get(place) or cite(support.parts, len(known) + 1, support.score, texts)
            if found is not None:
                known[place] = found
                numbers = (found.number,)
        said.append(Sentence(text, numbers))
    return tuple(said), tuple(known.values())


def _refused(answer: Answer, why: str) -> Answer:
    """A refusal whose citations are the quotes that the extractive answer would give: what comes nearest."""
    return replace(answer, sentences=(), outcome="unsure" if answer.citations else "nothing", note=why)


def _instead(quoted: Answer, name: str, draft: Draft) -> Answer:
    """The extractive answer, which says that the model failed and why."""
    error = draft.error
    reason = error.message if isinstance(error, QragError) else f"{type(error).__name__}: {error}".rstrip(": ")
    if isinstance(error, QragError) and error.hint:
        reason += f" (→ {error.hint})"
    failed = _("The model {model} failed: {reason}.") if name else _("The model failed: {reason}.")
    told = failed.format(model=name, reason=reason.rstrip("."))
    return replace(quoted, note=f"{told} {quoted.note}", failure=reason, draft=draft.text)
