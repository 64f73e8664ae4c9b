"""Words one letter away are understood where nothing is held by the word as it was typed."""

from __future__ import annotations

from pathlib import Path

import pytest
from word_corpus import WordCorpus

from qrag_lib.language import detect
from qrag_lib.search.retrieve import make_query
from qrag_lib.search.typos import neighbours, reworded

TEXTS = {
    "licenca": "A licença-maternidade dura cento e vinte dias.",
    "zuleica": "A relatora Zuleica Brás preside a câmara de ruídos.",
    "biblioteca": "A biblioteca abre às oito horas e empresta livros.",
    "boats": "The harbour master keeps the register of boats.",
}


@pytest.fixture
def corpus(tmp_path: Path) -> WordCorpus:
    return WordCorpus(tmp_path, TEXTS)


@pytest.mark.parametrize(
    ("question", "document"),
    [
        ("licensa maternidade", "licenca"),  # another letter
        ("licenca maternidade", "licenca"),  # accents left out
        ("quem é a zulieca?", "zuleica"),  # two exchanged
        ("quem é a zuleika?", "zuleica"),
        ("que horas abre a bibliotca?", "biblioteca"),  # one left out
        ("que horas abre a bibliotteca?", "biblioteca"),  # one more
        ("who keeps the registr of baots?", "boats"),
    ],
)
def test_a_word_one_letter_away_is_found(corpus: WordCorpus, question: str, document: str) -> None:
    assert corpus.search(question)[0].chunk.document_id == document


@pytest.mark.parametrize("question", ["xilofone", "brax", "zuulleica", "7894561"])
def test_words_farther_away_short_ones_and_numbers_stay_as_they_are(corpus: WordCorpus, question: str) -> None:
    assert not corpus.search(question)


def test_a_word_that_the_passages_hold_is_never_changed(corpus: WordCorpus) -> None:
    query = make_query(corpus.catalog, corpus.index, "a biblioteca da camara", "pt", None, "lexical")
    assert query.meant == {}


def test_the_word_that_was_read_instead_is_told(corpus: WordCorpus) -> None:
    question = "a bibliotca da zuleica"
    query = make_query(corpus.catalog, corpus.index, question, detect(question), None, "lexical")
    assert query.meant == {"bibliotca": "biblioteca"}


def test_at_most_three_words_are_read_otherwise(corpus: WordCorpus) -> None:
    question = "zuleika bibliotca licensa presidde camarra"
    assert len(make_query(corpus.catalog, corpus.index, question, "pt", None, "lexical").meant) == 3


def test_every_neighbour_is_one_letter_away() -> None:
    near = set(neighbours("prazo"))
    assert {"prao", "parzo", "prezo", "prazzo", "praz", "prazos"} <= near
    assert "prazo" not in {word for word in near if len(word) < 5} and all(4 <= len(word) <= 6 for word in near)


def test_only_the_whole_word_is_exchanged() -> None:
    assert reworded("casas e casa", {"casa": "coisa"}) == "casas e coisa"
