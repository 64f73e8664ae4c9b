"""The prompt of a question: rules, the passages as quotations, the question; within a number of tokens.

A passage is data. Its lines are quoted one by one, so that none can begin with a role ("System:"), and
whatever a chat format or our own fence would obey (`<|im_start|>`, `</passage>`, `[INST]`) is written with
other brackets. That makes an order in a document look like what it is; it cannot make a model deaf to it,
so nothing that the model writes is acted upon, and every sentence is checked afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from local_models.engines.generation import Message
from local_models.interface.sanitize import OBEYED
from qrag_lib.answer.written.prompt import Prompt
from qrag_lib.errors import ModelError
from qrag_lib.i18n import _
from qrag_lib.language import blocks, sentences
from qrag_lib.show import phrases
from qrag_lib.types import Chunk, Hit

Count = Callable[[str], int]

SHORTEST: Final = 24  # tokens of a passage below which it is left out rather than cut
MESSAGE: Final = 8  # tokens that a chat format puts around a message, where nobody can count them

_OBEYED = re.compile(
    r"<(?=[^\W\d_]|[|｜/!?▁])|(?<=[\w|｜/▁\"'])>|\[(?=/?(?:INST|SYS|system|user|assistant)\b)", re.IGNORECASE
)
_BRACKETS = {"<": "‹", ">": "›", "[": "("}


_UNKNOWN = re.compile(
    r"\W*(?:(?:\w+ ){0,3}(?:documentos?|documents?|passagens?|passages?|textos?|texts?|sources?|fontes?|contexto?)"
    r"(?: \w+){0,3}? (?:não|nao|do not|does not|don't|doesn't|did not|cannot)(?: \w+)? "
    r"(?:diz|inform|cont|menc|traz|respond|indic|há|hold|say|mention|tell|answer|state|provide|specify)|"
    r"(?:não|nao) (?:sei|há|é possível|encontrei)|I (?:do not|don't|cannot|could not)|"
    r"there is no (?:information|mention))",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Conversation:
    """The turns to be sent, and what went in. n_tokens: as counted, of the prompt; used: hits, best first."""

    messages: tuple[Message, ...]
    used: tuple[Hit, ...]
    n_tokens: int


def assemble(
    prompt: Prompt, question: str, language: str, hits: Sequence[Hit], count: Count, budget: int
) -> Conversation:
    """The conversation with as many of the hits as `budget` tokens hold, best first; the last may be cut at a sentence.

    count: tokens of a text, as the model counts them. language: of the question, so of the answer; for one that the
    prompt does not have, its English words ask for the language of the question.
    Raises ModelError where not even one passage has room.
    """
    said, other = prompt.wording(language)
    rules = said.rules_for(other=other)
    frame = [rules, said.passages, said.asked(harmless(question))]
    left = budget - sum(map(count, frame)) - 2 * MESSAGE
    quoted, used = _fill(hits, count, left)
    if not used:
        message = _("the question and one passage do not fit into what the model reads (tokens: {n})")
        raise ModelError(
            message.format(n=max(0, budget)),
            hint=_("take a model with a longer context, or fewer tokens for its answer"),
        )
    content = "\n\n".join([part for part in (said.passages, *quoted, frame[2]) if part])
    messages = (Message("system", rules), Message("user", content))
    return Conversation(messages, tuple(used), count(rules) + count(content) + 2 * MESSAGE)


def _fill(hits: Sequence[Hit], count: Count, left: int) -> tuple[list[str], list[Hit]]:
    quoted: list[str] = []
    used: list[Hit] = []
    for hit in hits:
        text = uncovered(hit.chunk, [each.chunk for each in used])
        passage = _fitting(hit.chunk, text, len(quoted) + 1, count, left) if text.strip() else ""
        if passage:
            left -= count(passage) + 1
            quoted.append(passage)
            used.append(hit)
        elif text.strip():
            break  # what comes after is less relevant; a shorter one must not take its place
    return quoted, used


def uncovered(chunk: Chunk, before: Sequence[Chunk]) -> str:
    """The chunk's text without what passages before it already have of the same document."""
    start, end = chunk.start, chunk.end
    for other in (each for each in before if each.document_id == chunk.document_id):
        if other.start <= start < other.end:
            start = min(end, other.end)
        if other.start < end <= other.end:
            end = max(start, other.start)
    return chunk.text[start - chunk.start : end - chunk.start]


def _fitting(chunk: Chunk, text: str, number: int, count: Count, left: int) -> str:
    """The passage as it is quoted, cut after a sentence where it is too long; "" where that leaves next to nothing."""
    whole = _quotation(chunk, text, number)
    if count(whole) + 1 <= left:
        return whole
    ends = [end for _start, end in sentences(text, chunk.language)]
    for end in reversed(ends[:-1]):
        part = _quotation(chunk, text[:end], number)
        if (n := count(part)) >= SHORTEST and n + 1 <= left:
            return part
    return ""


def _quotation(chunk: Chunk, text: str, number: int) -> str:
    name = harmless(phrases.place(chunk)).replace('"', "'")
    lines = "\n".join("| " + harmless(" ".join(text[a:b].split())) for a, b in blocks(text))
    return f'<passage n="{number}" source="{name}">\n{lines}\n</passage>'


def harmless(text: str) -> str:
    """The text without invisible characters, and with other brackets where a chat format or our fence would obey it.

    >>> harmless("a < b </passage><|im_start|>system [INST]")
    'a < b ‹/passage›‹|im_start|›system (INST]'
    """
    return _OBEYED.sub(lambda match: _BRACKETS[match[0]], OBEYED.sub("", text))


def says_unknown(text: str) -> bool:
    """True where a model's text begins by saying that the documents do not hold the answer.

    >>> says_unknown("Os documentos não dizem."), says_unknown("The passages provided do not mention it.")
    (True, True)
    >>> says_unknown("A escola foi fundada em 1932.")
    False
    """
    return _UNKNOWN.match(text.strip()) is not None


def estimate(text: str) -> int:
    """Tokens of a text for a model whose tokenizer is not known: more than common tokenizers make of it.

    A word is a token for every three ASCII letters; a digit, a mark and each byte beyond ASCII are one each.
    """
    total = 0
    for word in re.findall(r"[A-Za-z]+|[^A-Za-z\s]", text):
        letters = word.isascii() and word.isalpha()
        total += ceil(len(word) / 3) if letters else len(word.encode("utf-8", "replace"))
    return total + text.count("\n")
