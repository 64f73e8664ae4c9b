"""A word of a question that no passage holds, read as the word one letter away that passages do hold.

A word has some 500 neighbours one letter away; each is looked up in the index's vocabulary by itself,
so that the cost is that of the word and not of the corpus: about 10 ms.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from string import ascii_lowercase
from typing import Final

from qrag_lib.catalog import Catalog, Index
from qrag_lib.language import fold, terms, words
from qrag_lib.search.lexical import Frequencies, frequencies

SHORTEST: Final = 5  # letters; below, too many words are neighbours
LONGEST: Final = 24
MOST: Final = 3  # words of one question


def neighbours(word: str) -> Iterator[str]:
    """The words one letter away: one left out, two exchanged, one another, one more.

    >>> {"mesma", "messa", "emsa", "meas"} & set(neighbours("mesa")) == {"mesma", "messa", "emsa", "meas"}
    True
    """
    for i in range(len(word) + 1):
        head, tail = word[:i], word[i:]
        if tail:
            yield head + tail[1:]
        if len(tail) > 1 and tail[0] != tail[1]:
            yield head + tail[1] + tail[0] + tail[2:]
        for letter in ascii_lowercase:
            if tail and letter != tail[0]:
                yield head + letter + tail[1:]
            yield head + letter + tail


def meant_words(
    catalog: Catalog, index: Index, question: str, languages: Iterable[str], known: Frequencies
) -> dict[str, str]:
    """For words of the question that the index does not know, the word that was meant, in lower case without accents.

    languages: of the question and of the texts. known: of the question's own terms.
    """
    spoken = list(languages)
    meant: dict[str, str] = {}
    for word in dict.fromkeys(words(question)):
        plain = fold(word.lower())
        if len(meant) == MOST or not _is_long_word(plain) or not _unknown(word, spoken, index, known):
            continue
        if nearest := _nearest(catalog, index, plain, spoken):
            meant[word] = nearest
    return meant


def _is_long_word(plain: str) -> bool:
    return SHORTEST <= len(plain) <= LONGEST and plain.isascii() and plain.isalpha()


def _unknown(word: str, languages: Iterable[str], index: Index, known: Frequencies) -> bool:
    held = [term for each in languages for term in terms(word, each, index.config.analyzer)]
    return bool(held) and not any(known.in_chunks.get(term) for term in held)


def _nearest(catalog: Catalog, index: Index, word: str, languages: Iterable[str]) -> str:
    """The neighbour that most passages hold; one with the same first letter before any other."""
    near = {
        term: neighbour
        for neighbour in dict.fromkeys(neighbours(word))
        for language in languages
        for term in terms(neighbour, language, index.config.analyzer)[:1]
    }
    held = frequencies(catalog, index.id, near).in_chunks
    best = max(held, key=lambda term: (near[term][:1] == word[:1], held[term], term), default="")
    return near.get(best, "")


def reworded(question: str, meant: Mapping[str, str]) -> str:
    """The question with the words that were meant in place of those that were typed."""
    for typed, word in meant.items():
        question = re.sub(rf"(?<!\w){re.escape(typed)}(?!\w)", word, question)
    return question
