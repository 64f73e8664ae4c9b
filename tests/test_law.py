"""Provisions of legal texts, and how far each of them reaches."""

from __future__ import annotations

import time

import pytest

from qrag_lib.language.law import numbered_sections, provisions, stretches

LAW = """TÍTULO I
Das Disposições Gerais

CAPÍTULO II - Do Porto

**Art. 1º** O porto abre às seis horas.

Art. 2º São deveres do mestre:
  I - acender o farol;
  II – anotar no livro:
    a) a hora da saída;
    b) a carga.

§ 1o O livro fica na capitania.

Parágrafo único. O farol se apaga ao sol.

Art. 2o-A. O mestre usa colete.

Art. 1.024. Revoga-se o regimento."""


def test_each_provision_is_known_by_the_article_above_it() -> None:
    assert [each.term for each in provisions(LAW)] == [
        "tit:1",
        "cap:2",
        "art:1",
        "art:2",
        "art:2/inc:1",
        "art:2/inc:2",
        "art:2/inc:2/ali:a",
        "art:2/inc:2/ali:b",
        "art:2/par:1",
        "art:2/par:u",
        "art:2-a",
        "art:1024",
    ]


def test_a_provision_begins_with_its_first_character() -> None:
    starts = {each.term: LAW[each.start :].split()[0] for each in provisions(LAW)}
    assert starts["art:1"] == "**Art." and starts["art:2/inc:2/ali:b"] == "b)" and starts["tit:1"] == "TÍTULO"


def test_headings_above_a_passage_name_its_article() -> None:
    found = [each.term for each in provisions("II - anotar no livro.", ["CAPÍTULO II", "Art. 2º", "§ 3º"])]
    assert found == ["cap:2", "art:2", "art:2/par:3", "art:2/par:3/inc:2"]


@pytest.mark.parametrize(
    "text",
    [
        "I - um item de lista",  # no article above
        "a) outro item",
        "conforme o\nart. 5º da lei anterior",  # a line that wraps
        "Arte 5\nArtur 7\nCapital X",
        "O capítulo 3 trata disso.",
    ],
)
def test_what_only_looks_like_a_provision_is_none(text: str) -> None:
    assert list(provisions(text)) == []


@pytest.mark.parametrize(
    "text", ["art. 5º, " * 20_000, "§ " * 50_000, " " * 200_000, "\n*" * 100_000, "xl" * 50_000, "1.1 " * 50_000]
)
def test_long_texts_are_read_in_linear_time(text: str) -> None:
    begun = time.process_time()
    list(provisions(text))
    list(numbered_sections(text))
    assert time.process_time() - begun < 5


def test_english_laws_have_articles_and_sections() -> None:
    text = "CHAPTER II\nPrinciples\n\nArticle 5\nLawfulness\n\nThe data are kept.\n\nSection 7. The fee is due."
    assert [each.term for each in provisions(text)] == ["cap:2", "art:5", "sec:7"]
    assert not list(provisions("Section 4 presents the results of all that was tried. Article 5 of the law is cited."))


def test_numbered_sections_and_clauses_are_known_by_their_number() -> None:
    text = "# 4 Methods\n\n## 4.2 Samples\n\nTen were taken.\n\n4.2.1. O CONTRATADO paga.\n\n10 ovos\n\n2.5 mm de chuva"
    assert [each.term for each in numbered_sections(text)] == ["sec:4", "sec:4.2", "sec:4.2.1"]
    assert [each.term for each in numbered_sections("Ten were taken.", ["4 Methods", "4.2 Samples"])] == [
        "sec:4",
        "sec:4.2",
    ]


def stretch(text: str, term: str, *above: str) -> list[str]:
    return [" ".join(text[start:end].split()) for start, end in stretches(text, above, term)]


def test_a_provision_reaches_to_the_next_that_is_not_below_it() -> None:
    assert stretch(LAW, "art:2/inc:2") == ["II – anotar no livro: a) a hora da saída; b) a carga."]
    assert stretch(LAW, "art:1") == ["**Art. 1º** O porto abre às seis horas."]
    assert stretch("fim do caput. II - outra.", "art:3", "Art. 3º") == ["fim do caput. II - outra."]
    assert stretch("4.2 Casa\n\nAlta.\n\n4.2.1 Teto\n\n4.3 Rua", "sec:4.2") == ["4.2 Casa Alta. 4.2.1 Teto"]
