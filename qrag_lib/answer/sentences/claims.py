"""What a sentence states that must agree with its source to the letter: numbers, names, and what it denies."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final

from qrag_lib.answer.sentences.tokens import Reading, Token
from qrag_lib.language import fold

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_GROUPED = re.compile(r"(\d{1,3}(?:([.,])\d{3})(?:\2\d{3})*)(?:[.,](\d{1,2}))?")
_DECIMAL = re.compile(r"(\d+)[.,](\d+)")


def _counted(words: str, values: str) -> dict[str, str]:
    return dict(zip(words.split(), values.split(), strict=True))


# "um", "uma" and "one" are left out: they are articles and pronouns more often than numbers.
_ENGLISH = _counted(
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen twenty thirty forty fifty sixty seventy eighty ninety",
    "2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 30 40 50 60 70 80 90",
)
_PORTUGUESE = _counted(
    "dois duas tres quatro cinco seis sete oito nove dez onze doze treze catorze quatorze quinze dezesseis dezessete "
    "dezoito dezenove vinte trinta quarenta cinquenta sessenta setenta oitenta noventa cem duzentos trezentos "
    "trezentas quatrocentos quinhentos mil",
    "2 2 3 4 5 6 7 8 9 10 11 12 13 14 14 15 16 17 18 19 20 30 40 50 60 70 80 90 100 200 300 300 400 500 1000",
)
WORDED: Final = {**_ENGLISH, **_PORTUGUESE}

_DENIALS: Final = {
    "pt": frozenset(["não", "nao", "nunca", "jamais", "nem", "sem", "nenhum", "nenhuma", "tampouco"]),
    "en": frozenset(["not", "no", "never", "without", "none", "neither", "nor", "cannot"]),
}
_ANY_DENIAL: Final = (_DENIALS["pt"] | _DENIALS["en"]) - {"no"}  # "no" is "em o" in Portuguese


def value(written: str) -> str:
    """A number as it is compared: no marks of thousands, a point before decimals, no idle zeros.

    >>> value("1.234,50"), value("12,000"), value("3,5"), value("007")
    ('1234.5', '12000', '3.5', '7')
    """
    if grouped := _GROUPED.fullmatch(written):
        whole, decimals = re.sub(r"\D", "", grouped[1]), grouped[3] or ""
    elif decimal := _DECIMAL.fullmatch(written):
        whole, decimals = decimal[1], decimal[2]
    elif written.isdigit():
        whole, decimals = written, ""
    else:
        return written.replace(",", ".")  # a version, a section
    return ".".join(part for part in (whole.lstrip("0") or "0", decimals.rstrip("0")) if part)


@dataclass(frozen=True)
class Statement(Reading):
    """A sentence, read once for what must agree."""

    text: str
    language: str

    @cached_property
    def stems(self) -> tuple[str, ...]:
        """Its distinct index terms, in order; numbers, in words too, by their value.

        >>> Statement("Cinco livros, 1.500 leitores", "pt").stems
        ('5', 'livr', '1500', 'leitor')
        """
        return tuple(dict.fromkeys(_term(t) for t in self.tokens if t.stem))

    @cached_property
    def numbers(self) -> frozenset[str]:
        """The values of its numbers, in digits or in words.

        >>> sorted(Statement("Até cinco livros por 15 dias.", "pt").numbers)
        ['15', '5']
        """
        digits = {value(written) for written in _NUMBER.findall(self.text)}
        return frozenset(digits | {WORDED[word] for word in map(fold, self.words) if word in WORDED})

    @cached_property
    def names(self) -> frozenset[str]:
        """Index terms of its names: capitalised inside the sentence, in capitals, or with a digit among letters.

        >>> sorted(Statement("Quem fundou foi Ana Prado, da UFMG.", "pt").names)
        ['ana', 'prad', 'ufmg']
        """
        after = {b.start: a for a, b in pairwise(self.tokens)}
        before = {a.start: b for a, b in pairwise(self.tokens)}
        return frozenset(t.stem for t in self.tokens if t.stem and _is_name(t, after.get(t.start), before.get(t.start)))

    @cached_property
    def denied(self) -> tuple[frozenset[str], ...]:
        """For each word of denial the next two index terms: what is denied."""
        return tuple(
            frozenset([_term(t) for t in self.tokens[i + 1 :] if t.stem][:2])
            for i, token in enumerate(self.tokens)
            if self._denies(token)
        )

    def _denies(self, token: Token) -> bool:
        if token.text in ("t", "T"):  # doesn't, can’t
            return self.text[token.start - 1 : token.start] in ("'", "’")
        return token.text.lower() in _DENIALS.get(self.language, _ANY_DENIAL)


def _term(token: Token) -> str:
    if number := WORDED.get(fold(token.text.lower())):
        return number
    return value(token.text.rstrip("%")) if _NUMBER.fullmatch(token.text.rstrip("%")) else token.stem


def _is_name(token: Token, previous: Token | None, following: Token | None) -> bool:
    word = token.text
    if not word[0].isupper():
        return False
    if previous is not None or (len(word) > 1 and word.isupper()) or any(c.isdigit() for c in word):
        return True
    return following is not None and bool(following.stem) and following.text[0].isupper()


def opposed(claim: Statement, source: Statement, known: Collection[str]) -> bool:
    """True where one denies what the other states.

    known: the index terms of the source.

    >>> a, b = Statement("A taxa pode ser paga.", "pt"), Statement("A taxa não pode ser paga.", "pt")
    >>> opposed(a, b, b.stems), opposed(b, a, a.stems), opposed(a, a, a.stems)
    (True, True, False)
    """
    if claim.denied and not source.denied:
        return any(denied and denied <= set(known) for denied in claim.denied)
    if source.denied and not claim.denied:
        return any(denied and denied <= set(claim.stems) for denied in source.denied)
    return False
