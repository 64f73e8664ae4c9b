"""An engine without a model: it answers a prompt with the sentences of the prompt that share the question's words.

It makes nothing up and needs no file, so it stands in wherever a LlamaIndex LLM is wanted and no model fits.
`Workspace.ask` without a model does better: it knows passages, scores and the corpus.
"""

from __future__ import annotations

import math
import re
import threading
from collections import Counter
from collections.abc import Generator, Sequence
from time import perf_counter

from local_models.decoding.stop_text import StopText
from local_models.engines.chat_template import render_chat
from local_models.engines.generation import Generation, Message, Sampling
from qrag_lib.errors import ModelTooLarge, ModelUnavailable
from qrag_lib.i18n import _, ngettext
from qrag_lib.language import detect, sentences, terms, words

SENTENCES = 3
SHARE = 0.5  # of the best sentence's weight that a further one must have
CONTEXT = 32_768  # words
UNKNOWN = {"pt": "Os documentos não dizem.", "en": "The documents do not say."}

_PASSAGE = re.compile(r"<passage\b[^>\n]*>\n(.*?)\n</passage>", re.DOTALL)
_RULES = re.compile(r"^-{5,}$\n(.*?)\n^-{5,}$", re.DOTALL | re.MULTILINE)  # around the context in LlamaIndex's prompts
_QUESTION = re.compile(r"^\s*(?:Query|Question|Pergunta|Consulta):\s*(.+)$", re.MULTILINE | re.IGNORECASE)
_ENDS_TURN = re.compile(r"\s*^(?:Assistant|Answer|Resposta):\s*\Z", re.MULTILINE)
_ROLE = re.compile(r"^(?:User|Assistant): ", re.MULTILINE)
_QUOTE = re.compile(r"^[|>] ", re.MULTILINE)


class ExtractiveEngine:
    """Sentences of the prompt's context as an `Engine`. Its tokens are words; sampling is greedy whatever is asked."""

    def __init__(self) -> None:
        self.name = "extractive"
        self.context_length = CONTEXT
        self._open = threading.Event()
        self._open.set()

    def count_tokens(self, text: str) -> int:
        """Words of a text."""
        return len(words(text))

    def render(self, messages: Sequence[Message]) -> str:
        """The conversation in a plain format."""
        return render_chat(messages)

    def generate(self, prompt: str, sampling: Sampling) -> Generator[str, None, Generation]:
        """The chosen sentences, one a piece; returns the Generation."""
        began, text = perf_counter(), ""
        if not self._open.is_set():
            raise ModelUnavailable(_("{name} is closed").format(name=self.name), hint=_("open it again"))
        if (n_prompt := self.count_tokens(prompt)) > self.context_length:
            raise ModelTooLarge(
                ngettext(
                    "the prompt has {n} word; {name} reads {limit}",
                    "the prompt has {n} words; {name} reads {limit}",
                    n_prompt,
                ).format(n=n_prompt, name=self.name, limit=self.context_length),
                hint=_("shorten the prompt or ask with fewer passages"),
            )
        first, stops = 0.0, StopText(sampling.stop)
        chosen = answer_from(prompt)
        allowed = _words_of(" ".join(chosen), sampling.max_new_tokens)
        left = len(allowed)
        for i, sentence in enumerate(chosen):
            part = (" " + sentence if i else sentence)[:left]
            left -= len(part)
            if piece := stops.push(part):
                first, text = first or perf_counter() - began, text + piece
                yield piece
        if piece := stops.flush():
            text += piece
            yield piece
        cut = not stops.ended and len(allowed) < len(" ".join(chosen))
        now = perf_counter() - began
        return Generation(text, n_prompt, self.count_tokens(text), "length" if cut else "stop", first or now, now)

    def close(self) -> None:
        """Answer no more."""
        self._open.clear()


def answer_from(prompt: str) -> list[str]:
    """Sentences of the prompt's context that answer its question, in the order of the text, best few.

    A term weighs by its inverse document frequency among the sentences. Where none is shared, one
    sentence that says so, in the question's language.
    """
    question, context = question_and_context(prompt)
    language = detect(question)
    asked = set(terms(question, language))
    held = [context[start:end] for start, end in sentences(context, language)]
    found = [asked & set(terms(sentence, language)) for sentence in held]
    spread = Counter(term for terms_ in found for term in terms_)
    weights = [sum(math.log(1 + len(held) / spread[term]) for term in terms_) for terms_ in found]
    best = sorted(range(len(held)), key=lambda i: -weights[i])[:SENTENCES]
    chosen = sorted(i for i in best if weights[i] > 0 and weights[i] >= SHARE * weights[best[0]])
    return [" ".join(held[i].split()) for i in chosen] or [UNKNOWN.get(language, UNKNOWN["en"])]


def question_and_context(prompt: str) -> tuple[str, str]:
    """The question that a prompt asks, and the text that it is to be answered from.

    Our own passages and LlamaIndex's ruled context are known; else all but the question is context.

    >>> question_and_context("The lid is red. The box is blue.\\nWhat is red?")
    ('What is red?', 'The lid is red. The box is blue.')
    """
    text = _ROLE.sub("", _ENDS_TURN.sub("", prompt.strip()))
    marked = _PASSAGE.findall(text) or _RULES.findall(text)
    outside = _RULES.sub("", _PASSAGE.sub("", text))
    named = [match.span(1) for match in _QUESTION.finditer(outside)]
    spans = sentences(outside)
    asking = [span for span in spans if outside[: span[1]].endswith("?")]
    start, end = (named or asking or spans or [(0, 0)])[-1]
    rest = marked or [outside[:start], outside[end:]]
    return outside[start:end].strip(), _QUOTE.sub("", "\n\n".join(rest)).strip()


def _words_of(text: str, n: int) -> str:
    """The text up to the end of its n-th word; all of it where it has no more."""
    end = 0
    for i, word in enumerate(words(text)):
        if i == n:
            return text[:end]
        end = text.index(word, end) + len(word)
    return text
