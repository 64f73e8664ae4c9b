"""A model's sentence and the sentences of the documents: what stands behind it, and what does not."""

from __future__ import annotations

import pytest

from qrag_lib.answer.sentences.claims import Statement, value
from qrag_lib.answer.sentences.question_analysis import Question
from qrag_lib.answer.sentences.sentence_scoring import Candidate, candidates
from qrag_lib.answer.written.attribution import Support, align, stretches
from qrag_lib.types import Chunk, Hit

RULES = (
    "A biblioteca abre às oito horas. Cada leitor empresta até cinco livros por quinze dias. "
    "A multa por atraso é de R$ 1.500,00 por dia. O bolsista não pode ter vínculo de emprego. "
    "Ana Prado dirige a biblioteca desde 1932."
)
MILL = "The old mill grinds wheat and maize. It was built by Thomas Reed in 1874. The mill doesn't grind rye."
TEXTS = {"rules": RULES, "mill": MILL}


def sources(language: str = "pt") -> list[Candidate]:
    hits = [Hit(Chunk(f"{d}#0", d, f"{d}.md", 0, t, 0, len(t), language=language), 1.0) for d, t in TEXTS.items()]
    return candidates(hits, TEXTS.__getitem__, language)


def support(claim: str, question: str = "O que diz o regulamento?", language: str = "pt") -> Support:
    return align([claim], Question(question, language), sources(language))[0]


@pytest.mark.parametrize(
    ("claim", "language"),
    [
        ("Cada leitor empresta até cinco livros por quinze dias.", "pt"),
        ("Cada leitor pode emprestar 5 livros por 15 dias.", "pt"),
        ("A multa por atraso é de R$ 1500 por dia.", "pt"),
        ("O bolsista não pode ter vínculo de emprego.", "pt"),
        ("A biblioteca é dirigida por Ana Prado desde 1932.", "pt"),
        ("The old mill was built by Thomas Reed in 1874.", "en"),
        ("The mill does not grind rye.", "en"),
    ],
)
def test_what_the_documents_say_in_other_words_is_supported(claim: str, language: str) -> None:
    found = support(claim, "What is it?" if language == "en" else "O que diz o regulamento?", language)
    assert found.parts and not found.reason
    for part in found.parts:
        assert TEXTS[part.document_id][part.start : part.end] == part.text


@pytest.mark.parametrize(
    ("claim", "reason", "language"),
    [
        ("Cada leitor empresta até sete livros por quinze dias.", "number", "pt"),
        ("A multa por atraso é de R$ 1.600,00 por dia.", "number", "pt"),
        ("A biblioteca é dirigida por Rui Prado desde 1932.", "name", "pt"),
        ("O bolsista pode ter vínculo de emprego.", "denial", "pt"),
        ("A biblioteca não abre às oito horas.", "denial", "pt"),
        ("The old mill was built by Thomas Reed in 1784.", "number", "en"),
        ("The mill grinds rye.", "denial", "en"),
        ("Sim.", "nothing", "pt"),
        ("...", "nothing", "pt"),
    ],
)
def test_a_number_a_name_or_a_denial_that_differs_settles_it(claim: str, reason: str, language: str) -> None:
    found = support(claim, "What is it?" if language == "en" else "O que diz o regulamento?", language)
    assert (found.parts, found.reason) == ((), reason)


@pytest.mark.parametrize(
    "claim", ["O reitor viaja muito.", "A prefeitura vende os livros da biblioteca ao museu.", "Muito obrigado!"]
)
def test_what_the_documents_do_not_say_has_no_support(claim: str) -> None:
    assert not support(claim).parts


def test_two_sentences_that_follow_each_other_support_one_that_joins_them() -> None:
    found = support("A biblioteca abre às oito horas e cada leitor empresta até cinco livros por quinze dias.")
    assert [part.place for part in found.parts] == [0, 1]


def test_no_stretch_joins_two_documents() -> None:
    assert all(len({part.document_id for part in each.parts}) == 1 for each in stretches(sources()))


def test_the_order_of_the_sentences_is_kept() -> None:
    found = align(["O reitor viaja.", RULES[:32]], Question("O que diz?", "pt"), sources())
    assert [bool(each.parts) for each in found] == [False, True]


def test_without_sources_nothing_is_supported() -> None:
    assert align([RULES[:32]], Question("O que diz?", "pt"), []) == [Support(0.0, reason="nothing")]


@pytest.mark.parametrize(
    ("written", "compared"),
    [("1.234,50", "1234.5"), ("1,234.50", "1234.5"), ("12", "12"), ("0,5", "0.5"), ("1.2.3", "1.2.3"), ("05", "5")],
)
def test_a_number_is_compared_by_its_value(written: str, compared: str) -> None:
    assert value(written) == compared


def test_a_number_in_words_is_the_number() -> None:
    assert Statement("Vinte e três alunos, 5º ano.", "pt").numbers == {"20", "3", "5"}
    assert Statement("Only twelve of them.", "en").numbers == {"12"}
