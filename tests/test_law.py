"""Provisions of Brazilian legal texts, and the questions that name them."""

from __future__ import annotations

import time

import pytest

from qrag_lib.language.law import provisions, reference_terms

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
    ("question", "last"),
    [
        ("O que diz o artigo 4 do código de obras?", "art:4"),
        ("o que diz o art. 4º?", "art:4"),
        ("e o artigo quarto?", "art:4"),
        ("E o inciso II do art. 3º?", "art:3/inc:2"),
        ("art. 3º, II", "art:3/inc:2"),
        ("art 5 LXXVIII", "art:5/inc:78"),
        ("inciso quarto do artigo 7o", "art:7/inc:4"),
        ("parágrafo único do artigo 12", "art:12/par:u"),
        ("artigo 12, parágrafo primeiro", "art:12/par:1"),
        ("art. 37, § 6º", "art:37/par:6"),
        ("§ 2º do art 7", "art:7/par:2"),
        ("alínea b do inciso III do art. 150", "art:150/inc:3/ali:b"),
        ("art. 150, III, b", "art:150/inc:3/ali:b"),
        ("art. 5º, caput, inciso XI", "art:5/inc:11"),
        ("artigo 146-A", "art:146-a"),
        ("artigo 1.024 do código civil", "art:1024"),
        ("capítulo III", "cap:3"),
        ("cláusula terceira", "cla:3"),
        ("cláusula 3ª", "cla:3"),
    ],
)
def test_a_question_names_a_provision(question: str, last: str) -> None:
    assert reference_terms(question)[-1] == last


def test_several_articles_are_each_named() -> None:
    assert reference_terms("arts. 5º, 6º e 7º da CF") == ["art:5", "art:6", "art:7"]


@pytest.mark.parametrize(
    "question", ["qual artigo fala de férias?", "o que é arte?", "o inciso II", "como vai o artigo?", "parte 4", ""]
)
def test_a_question_that_names_none(question: str) -> None:
    assert reference_terms(question) == []


@pytest.mark.parametrize("text", ["art. 5º, " * 20_000, "§ " * 50_000, " " * 200_000, "\n*" * 100_000, "xl" * 50_000])
def test_long_texts_are_read_in_linear_time(text: str) -> None:
    begun = time.process_time()
    list(provisions(text))
    reference_terms(text)
    assert time.process_time() - begun < 5
