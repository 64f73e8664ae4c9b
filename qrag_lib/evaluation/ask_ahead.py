"""Questions asked in groups, for a model that writes several answers in one pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qrag_lib.answer.written.drafts import BATCH
from qrag_lib.types import Answer


class AskAhead:
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
