"""A question that names a provision is answered from it."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_legal import CODE
from word_corpus import WordCorpus

from qrag_lib.answer.quoted.quotes import quote
from qrag_lib.search.named_provisions import INSIDE, OTHER, named_by
from qrag_lib.types import Answer, Chunk

NOISE = "Art. 1º Toda feira depende de alvará.\n\nArt. 4º A barraca tem três metros."
COUNTED_TWICE = (
    f"{CODE}\n\n# Ato das Disposições Transitórias\n\nArt. 1º O alvará de antes vale um mês.\n\nArt. 2º A taxa cai."
)
MANUAL = """# 4 Métodos

## 4.1 Poços

O poço foi medido.

## 4.2 Rios

O rio Jacu foi medido em maio.

## 4.3 Açudes

O açude secou."""


def chunk(text: str, start: int = 0, name: str = "lei", headings: tuple[str, ...] = ()) -> Chunk:
    return Chunk(f"{name}#{start}", name, name, 0, text, start, start + len(text), headings, None, "pt", {})


def answer(folder: Path, question: str, **texts: str) -> Answer:
    corpus = WordCorpus(folder, texts)
    return quote(question, corpus.search(question, 10), texts.__getitem__)


def first(folder: Path, question: str, **texts: str) -> str:
    return WordCorpus(folder, texts, chunk_size=20).search(question, 1)[0].chunk.text


def test_where_a_provision_begins_leads_before_where_it_goes_on() -> None:
    begins, inside = chunk("Art. 3º São deveres:"), chunk("IV - pagar.", 99, headings=("Art. 3º",))
    assert named_by("o que diz o artigo 3?", [begins, inside, chunk("Ver o art. 3º.")]).tolist() == [1, INSIDE, 0]


def test_of_two_texts_the_one_whose_title_the_question_names_leads() -> None:
    chunks = [
        chunk("Art. 4º A barraca.", name="feiras"),
        chunk("Art. 4º A multa.", name="obras", headings=("Código de Obras",)),
    ]
    assert named_by("artigo 4 do código de obras", chunks).tolist() == [OTHER, 1]
    assert named_by("artigo 4 da lei das feiras", chunks).tolist() == [1, OTHER]
    assert named_by("artigo 4", chunks).tolist() == [1, 1]


def test_of_two_counts_in_a_text_the_first_leads_unless_the_other_is_named(tmp_path: Path) -> None:
    annex = ("Ato das Disposições Constitucionais Transitórias",)
    chunks = [chunk("Art. 2º Poderes."), chunk("Art. 2º Plebiscito.", 500, headings=annex)]
    assert named_by("art. 2º", chunks).tolist() == [1, OTHER]
    assert named_by("art. 2º do ADCT", chunks).tolist() == [OTHER, 1]
    assert named_by("art. 2º das disposições transitórias", chunks).tolist() == [OTHER, 1]
    assert "dois anos" in first(tmp_path, "o que diz o artigo 2?", lei=COUNTED_TWICE)


def test_what_an_article_does_not_have_is_looked_for_in_the_article() -> None:
    chunks = [chunk("Art. 3º São deveres:\n\nI - pagar."), chunk("Art. 4º A multa.", 99)]
    assert named_by("inciso IX do art. 3º", chunks).tolist() == [1, 0]
    assert named_by("inciso I do art. 9º", chunks).tolist() == [0, 0]


def test_nothing_changes_for_a_question_that_names_none() -> None:
    assert named_by("qual é a multa?", [chunk("Art. 3º A multa é de dez reais.")]).tolist() == [0]


@pytest.mark.parametrize(
    ("question", "quote"),
    [
        ("O que diz o artigo 4?", "Art. 4º A multa é de mil reais."),
        ("O que diz o inciso II do art. 3º?", "II - sinalizar a via;"),
        ("art. 3º, parágrafo único", "Parágrafo único. O gesso vai para o aterro."),
        ("Mostre o texto do art. 2 do código", "Art. 2º O alvará vale por dois anos."),
    ],
)
def test_what_is_asked_for_by_its_number_alone_is_quoted_as_it_is_read(
    tmp_path: Path, question: str, quote: str
) -> None:
    given = answer(tmp_path, question, codigo=CODE)
    assert given.outcome == "sure" and given.citations[0].quote == quote


def test_an_article_is_quoted_with_what_it_lists(tmp_path: Path) -> None:
    quote = answer(tmp_path, "o que diz o artigo 3?", codigo=CODE).citations[0].quote
    assert quote.startswith("Art. 3º") and "tapumes" in quote and "via" in quote and "Art. 4º" not in quote


def test_a_section_is_known_by_its_number(tmp_path: Path) -> None:
    rivers, notes = "## 4.2 Rios\n\nO rio Jacu foi medido em maio.", "Ver o que diz a section 4.2, diz a nota."
    assert "Jacu" in first(tmp_path, "what does section 4.2 say?", rivers=rivers, notes=notes)


def test_a_section_is_quoted_by_its_number(tmp_path: Path) -> None:
    assert "Jacu" in answer(tmp_path, "o que diz a seção 4.2?", manual=MANUAL).citations[0].quote


def test_a_question_about_a_provision_is_answered_inside_it(tmp_path: Path) -> None:
    given = answer(tmp_path, "qual é o prazo do alvará no artigo 2?", codigo=COUNTED_TWICE)
    assert given.citations[0].quote == "Art. 2º O alvará vale por dois anos."


def test_two_texts_with_that_article_make_nothing_sure(tmp_path: Path) -> None:
    given = answer(tmp_path, "o que diz o artigo 4?", codigo=CODE, feiras=NOISE)
    assert given.outcome == "unsure" and len({c.document_id for c in given.citations}) == 2


@pytest.mark.parametrize("question", ["o que diz o artigo 4 do código penal?", "o que diz o artigo 4 da lei 8.112?"])
def test_the_article_of_another_law_is_not_given_as_sure(tmp_path: Path, question: str) -> None:
    assert answer(tmp_path, question, codigo=CODE).outcome != "sure"
