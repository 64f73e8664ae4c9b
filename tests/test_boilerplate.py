"""What documents carry beside what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from qrag_lib.answer.sentences.boilerplate import boilerplate, is_boilerplate, kind_of_text
from qrag_lib.documents.limits import Limits
from qrag_lib.documents.readers.markup import html, markdown

PROSE = [
    "A ponte foi feita em 1901 por Ana Prado (SILVA et al., 2010, p. 12-15) e tem doze arcos.",
    "Segundo Souza (2009), disponível em: site da prefeitura, o rio é largo. Veja também In: Anais, v. 3, n. 2.",
    "1. Entregar o formulário até 10 de maio de 2024.",
    "A licença maternidade é de cento e vinte dias, nos termos da lei.",
    "O telefone da portaria é (81) 3222-1111.",
    "- arroz",
    "Cidade\tVagas\tPrefixo",
    "Espere um pouco...",
    "Home office é permitido às sextas.",
    "Leia [a lei](lei.md) antes de assinar.",
]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("2.1 Materiais e métodos ............ 12", "contents"),
        ("Introdução . . . . . . . . . . iv", "contents"),
        ("SILVA, J. A. et al. O rio e a ponte. 2. ed. Recife: Cais, 2010. p. 3-10.", "references"),
        ("[12] Doe J, Roe A, et al. On bridges. J Civ Eng. 2013;23(4):1-9. doi:10.1/x", "references"),
        ("Rua do Sol, 10, Recife, CEP 50000-000, Tel.: (81) 3222-1111, www.exemplo.org", "letterhead"),
        ("Copyright (c) 2020 Ana Prado. All rights reserved.", "licence"),
        ("Início | Sobre | Notícias | Contato | Mapa do site", "navigation"),
        *((text, "") for text in PROSE),
    ],
)
def test_a_block_is_known_by_its_form(text: str, kind: str) -> None:
    assert kind_of_text(text) == kind


def test_a_run_proves_what_one_line_does_not() -> None:
    index = "abacate, 12, 40\nbanana, 3, 7-9\ncaju, 5, 81\n"
    assert {each.kind for each in boilerplate(index)} == {"index"} and boilerplate("abacate, 12, 40") == []
    links = "\n".join(f"- [Capítulo {n}](c{n}.md)" for n in range(5))
    assert {each.kind for each in boilerplate(links)} == {"navigation"} and boilerplate("- [Capítulo](c.md)") == []


def test_a_sentence_of_a_reference_is_known_by_the_entry_around_it() -> None:
    text = "O rio é largo.\n\nSILVA, J. O rio e a ponte. 2. ed. Recife: Cais, 2010. p. 3-10.\n\nA ponte é alta."
    start = text.index("O rio e a ponte.")
    assert is_boilerplate(text, (start, start + 16))
    assert not is_boilerplate(text, (0, 14)) and not is_boilerplate(text, (len(text) - 15, len(text)))


def test_hostile_text_takes_linear_time() -> None:
    for piece in (".", "a, 1", "[a](b) ", "A.", " | ", "_", "A-", "1. "):
        boilerplate(piece * (200_000 // len(piece)))


def test_real_papers_have_references_and_real_laws_have_none(shared_data: Path) -> None:
    paper = html.read((shared_data / "files/good/scielo-bakhtiniana.html").read_bytes(), Limits()).text
    found = [each for each in boilerplate(paper) if each.kind == "references"]
    assert len(found) > 20 and min(each.start for each in found) > len(paper) // 2
    law = markdown.read((shared_data / "docs/constituicao-pt/CONSTITUICAO.md").read_bytes(), Limits()).text
    assert boilerplate(law) == []
