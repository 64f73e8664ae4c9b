"""A text that is read word by word: a question, a sentence of a document, a sentence that a model wrote."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple

from qrag_lib.language import terms
from qrag_lib.language.identifiers import identifiers

_TOKEN = re.compile(r"[^\W_]+(?:[.,:]\d+)*%?")
_LONG_TOKEN = 64  # characters


class Token(NamedTuple):
    """A word of a text. stem: its index term, "" for a function word. start: its offset in the text."""

    text: str
    stem: str
    start: int


@lru_cache(maxsize=200_000)
def stem(word: str, language: str) -> str:
    """The index term of a word, "" for a function word."""
    return "".join(terms(word, language)[:1])


@lru_cache(maxsize=2_000)
def tokens(text: str, language: str) -> tuple[Token, ...]:
    """The words of the text with their stems.

    >>> [t.stem for t in tokens("Quem fundou a escola?", "pt")]
    ['', 'fund', '', 'escol']
    """
    found = ((m[0][:_LONG_TOKEN], m.start()) for m in _TOKEN.finditer(text))
    return tuple(Token(word, stem(word, language), start) for word, start in found)


class Reading:
    """What a frozen value with a `text` and its `language` ("pt", "en" or "und") says of its words, read once."""

    text: str
    language: str

    @cached_property
    def tokens(self) -> tuple[Token, ...]:
        """Its words."""
        return tokens(self.text, self.language)

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Its words in lower case, function words too."""
        return tuple(t.text.lower() for t in self.tokens)

    @cached_property
    def identifiers(self) -> tuple[str, ...]:
        """The terms of its CPFs, telephones, laws and the like, which meet with and without their marks."""
        return tuple(name for _start, _end, names in identifiers(self.text) for name in names)


def longest_run(words: Sequence[str], source: Sequence[str]) -> int:
    """Length of the longest run of `words` that stands in `source` too.

    >>> longest_run("a sede fica em recife".split(), "a sede nova fica em olinda".split())
    2
    """
    best, lengths = 0, [0] * (len(words) + 1)
    for word in source:
        lengths = [0, *(lengths[i] + 1 if other == word else 0 for i, other in enumerate(words))]
        best = max(best, *lengths)
    return best
