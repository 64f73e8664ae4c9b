"""Sentences as evidence for a question."""

from __future__ import annotations

import numpy as np
import pytest

from qrag_lib.answer.sentences.question_analysis import Question, kind_of, refers_back
from qrag_lib.answer.sentences.sentence_scoring import (
    FEATURES,
    WEIGHTS,
    candidates,
    features,
    matches,
    score,
    whole_sentences,
)
from qrag_lib.errors import NotFound
from qrag_lib.types import Chunk, Hit

TEXT = "O rio nasce na serra. A ponte foi feita em 1901 por Ana Prado. Ela tem doze arcos de pedra. O rio é largo."


def hit(start: int, end: int, text: str = TEXT) -> Hit:
    return Hit(Chunk(f"d#{start}", "d", "d.md", 0, text[start:end], start, end, language="pt"), 1.0)


def best(question: str) -> str:
    asked, found = Question(question, "pt"), candidates([hit(0, len(TEXT))], lambda _: TEXT, "pt")
    return found[int(np.argmax(score(features(asked, found), semantic=False)))].text


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Quem escreveu o livro?", "person"),
        ("Who wrote the book?", "person"),
        ("Em que ano foi feita?", "time"),
        ("When was it made?", "time"),
        ("Quantos arcos tem a ponte?", "number"),
        ("How many arches are there?", "number"),
        ("Onde nasce o rio?", "place"),
        ("Why did it fall?", "reason"),
        ("Para que serve a ponte?", "purpose"),
        ("O que é uma ponte?", "definition"),
        ("What is a bridge?", "definition"),
        ("Qual material foi usado?", "thing"),
    ],
)
def test_a_question_tells_what_it_asks_for(question: str, kind: str):
    assert kind_of(question) == kind


def test_a_chunk_that_begins_inside_a_sentence_gives_whole_sentences():
    start, end = TEXT.index("feita"), TEXT.index("arcos")
    spans = whole_sentences(TEXT, hit(start, end).chunk, "pt")
    assert [TEXT[a:b] for a, b in spans] == ["A ponte foi feita em 1901 por Ana Prado.", "Ela tem doze arcos de pedra."]


def test_a_sentence_that_two_chunks_hold_is_one_candidate():
    found = candidates([hit(0, 70), hit(20, len(TEXT))], lambda _: TEXT, "pt")
    assert len({(c.start, c.end) for c in found}) == len(found) == 4
    assert all(TEXT[c.start : c.end] == c.text for c in found)


def test_a_document_that_was_deleted_or_replaced_gives_no_candidates():
    def gone(document_id: str) -> str:
        raise NotFound(document_id)

    assert candidates([hit(0, 40)], gone, "pt") == []
    assert candidates([hit(0, 40)], lambda _: "outro texto " * 9, "pt") == []


def test_references_and_the_names_of_columns_come_last_and_weigh_less():
    text = (
        "SILVA, J. A ponte. 2. ed. Recife: Cais, 2010. p. 3-10.\n\nA ponte é alta.\n\nPonte\tVãos\nVelha\t12\nNova\t9"
    )
    found = candidates([hit(0, len(text), text)], lambda _: text, "pt")
    assert [c.text for c in found if not c.aside] == ["A ponte é alta.", "Velha\t12", "Nova\t9"]
    assert [c.aside for c in found] == sorted(c.aside for c in found) and WEIGHTS["aside"][0] < 0


def test_a_row_is_found_by_the_names_of_its_columns():
    text = "Cidade\tPrefixo\tFundação\nRecife\t81\t1537\nNatal\t84\t1599\n\nO prefixo serve para ligar de longe."
    asked, found = (
        Question("Qual o prefixo de Natal?", "pt"),
        candidates([hit(0, len(text), text)], lambda _: text, "pt"),
    )
    assert found[int(np.argmax(score(features(asked, found), semantic=False)))].text == "Natal\t84\t1599"


def test_what_has_no_full_stop_answers_in_pieces_that_begin_at_words():
    text = "zelar pela limpeza das mesas; guardar as chaves da câmara fria com o vigilante noturno; " * 60
    start = text.index("vigilante", 2_000) + 3
    found = candidates([hit(start, start + 900, text)], lambda _: text, "pt")
    assert len(found) > 3 and all(c.text.startswith(("zelar", "guardar")) and len(c.text) <= 300 for c in found)


def test_the_kind_of_answer_and_the_sentence_before_decide():
    assert "1901" in best("Quando foi feita a ponte?")
    assert "doze arcos" in best("Quantos arcos tem a ponte?")


def test_words_of_one_root_count_in_part():
    asked = Question("a invenção da máquina", "pt")
    full, root, none = (matches(asked, stems).sum() for stems in (asked.stems, ("inventor", "maquin"), ("casa",)))
    assert full > root > 1.0 and none == 0.0


def test_a_sentence_that_points_back_is_known():
    assert refers_back("This was done.") and refers_back("Tais regras valem.") and not refers_back("The bridge fell.")


def test_every_weight_belongs_to_a_feature_and_semantic_ones_are_zero_without_an_embedder():
    assert set(WEIGHTS) == set(FEATURES)
    assert {name for name, (_, plain) in WEIGHTS.items() if plain == 0.0} == {"cosine", "cosine_before"}


def test_features_are_finite_for_odd_texts():
    odd = "?? !! … \x00 <script>alert(1)</script> 1 2 3.\n\n" + "x" * 900 + " fim."
    found = candidates([hit(0, len(odd), odd)], lambda _: odd, "und")
    rows = features(Question("<b>fim</b> x?", "und"), found)
    assert rows.shape == (len(found), len(FEATURES)) and np.isfinite(rows).all()
