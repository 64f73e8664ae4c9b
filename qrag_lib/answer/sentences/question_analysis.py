"""What a question asks for, and whether a sentence brings something of that kind.

Kinds of answers by question words, as in the question taxonomies of TREC QA (Li and Roth,
COLING 2002), for Portuguese and English. Only what is not already in the question counts:
an answer is new information.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from qrag_lib.answer.sentences.question_words import (
    ASKED,
    AUXILIARIES,
    BACK,
    COPULAS,
    DEFINING,
    NUMBERS,
    PLACE_BEFORE,
    PURPOSE,
    REASON,
    TIMES,
    TYPE_NOUNS,
    YEAR,
    Kind,
)
from qrag_lib.answer.sentences.tokens import Reading, Token, stem
from qrag_lib.language import fold


def kind_of(question: str) -> Kind:
    """What kind of answer the question asks for; "thing" where its words do not tell.

    >>> kind_of("Em que ano foi fundada a escola?"), kind_of("Which tool is used?")
    ('time', 'thing')
    """
    asked = fold(" ".join(question.lower().split()))
    return next((kind for kind, expression in ASKED if expression.search(asked)), "thing")


def met(kind: Kind, text: str, words: Sequence[Token], known: Collection[str]) -> float:
    """1.0 where the sentence brings something of the kind that is not in the question, else 0.0.

    known: the stems of the question.
    """
    return float(_MATCHERS[kind](text, [w for w in words if w.stem not in known or not w.stem]))


def _time(text: str, fresh: Sequence[Token]) -> bool:
    return any(
        YEAR.fullmatch(w.text) or w.text.lower() in TIMES or (w.text[0].isdigit() and len(w.text) > 3) for w in fresh
    )


def _number(text: str, fresh: Sequence[Token]) -> bool:
    return any(w.text[0].isdigit() or w.text.lower() in NUMBERS for w in fresh)


def _name(text: str, fresh: Sequence[Token]) -> bool:
    """A capitalised word with a stem, not at the beginning of the sentence unless another follows."""
    return any(w.stem and w.text[0].isupper() and (w.start > 1 or _goes_on(text, w)) for w in fresh)


def _goes_on(text: str, word: Token) -> bool:
    return re.match(r"\s(?:d[aeo]s?\s|of\s)?[^\W\d_a-zà-ÿ]", text[word.start + len(word.text) :][:6]) is not None


def _place(text: str, fresh: Sequence[Token]) -> bool:
    before = {after.start: word.text.lower() for word, after in pairwise(fresh)}
    return any(w.stem and w.text[0].isupper() and before.get(w.start) in PLACE_BEFORE for w in fresh)


def _reason(text: str, fresh: Sequence[Token]) -> bool:
    return REASON.search(text.lower()) is not None


def _purpose(text: str, fresh: Sequence[Token]) -> bool:
    return PURPOSE.search(text.lower()) is not None


def _thing(text: str, fresh: Sequence[Token]) -> bool:
    return sum(bool(w.stem) for w in fresh) > 2


_MATCHERS: dict[Kind, Callable[[str, Sequence[Token]], bool]] = {
    "person": _name,
    "time": _time,
    "number": _number,
    "place": _place,
    "reason": _reason,
    "purpose": _purpose,
    "definition": _thing,
    "thing": _thing,
}


@dataclass(frozen=True)
class Question(Reading):
    """A question, read once."""

    text: str
    language: str

    @cached_property
    def stems(self) -> tuple[str, ...]:
        """Its distinct index terms, in order; those of identifiers last."""
        return tuple(dict.fromkeys((*(t.stem for t in self.tokens if t.stem), *self.identifiers)))

    @cached_property
    def known(self) -> frozenset[str]:
        """Its index terms."""
        return frozenset(self.stems)

    @cached_property
    def subject(self) -> frozenset[str]:
        """Its index terms but for auxiliary verbs."""
        return frozenset(t.stem for t in self.tokens if t.stem and t.text.lower() not in AUXILIARIES)

    @cached_property
    def kind(self) -> Kind:
        """What kind of answer it asks for."""
        return kind_of(self.text)

    @cached_property
    def names(self) -> frozenset[str]:
        """Terms that name or count something: capitalised inside the question, or with a digit."""
        words = enumerate(self.tokens)
        return frozenset(
            t.stem for i, t in words if t.stem and (t.text[0].isdigit() or (i > 0 and t.text[0].isupper()))
        )

    @cached_property
    def counted(self) -> str:
        """The stem of what a "how many" asks to be counted; "" for other questions."""
        if self.kind != "number":
            return ""
        start = next((i for i, w in enumerate(self.words) if w.startswith("quant") or w == "how"), -1)
        return next((t.stem for t in self.tokens[start + 1 :] if t.stem and t.text.lower() not in TYPE_NOUNS), "")

    @cached_property
    def emphasis(self) -> npt.NDArray[np.float64]:
        """Factor of each term's weight: words for the kind of answer count little, names more."""
        nouns = {stem(word, self.language) for word in TYPE_NOUNS}
        return np.array([(0.35 if s in nouns else 1.0) * (1.3 if s in self.names else 1.0) for s in self.stems])


def refers_back(text: str) -> bool:
    """True where the sentence begins by pointing at the one before it.

    >>> refers_back("Esta capacidade é evidenciada"), refers_back("A capacidade")
    (True, False)
    """
    return BACK.match(text) is not None


def defines(question: Question, text: str, words: Sequence[Token]) -> float:
    """1.0 where the sentence defines what the question wants defined: the subject first, a copula next.

    0.6 where the subject stands beside "entende-se por", "known as" or a dash; 0.0 for other kinds of question.
    """
    if question.kind != "definition" or not question.subject:
        return 0.0
    if not question.subject <= {word.stem for word in words}:
        return 0.0
    subject_end = _first_complete(words, question.subject)
    leads = subject_end <= len(question.stems) + 4
    if leads and any(w.text.lower() in COPULAS for w in words[subject_end : subject_end + 4]):
        return 1.0
    return 0.6 if DEFINING.search(text[:160].lower()) else 0.2 * leads


def _first_complete(words: Sequence[Token], stems: Collection[str]) -> int:
    """Number of words after which all the stems were said."""
    missing = set(stems)
    for i, word in enumerate(words):
        missing.discard(word.stem)
        if not missing:
            return i + 1
    return len(words)


NEAR: Final = 8  # words


def near(question: Question, text: str, words: Sequence[Token]) -> float:
    """1.0 where a time, number or name that is asked for stands within a few words of a term of the question."""
    if question.kind not in ("time", "number", "person", "place"):
        return 0.0
    held = [i for i, word in enumerate(words) if word.stem in question.known]
    around = [w for i, w in enumerate(words) if any(abs(i - j) <= NEAR for j in held)]
    return met(question.kind, text, around, question.known)


def counts(question: Question, words: Sequence[Token]) -> float:
    """1.0 where a number stands within three words before what the question wants counted."""
    places = [i for i, word in enumerate(words) if question.counted and word.stem == question.counted]
    return float(any(_number("", words[max(0, i - 3) : i]) for i in places))
