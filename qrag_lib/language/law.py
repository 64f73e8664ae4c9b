"""The structure of Brazilian legal texts: where each provision begins, and what a question refers to.

livro, título, capítulo, seção, subseção > artigo or cláusula > parágrafo > inciso > alínea
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from qrag_lib.language.analysis import fold
from qrag_lib.language.numerals import ORDINAL, ROMAN, number_of

ARTICLE: Final = 5  # depth of an article; what is above it are divisions
_DEPTHS = {
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
_DIVISIONS = {"livro": "liv", "titulo": "tit", "capitulo": "cap", "secao": "sec", "subsecao": "sub"}
_DIVISION = "|".join(_DIVISIONS)
_FIGURES = r"\d{1,3}(?:\.\d{3})*"
_NUMBER = rf"(?:{_FIGURES}|{ORDINAL}|(?:{ROMAN})\b)"
_SOLE = "unic[oa]"

# At the beginning of a line, whatever marks of Markdown stand before it; read in lower case, without accents
_BEGINNING = re.compile(
    rf"^(?:[^\S\n]|[>#*_])*(?:(?P<division>{_DIVISION})[^\S\n]+(?P<n0>{_NUMBER}|{_SOLE})\b"
    rf"|art(?:igo)?\.?[^\S\n]*(?P<art>{_FIGURES})(?:o(?![a-z]))?(?P<la>-[a-z]\b)?"
    rf"|clausula[^\S\n]+(?P<cla>{_NUMBER})a?\b"
    rf"|§[^\S\n]*(?P<par>{_FIGURES})(?:o(?![a-z]))?(?P<lp>-[a-z]\b)?"
    rf"|paragrafo[^\S\n]+(?P<pw>{_SOLE}|{ORDINAL})\b"
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
    plain = _plain(text)
    for match in _BEGINNING.finditer(plain):
        kind, number = _read(match)
        if not number or (kind != "ali" and not _CAPITAL.match(text, match.start())):
            continue
        depth = _DEPTHS[kind]
        if depth > ARTICLE and ARTICLE not in open_:
            continue
        for deeper in [each for each in open_ if each >= depth]:
            del open_[deeper]
        open_[depth] = f"{kind}:{number}"
        term = open_[depth] if depth <= ARTICLE else "/".join(open_[each] for each in sorted(open_) if each >= ARTICLE)
        yield Provision(term, match.end() - len(match[0].lstrip()), depth)


def _plain(text: str) -> str:
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
        return _DIVISIONS[group["division"]], _numbered(group["n0"])
    if group["art"]:
        return "art", _numbered(group["art"], group["la"])
    if group["cla"]:
        return "cla", _numbered(group["cla"])
    if group["par"] or group["pw"]:
        return "par", _numbered(group["par"] or group["pw"], group["lp"])
    return ("inc", _numbered(group["inc"], group["li"])) if group["inc"] else ("ali", group["ali"])


def _numbered(written: str, letter: str | None = None) -> str:
    number = "u" if re.fullmatch(_SOLE, written) else number_of(written)
    return f"{number}{letter or ''}" if number else ""


# -- what a question refers to -------------------------------------------------------------

_N = rf"(?:{_FIGURES}[oa]?(?![a-z\d])(?:-[a-z]\b)?|{ORDINAL}\b|{ROMAN}\b)"
_REFERENCE = re.compile(
    rf"\bart(?:igo)?s?\b\.? ?(?P<art>{_N}(?:(?:, ?| e | a | ao | ou ){_FIGURES}o?(?![a-z\d]))*)"
    rf"|\bclausulas? (?P<cla>{_N}a?)"
    rf"|(?:§§? ?|\bparagrafo |\bpar\. ?)(?P<par>{_SOLE}|{_N})"
    rf"|\b(?:inciso|inc\.?) ?(?P<inc>{_N})"
    rf"|\balinea [\"'“]?(?P<ali>[a-z])\b[\"'”]?"
    rf"|\b(?P<division>{_DIVISION}) (?P<n0>{_N}|{_SOLE})"
    rf"|(?<=[\do,] )(?P<bare_inc>{ROMAN})\b(?!-)|(?<=[ivxlc], )[\"'“]?(?P<bare_ali>[a-z])\b[\"'”]?"
)
_LINK = re.compile(r",? ?(?:caput,? ?)?(?:d[oae]s? ?)?(?:caput ?)?(?:d[oae]s? ?)?")
Mention = tuple[str, list[str]]


def reference_terms(question: str) -> list[str]:
    """The index terms of the provisions that a question names, each after the one that it is a part of.

    >>> reference_terms("E o inciso II do art. 3º?"), reference_terms("art 5 LXXVIII"), reference_terms("artigos 4 e 6")
    (['art:3', 'art:3/inc:2'], ['art:5', 'art:5/inc:78'], ['art:4', 'art:6'])
    """
    terms: list[str] = []
    for chain in _chains(_plain(question)):
        terms += [f"{kind}:{number}" for kind, numbers in chain if _DEPTHS[kind] < ARTICLE for number in numbers]
        articles = [f"{kind}:{n}" for kind, numbers in chain if _DEPTHS[kind] == ARTICLE for n in numbers]
        below = {kind: numbers[0] for kind, numbers in chain if _DEPTHS[kind] > ARTICLE}
        terms += articles
        if len(articles) == 1:
            path = articles[0]
            for kind in sorted(below, key=_DEPTHS.__getitem__):
                terms.append(path := f"{path}/{kind}:{below[kind]}")
    return list(dict.fromkeys(terms))


def _chains(plain: str) -> Iterator[list[Mention]]:
    """Runs of mentions with nothing but "do", "da" or a comma between them."""
    chain: list[Mention] = []
    end = -1
    for match in _REFERENCE.finditer(plain):
        linked = bool(chain) and _LINK.fullmatch(plain, end, match.start()) is not None
        if not linked:
            if match["bare_inc"] or match["bare_ali"]:
                continue
            if chain:
                yield chain
            chain = []
        if mention := _mention(match):
            chain.append(mention)
            end = match.end()
    if chain:
        yield chain


def _mention(match: re.Match[str]) -> Mention | None:
    group = {name: value for name, value in match.groupdict().items() if value}
    kind = next(iter(group))
    if kind == "art":
        numbers = [_referred(part) for part in re.split(r", ?| e | a | ao | ou ", group["art"])]
        return "art", [number for number in numbers if number]
    written = group["n0"] if kind == "division" else group[kind]
    if kind == "division":
        kind = _DIVISIONS[group["division"]]
    kind = kind.removeprefix("bare_")
    number = written if kind == "ali" else _referred(written)
    return (kind, [number]) if number else None


def _referred(written: str) -> str:
    number, dash, letter = written.partition("-") if re.search(r"\d", written) else (written, "", "")
    return _numbered(number.rstrip("oa") if number[:1].isdigit() else number, dash + letter)
