"""Answers of a language model to several questions, written in one pass over its weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from local_models.embedding.embedder import Embedder
from qrag_lib.answer.written.generated import Draft, draft_of, judged
from qrag_lib.answer.written.llm_adapters import EngineWriter, Writer
from qrag_lib.answer.written.prompting import Prompt, assemble
from qrag_lib.errors import SettingsError
from qrag_lib.types import Answer, Hits

BATCH: Final = 8  # questions a pass: a streamed model reads its weights once for all of them


@dataclass(frozen=True)
class Case:
    """A question with its hits and the extractive answer to it; texts: a document's text by its id."""

    quoted: Answer
    hits: Hits
    texts: Callable[[str], str]


def generate_together(
    cases: Sequence[Case], open_writer: Callable[[], Writer | None], embedding: Embedder | None, *, top_k: int
) -> list[Answer]:
    """What `generated.generate` gives for each case, its model asked for BATCH of them at once where it is able to.

    A question whose passages do not fit, or a batch that fails, is answered by itself; its failure is its own.
    Where the model cannot be opened, each answer says so. Raises SettingsError for an address that means nothing.
    """
    try:
        writer = open_writer()
    except SettingsError:
        raise
    except Exception as error:
        return [judged(c.quoted, "", Draft("", error=error), c.hits, c.texts, embedding) for c in cases]
    if writer is None:
        return [case.quoted for case in cases]
    answers: list[Answer] = []
    for start in range(0, len(cases), BATCH):
        batch = cases[start : start + BATCH]
        prompts = [_prompt(case, writer, top_k) for case in batch]
        for case, draft in zip(batch, _drafts(writer, prompts), strict=True):
            answers.append(judged(case.quoted, writer.name, draft, case.hits, case.texts, embedding))
    return answers


def _prompt(case: Case, writer: Writer, top_k: int) -> Prompt | Draft:
    """The prompt of a case, or a draft that says why there is none."""
    budget = writer.context_length - writer.room
    hits = case.hits.hits[:top_k]
    try:
        return assemble(case.quoted.question, case.quoted.language, hits, writer.count_tokens, budget)
    except Exception as error:  # of the model's counter, or too little room: the quotes answer in its place
        return Draft("", error=error)


def _drafts(writer: Writer, prompts: Sequence[Prompt | Draft]) -> list[Draft]:
    """A draft a prompt, in their order."""
    asked = [prompt.messages for prompt in prompts if isinstance(prompt, Prompt)]
    made = None
    if isinstance(writer, EngineWriter) and len(asked) > 1:
        try:
            made = writer.write_together(asked)
        except Exception:  # one prompt too many for the memory, say: one by one each tells its own failure
            made = None
    written = [Draft(*each) for each in made] if made else [draft_of(writer, messages) for messages in asked]
    left = iter(written)
    return [next(left) if isinstance(prompt, Prompt) else prompt for prompt in prompts]


class Ahead:
    """Gives the answer to one question after another, asked for BATCH of them together."""

    def __init__(self, questions: Sequence[str], ask_many: Callable[[Sequence[str]], list[Answer]]) -> None:
        self._left = list(dict.fromkeys(questions))
        self._ask_many = ask_many
        self._known: dict[str, Answer] = {}

    def __call__(self, question: str) -> Answer:
        """The answer to one of the questions; where its group cannot be asked, it is asked alone."""
        if question not in self._known:
            at = self._left.index(question)
            group = self._left[at : at + BATCH]
            try:
                self._known |= zip(group, self._ask_many(group), strict=True)
            except Exception:
                if len(group) == 1:
                    raise
                self._known[question] = self._ask_many([question])[0]
        return self._known[question]
