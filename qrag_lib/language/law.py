"""The structure of legal texts, Brazilian ones first: where each provision begins and how far it reaches.

livro, título, capítulo, seção, subseção > artigo or cláusula > parágrafo > inciso > alínea; and numbered sections, 4.2
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from qrag_lib.language.analysis import fold
from qrag_lib.language.numerals import ORDINAL, ROMAN, number_of

ARTICLE: Final = 5  # depth of an article; what is above it are divisions
DEPTHS: Final = {
    "liv": 0,
    "tit": 1,
    "cap": 2,
    "sec": 3,
    "sub": 4,
    "art": ARTICLE,
    "cla": ARTICLE,
    "par": 6,
    "inc": 7,
    "ali": 8,
}
_PORTUGUESE = {"livro": "liv", "titulo": "tit", "capitulo": "cap", "secao": "sec", "subsecao": "sub"}
_ENGLISH = {"title": "tit", "chapter": "cap", "section": "sec", "subsection": "sub"}
DIVISIONS: Final = {**_PORTUGUESE, **_ENGLISH}
FIGURES: Final = r"\d{1,3}(?:\.\d{3})*"
_NUMBER = rf"(?:{FIGURES}|{ORDINAL}|(?:{ROMAN})\b)"
SOLE: Final = "unic[oa]"

_HEADING = r"(?=[*_]*(?:[.:–—-][*_]*[^\S\n]|[^\n.;]{0,80}$))"  # what follows the number of a heading, of a section
# At the beginning of a line, whatever marks of Markdown stand before it; read in lower case, without accents
_BEGINNING = re.compile(
    rf"^(?:[^\S\n]|[>#*_])*(?:(?P<division>{'|'.join(_PORTUGUESE)})[^\S\n]+(?P<n0>{_NUMBER}|{SOLE})\b"
    rf"|(?P<english>{'|'.join(_ENGLISH)}|article)[^\S\n]+(?P<n1>{FIGURES}|(?:{ROMAN})\b){_HEADING}"
    rf"|art(?:igo)?\.?[^\S\n]*(?P<art>{FIGURES})(?:o(?![a-z]))?(?P<la>-[a-z]\b)?"
    rf"|clausula[^\S\n]+(?P<cla>{_NUMBER})a?\b"
    rf"|§[^\S\n]*(?P<par>{FIGURES})(?:o(?![a-z]))?(?P<lp>-[a-z]\b)?"
    rf"|paragrafo[^\S\n]+(?P<pw>{SOLE}|{ORDINAL})\b"
    rf"|(?P<inc>{ROMAN})(?P<li>-[a-z]\b)?[*_]*[^\S\n]*[-–—)][^\S\n]"
    r"|(?P<ali>[a-z])\)[*_]*[^\S\n])",
    re.MULTILINE,
)
_CAPITAL = re.compile(r"(?:[^\S\n]|[>#*_])*[A-ZÁÉÍÓÚÂÊÔÃÕÇ§]")


@dataclass(frozen=True, slots=True)
class Provision:
    """One provision. term: its index term, with the article above it: art:5/inc:2. start: its first character.

    start is -1 where it began above. depth: 0 for a livro, ARTICLE for an article or clause, more below it.
    """

    term: str
    start: int
    depth: int


def provisions(text: str, above: Iterable[str] = ()) -> Iterator[Provision]:
    """The provisions in the order of the text. above: headings that the text stands under, which count too.

    >>> [p.term for p in provisions("Art. 3º São deveres:\\n\\nI - limpar;\\n\\nII - varrer.")]
    ['art:3', 'art:3/inc:1', 'art:3/inc:2']
    """
    open_: dict[int, str] = {}
    for heading in above:
        for found in _begun(heading, open_):
            yield Provision(found.term, -1, found.depth)
    yield from _begun(text, open_)


def _begun(text: str, open_: dict[int, str]) -> Iterator[Provision]:
    plain = plain_letters(text)
    for match in _BEGINNING.finditer(plain):
        kind, number = _read(match)
        if not number or (kind != "ali" and not _CAPITAL.match(text, match.start())):
            continue
        depth = DEPTHS[kind]
        if depth > ARTICLE and ARTICLE not in open_:
            continue
        for deeper in [each for each in open_ if each >= depth]:
            del open_[deeper]
        open_[depth] = f"{kind}:{number}"
        term = open_[depth] if depth <= ARTICLE else "/".join(open_[each] for each in sorted(open_) if each >= ARTICLE)
        yield Provision(term, match.end() - len(match[0].lstrip()), depth)


def plain_letters(text: str) -> str:
    """In lower case and without accents, letter for letter."""
    lower = text.lower()
    if len(lower) != len(text):  # İ and its like
        lower = "".join(low if len(low := c.lower()) == 1 else c for c in text)
    return "".join(_LETTERS.get(c, c) for c in lower) if not lower.isascii() else lower


_LETTERS = {c: fold(c) for c in "áàâãäéèêëíìîïóòôõöúùûüçñ"} | {"º": "o", "°": "o", "ª": "a"}


def _read(match: re.Match[str]) -> tuple[str, str]:
    """Kind and number of what begins there, "" for a number that is none."""
    group = match.groupdict()
    if group["division"]:
        return DIVISIONS[group["division"]], numbered_as(group["n0"])
    if group["english"]:
        return DIVISIONS.get(group["english"], "art"), numbered_as(group["n1"])
    if group["art"]:
        return "art", numbered_as(group["art"], group["la"])
    if group["cla"]:
        return "cla", numbered_as(group["cla"])
    if group["par"] or group["pw"]:
        return "par", numbered_as(group["par"] or group["pw"], group["lp"])
    return ("inc", numbered_as(group["inc"], group["li"])) if group["inc"] else ("ali", group["ali"])


def numbered_as(written: str, letter: str | None = None) -> str:
    """The number of a provision as its term has it, "" for what is no number.

    >>> numbered_as("1.024"), numbered_as("unico"), numbered_as("v", "-a")
    ('1024', 'u', '5-a')
    """
    number = "u" if re.fullmatch(SOLE, written) else number_of(written)
    return f"{number}{letter or ''}" if number else ""


# -- numbered sections ---------------------------------------------------------------------

_NUMBERED = re.compile(
    r"^(?:[^\S\n]|[>#*_])*(?P<number>\d{1,2}(?:\.\d{1,2}){1,4}|(?<=# )\d{1,2})\.?[^\S\n]+[*_]*(?=[^\W\d_])",
    re.MULTILINE,
)


def numbered_sections(text: str, above: Iterable[str] = ()) -> Iterator[Provision]:
    """Sections and clauses that are known by a number with points, and headings by a number alone.

    above: headings that the text stands under, which count too.

    >>> [each.term for each in numbered_sections("4.2 Methods", ["4 What was done"])]
    ['sec:4', 'sec:4.2']
    """
    for heading in above:
        for match in _NUMBERED.finditer(f"# {heading}"):
            yield Provision(f"sec:{match['number']}", -1, DEPTHS["sec"])
    for match in _NUMBERED.finditer(text):
        start = match.end() - len(match[0].lstrip())
        if _CAPITAL.match(text, match.end()):
            yield Provision(f"sec:{match['number']}", start, DEPTHS["sec"])


def stretches(text: str, above: Sequence[str], term: str) -> list[tuple[int, int]]:
    """Where the provision with this term stands in the text, which stands under the headings `above`."""
    return [
        *_reaches(list(provisions(text, above)), text, term),
        *_reaches(list(numbered_sections(text, above)), text, term),
    ]


def _reaches(found: Sequence[Provision], text: str, term: str) -> Iterator[tuple[int, int]]:
    for i, each in enumerate(found):
        if each.term == term:
            ends = (o.start for o in found[i + 1 :] if o.start >= 0 and not _is_below(o, each))
            yield max(0, each.start), next(ends, len(text))


def _is_below(one: Provision, other: Provision) -> bool:
    return one.depth > other.depth or one.term.startswith(f"{other.term}.")
