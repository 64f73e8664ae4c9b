"""A draft of a language model compared with the documents, sentence by sentence: cited, marked, or refused."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from local_models.embedding.embedder import Embedder
from qrag_lib.answer.quoted.quotes import cite
from qrag_lib.answer.sentences.question_analysis import Question
from qrag_lib.answer.sentences.sentence_scoring import Candidate, candidates
from qrag_lib.answer.written.attribution import Support, align
from qrag_lib.answer.written.drafts import Draft
from qrag_lib.answer.written.prompting import says_unknown
from qrag_lib.errors import GenerationFailed, ModelError, QragError
from qrag_lib.i18n import _, ngettext
from qrag_lib.language import sentences
from qrag_lib.types import Answer, Citation, Hits, Sentence

MOST_SENTENCES: Final = 40  # of a draft that are compared with the documents

_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_CLAIMED = re.compile(
    r"[ \t]*\[(?:(?:passage|passagem|source|fonte) )?\d{1,2}(?:[,;] ?\d{1,2})*\](?=[\s.,;:]|\Z)", re.IGNORECASE
)
_MARKUP = re.compile(r"\*\*|__|^[ \t]*(?:[-*+•]|\d{1,2}[.)])[ \t]+|^#{1,6}[ \t]+|</?passage[^>\n]*>", re.MULTILINE)


def check_draft(
    quoted: Answer, draft: Draft, hits: Hits, texts: Callable[[str], str], embedding: Embedder | None
) -> Answer:
    """The answer that a draft comes to: compared with the documents, or where it failed the quotes in its place."""
    if draft.error is not None:
        return _instead(quoted, draft)
    began = time.perf_counter()
    answer = _compared(quoted, draft, hits, texts, embedding)
    spent = {"write": draft.writing.seconds if draft.writing else 0.0, "align": time.perf_counter() - began}
    return replace(answer, seconds={**answer.seconds, **spent})


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


def _compared(
    quoted: Answer, draft: Draft, hits: Hits, texts: Callable[[str], str], embedding: Embedder | None
) -> Answer:
    said = spoken(draft.text)
    written = split(said, quoted.language)
    if not written:
        return _instead(quoted, replace(draft, error=GenerationFailed(_("it wrote nothing"))))
    mine = replace(quoted, generator=draft.model, writing=draft.writing, draft=draft.text)
    sources = candidates(hits.hits, texts, quoted.language)
    supports, without = _aligned(written, Question(quoted.question, quoted.language), sources, embedding)
    spoken_for, citations = _cited(written, supports, texts)
    if says_unknown(said) and not spoken_for[0].supported:
        return _refused(mine, _("{model} found no answer in the passages.").format(model=draft.model) + without)
    if not citations:
        note = ngettext(
            "{model} wrote {n} sentence, and nothing in the documents supports it.",
            "{model} wrote {n} sentences, and nothing in the documents supports them.",
            len(written),
        )
        return _refused(mine, note.format(model=draft.model, n=len(written)) + without)
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


def _instead(quoted: Answer, draft: Draft) -> Answer:
    """The extractive answer, which says that the model failed and why."""
    error = draft.error
    reason = error.message if isinstance(error, QragError) else f"{type(error).__name__}: {error}".rstrip(": ")
    if isinstance(error, QragError) and error.hint:
        reason += f" (→ {error.hint})"
    failed = _("The model {model} failed: {reason}.") if draft.model else _("The model failed: {reason}.")
    told = failed.format(model=draft.model, reason=reason.rstrip("."))
    return replace(quoted, note=f"{told} {quoted.note}", failure=reason, draft=draft.text)
