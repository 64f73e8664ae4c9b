"""Text that documents carry beside what they say: reference lists, contents, letterheads, menus, licences, indexes.

Known by its form alone, block by block, and rather missed than taken for one: what is found here answers a
question only when nothing else does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final, Literal, NamedTuple

from qrag_lib.language import blocks

Kind = Literal["", "references", "contents", "letterhead", "navigation", "licence", "index"]

_AROUND: Final = 1_500  # characters on both sides of a sentence that tell what it stands in
_LONGEST: Final = 1_500  # characters of a block that are looked at
_LETTERHEAD, _ENTRY, _LICENCE = 300, 700, 1_200  # characters of an address, a reference, a notice at most
_IN_A_ROW: Final = {"references": 2, "navigation": 4, "index": 3}  # blocks where one alone proves nothing

# Lines that end with leader dots and the number of a page; lines that name pages.
_CONTENTS = re.compile(
    r"(?<![.…·])(?<!\.[ \t])(?:\.{4,}|(?:\.[ \t]){4,}\.?|…{2,}|·{4,})[ \t]{0,9}(?:\d{1,4}|[ivxlc]{1,7})[ \t]*$",
    re.MULTILINE,
)
_INDEX = re.compile(r"^[^\n.;:|\t,]{2,60}(?:, \d{1,4}(?:[-–]\d{1,4})?n?){2,}\.?$", re.MULTILINE)
_ONLY_LINKS = re.compile(r"[\s>]*(?:(?:[-*+•]|\d{1,3}[.)])\s+)?!?\[[^\[\]\n]{1,120}\]\([^()\s]{1,300}\)[\s|·,.;*]*\Z")
_BETWEEN = re.compile(r"\s+[|·•>›»/]\s+|\n")
_SIGNS_OF_REFERENCES = tuple(
    re.compile(sign)
    for sign in (
        r"\A[\W_]*(?:\d{1,3}[\].]\s*)?[A-ZÀ-Ý][A-ZÀ-Ý'’ -]{2,40},\s+[A-ZÀ-Ý]",  # SILVA, J.
        r"\A[\W_]*(?:\d{1,3}[\].]\s*)?[A-ZÀ-Ý][\wÀ-ÿ'’-]{1,30},?\s+(?:[A-ZÀ-Ý]{1,3}\b|(?:[A-ZÀ-Ý]\.\s?){1,3})\s?[,;.&(]",
        r"\bet al\b",
        r"(?i:\bdoi\b\s*:|doi\.org/|\bISBN\b|\bISSN\b|\barXiv:)",
        r"(?i:\bpp?\.\s?\d{1,5}\s?[-–]\s?\d{1,5}|\bv(?:ol)?\.\s?\d{1,4},\s?(?:n|no|nº|iss)\.?\s?\d)"
        r"|\b\d{1,4}\s?\(\d{1,4}\)\s?[:,]\s?\d{1,5}[-–]\d",
        r"\((?:1[89]|20)\d\d[a-z]?\)|[,.;]\s(?:1[89]|20)\d\d[a-z]?\s?[.;:]",
        r"(?i:dispon[íi]vel em:?\s|acesso em:?\s|available at|accessed|retrieved from)",
        r"\bIn:\s|\b[Ee]d(?:s|itora|itors?)?\.|\bUniversity Press\b|\bTese\b|\bDissertação\b|\bProc(?:eedings|\.)",
    )
)
# What an entry of a reference list begins with: its number or bullet, else its author (the first two signs).
_NUMBERED = re.compile(r"\s*(?:[-*•]|\[?\d{1,3}[\].])\s")
_SIGNS_OF_ADDRESS = tuple(
    re.compile(sign, re.IGNORECASE)
    for sign in (
        r"\b\d{5}-\d{3}\b|\bCEP\b|\b[A-Z]{2} \d{5}\b",
        r"\b(?:tel|fone|telefone|phone|fax|pabx)\b|\(\d{2,3}\)\s?\d{4,5}[- .]?\d{4}\b",
        r"[\w.+-]{1,60}@[\w-]{1,60}\.\w",
        r"\bwww\.|https?://",
        r"\b(?:rua|av\.|avenida|praça|rodovia|travessa|street|road|suite|p\.?o\.? box|caixa postal|esplanada)\s",
        r"\bCNPJ\b",
    )
)
_SIGNS_OF_LICENCE = tuple(
    re.compile(sign, re.IGNORECASE)
    for sign in (
        r"permission is hereby granted|redistributions? (?:of|in)\b|free of charge, to any person",
        r"without warrant|[\"“]as is[\"”]|sem garantias?",
        r"all rights reserved|todos os direitos reservados",
        r"\bcopyright\b|\(c\) (?:19|20)\d\d|©",
        r"creative commons|\bCC[ -](?:BY|0)\b|\bCC0\b|\b(?:MIT|Apache|GPL|BSD)\b[^.\n]{0,20}licen[sc]e",
        r"under the terms of",
        r"licen[cç]iad[oa] (?:sob|nos termos)|licensed under|shall not be (?:held )?liable",
        r"reprodução (?:total|parcial)",
    )
)
_MENU = re.compile(
    r"(?:home|in[íi]cio|p[áa]gina inicial|menu|voltar(?: ao topo)?|pr[óo]xim[oa]|anterior|next|previous|prev"
    r"|back(?: to top)?|skip to (?:main )?content|ir para o conte[úu]do|pular para o conte[úu]do|log ?in|sign (?:in|up)"
    r"|entrar|cadastre-se|contatos?|contact(?: us)?|fale conosco|sobre(?: n[óo]s)?|about(?: us)?|mapa do site|sitemap"
    r"|compartilh(?:ar|e)|share|imprimir|print|busca(?:r)?|search|pesquisar|facebook|twitter|instagram|youtube|linkedin"
    r"|whatsapp|english|portugu[êe]s|español|acessibilidade|ouvidoria|transpar[êe]ncia|privacy(?: policy)?"
    r"|terms(?: of (?:use|service))?|cookies|pol[íi]tica de privacidade|termos de uso|edit this page|editar"
    r"|download|rss|faq|newsletter|toggle navigation)",
    re.IGNORECASE,
)


class Stretch(NamedTuple):
    """A stretch of a text, of one kind."""

    start: int
    end: int
    kind: Kind


def kind_of_text(text: str) -> Kind:
    """What one block looks like by itself; "" for ordinary text, and for what only a run of blocks would prove.

    >>> kind_of_text("2.1 Materiais e métodos .......... 12"), kind_of_text("O prazo é de dez dias.")
    ('contents', '')
    """
    found, sure = _look(text[:_LONGEST])
    return found if sure else ""


def boilerplate(text: str, start: int = 0, end: int | None = None) -> list[Stretch]:
    """The stretches of `text[start:end]` that are no text to answer from, in order."""
    end = len(text) if end is None else end
    spans = [(start + a, start + b) for a, b in blocks(text[start:end])]
    looks = [_look(text[a : min(b, a + _LONGEST)]) for a, b in spans]
    return [Stretch(*spans[i], kind) for i, kind in enumerate(_settled(looks)) if kind]


def is_boilerplate(text: str, span: tuple[int, int]) -> bool:
    """True where the stretch stands in boilerplate, by the blocks around it."""
    start, end = span
    return touches(around(text, start, end), span)


def around(text: str, start: int, end: int) -> list[Stretch]:
    """The boilerplate that a passage touches or stands near."""
    left = max(0, start - _AROUND)
    left = max(left, text.find("\n", left, start) + 1) if left else 0
    return boilerplate(text, left, min(len(text), end + _AROUND))


def touches(stretches: Sequence[Stretch], span: tuple[int, int]) -> bool:
    """True where the span lies in one of the stretches, or partly."""
    return any(each.start < span[1] and each.end > span[0] for each in stretches)


def _settled(looks: Sequence[tuple[Kind, bool]]) -> Iterator[Kind]:
    """The kind of each block: what is not sure by itself counts in a long enough run of its kind."""
    for kind, run in groupby(looks, key=lambda look: look[0]):
        found = list(run)
        enough = len(found) >= _IN_A_ROW.get(kind, 1)
        yield from (kind if enough or sure else "" for _kind, sure in found)


def _look(block: str) -> tuple[Kind, bool]:
    """The kind a block looks like, and whether it proves it alone."""
    if 2 * len(_CONTENTS.findall(block)) > block.count("\n"):
        return "contents", True
    entry = _NUMBERED.match(block) or _signs(_SIGNS_OF_REFERENCES[:2], block)
    if entry and len(block) <= _ENTRY and (n := _signs(_SIGNS_OF_REFERENCES, block)) >= 2:
        return "references", n >= 3
    if len(block) <= _LICENCE and _signs(_SIGNS_OF_LICENCE, block) >= 2:
        return "licence", True
    if len(block) <= _LETTERHEAD and _signs(_SIGNS_OF_ADDRESS, block) >= 3:
        return "letterhead", True
    if (n := len(_INDEX.findall(block))) > block.count("\n") // 2:
        return "index", n >= _IN_A_ROW["index"]
    return _menu(block)


def _signs(signs: Sequence[re.Pattern[str]], block: str) -> int:
    """How many of the signs the block has."""
    return sum(sign.search(block) is not None for sign in signs)


def _menu(block: str) -> tuple[Kind, bool]:
    """Entries of a menu: links and nothing else, or the words that pages are found by."""
    if _ONLY_LINKS.match(block):
        return "navigation", False
    entries = [entry.strip(" \t-*+•[]") for entry in _BETWEEN.split(block[:500])]
    named = sum(_MENU.fullmatch(entry) is not None for entry in entries)
    if len(entries) > 2 and named >= 2 and named >= 0.4 * len(entries):
        return "navigation", True
    return ("navigation", False) if named == len(entries) == 1 else ("", True)
