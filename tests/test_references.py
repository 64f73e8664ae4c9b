"""Questions that name provisions."""

from __future__ import annotations

import time

import pytest

from qrag_lib.language.references import reference_terms, references, without_references


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
        ("what does section 4.2 say?", "sec:4.2"),
        ("o que diz o item 5.1.3?", "sec:5.1.3"),
        ("cláusula 4.2 do contrato", "sec:4.2"),
        ("section 4", "sec:4"),
        ("Article 6 of the regulation", "art:6"),
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


def test_a_division_is_part_of_the_path_of_what_stands_in_it() -> None:
    assert references("o artigo 5 do capítulo II do título III") == [("tit:3", "cap:2", "art:5")]
    assert references("artigos 4 e 6 do título I") == [("tit:1", "art:4"), ("tit:1", "art:6")]
    assert references("capítulo II do título III") == [("tit:3", "cap:2")]


def test_the_rest_of_a_question_is_what_names_no_provision() -> None:
    rest = without_references("Qual a multa do inciso II do art. 3º, § 1º, da lei de obras?")
    assert rest.split() == ["Qual", "a", "multa", "do", "do", ",", ",", "da", "lei", "de", "obras?"]


@pytest.mark.parametrize(
    "text", ["art. 5º, " * 20_000, "§ " * 50_000, "xl" * 50_000, "4.2" * 50_000, "section 4." * 9_000]
)
def test_long_questions_are_read_in_linear_time(text: str) -> None:
    begun = time.process_time()
    reference_terms(text)
    without_references(text)
    assert time.process_time() - begun < 5
