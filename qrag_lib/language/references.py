"""The provisions that a question names: "artigo 4", "art. 3º, II", "§ 2º do art. 10", "section 4.2"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from qrag_lib.language.law import ARTICLE, DEPTHS, DIVISIONS, FIGURES, SOLE, numbered_as, plain_letters
from qrag_lib.language.numerals import ORDINAL, ROMAN

_N: Final = rf"(?:{FIGURES}[oa]?(?![a-z\d])(?:-[a-z]\b)?|{ORDINAL}\b|{ROMAN}\b)"
_AND: Final = r", ?| e | a | ao | ou | and | to | or "
_REFERENCE = re.compile(
    r"(?:\b(?:sec(?:ao|tion|\.)?|clausula|clause|(?:sub)?item|topico)|§) ?"
    r"(?P<dotted>\d{1,2}(?:\.\d{1,2}){1,4})(?!\.?\d)"
    rf"|\bart(?:igo|icle)?s?\b\.? ?(?P<art>{_N}(?:(?:{_AND}){FIGURES}o?(?![a-z\d]))*)"
    rf"|\b(?:clausulas?|clauses?) (?P<cla>{_N}a?)"
    rf"|(?:§§? ?|\bparagrafo |\bparagraph |\bpar\. ?)(?P<par>{SOLE}|{_N})"
    rf"|\b(?:inciso|inc\.?) ?(?P<inc>{_N})"
    rf"|\balinea [\"'“]?(?P<ali>[a-z])\b[\"'”]?"
    rf"|\b(?P<division>{'|'.join(DIVISIONS)}) (?P<n0>{_N}|{SOLE})"
    rf"|(?<=[\do,] )(?P<bare_inc>{ROMAN})\b(?!-)|(?<=[ivxlc], )[\"'“]?(?P<bare_ali>[a-z])\b[\"'”]?"
)
_LINK = re.compile(r",? ?(?:caput,? ?)?(?:d[oae]s? ?)?(?:caput ?)?(?:d[oae]s? ?|of (?:the )?)?")
Mention = tuple[str, list[str]]
Span = tuple[int, int]


def references(question: str) -> list[tuple[str, ...]]:
    """For each provision that a question names its index terms, from the outermost to the named one itself.

    >>> references("E o inciso II do art. 3º?"), references("artigos 4 e 6")
    ([('art:3', 'art:3/inc:2')], [('art:4',), ('art:6',)])
    """
    paths = [path for chain, _spans in _chains(plain_letters(question)) for path in _paths(chain)]
    return list(dict.fromkeys(paths))


def reference_terms(question: str) -> list[str]:
    """The index terms of the provisions that a question names, each after the one that it is a part of.

    >>> reference_terms("E o inciso II do art. 3º?"), reference_terms("art 5 LXXVIII"), reference_terms("artigos 4 e 6")
    (['art:3', 'art:3/inc:2'], ['art:5', 'art:5/inc:78'], ['art:4', 'art:6'])
    """
    return list(dict.fromkeys(term for path in references(question) for term in path))


def without_references(question: str) -> str:
    """The question without the words that name provisions.

    >>> without_references("O que diz o art. 3º da lei?")
    'O que diz o   da lei?'
    """
    spans = [span for _chain, found in _chains(plain_letters(question)) for span in found]
    for start, end in reversed(spans):
        question = f"{question[:start]} {question[end:]}"
    return question


def _paths(chain: list[Mention]) -> Iterator[tuple[str, ...]]:
    """A path for each article or clause of the chain; without one, that of its divisions."""
    outer = [mention for mention in chain if DEPTHS[mention[0]] < ARTICLE]
    divisions = tuple(
        f"{kind}:{n}" for kind, numbers in sorted(outer, key=lambda each: DEPTHS[each[0]]) for n in numbers
    )
    articles = [f"{kind}:{n}" for kind, numbers in chain if DEPTHS[kind] == ARTICLE for n in numbers]
    below = {kind: numbers[0] for kind, numbers in chain if DEPTHS[kind] > ARTICLE}
    if len(articles) != 1:
        yield from ((*divisions, article) for article in articles)
        if divisions and not articles:
            yield divisions
        return
    path = [*divisions, articles[0]]
    for kind in sorted(below, key=DEPTHS.__getitem__):
        path.append(f"{path[-1]}/{kind}:{below[kind]}")
    yield tuple(path)


def _chains(plain: str) -> Iterator[tuple[list[Mention], list[Span]]]:
    """Runs of mentions with nothing but "do", "da" or a comma between them, and where each of them stands."""
    chain: list[Mention] = []
    spans: list[Span] = []
    for match in _REFERENCE.finditer(plain):
        linked = bool(chain) and _LINK.fullmatch(plain, spans[-1][1], match.start()) is not None
        if not linked:
            if match["bare_inc"] or match["bare_ali"]:
                continue
            if chain:
                yield chain, spans
            chain, spans = [], []
        if mention := _mention(match):
            chain.append(mention)
            spans.append(match.span())
    if chain:
        yield chain, spans


def _mention(match: re.Match[str]) -> Mention | None:
    group = {name: value for name, value in match.groupdict().items() if value}
    kind = next(iter(group))
    if kind == "dotted":
        return "sec", [group["dotted"]]
    if kind == "art":
        numbers = [_referred(part) for part in re.split(_AND, group["art"])]
        return "art", [number for number in numbers if number]
    written = group["n0"] if kind == "division" else group[kind]
    if kind == "division":
        kind = DIVISIONS[group["division"]]
    kind = kind.removeprefix("bare_")
    number = written if kind == "ali" else _referred(written)
    return (kind, [number]) if number else None


def _referred(written: str) -> str:
    number, dash, letter = written.partition("-") if re.search(r"\d", written) else (written, "", "")
    return numbered_as(number.rstrip("oa") if number[:1].isdigit() else number, dash + letter)
