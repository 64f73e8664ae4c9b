"""Articles and what they are divided into are headings of a legal text's passages."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_law import LAW
from word_corpus import WordCorpus

from qrag_lib.chunking.legal_headings import outline_of
from qrag_lib.chunking.outline import places
from qrag_lib.types import Document, Section

CODE = "\n\n".join(
    [
        "Art. 1º Toda obra depende de alvará.",
        "Art. 2º O alvará vale por dois anos.",
        "Art. 3º São deveres do construtor:",
        "I - instalar tapumes;",
        "II - sinalizar a via;",
        "Parágrafo único. O gesso vai para o aterro.",
        "Art. 4º A multa é de mil reais.",
    ]
)


def headings(document: Document, words: str) -> tuple[str, ...]:
    return places(outline_of(document), [document.text.index(words)])[0].headings


def test_a_passage_carries_the_path_of_its_provision() -> None:
    document = Document("d", "lei.txt", LAW)
    above = ("TÍTULO I Das Disposições Gerais", "CAPÍTULO II - Do Porto")
    assert headings(document, "a hora da saída") == (*above, "Art. 2º", "II", "a)")
    assert headings(document, "O livro fica") == (*above, "Art. 2º", "§ 1o")
    assert headings(document, "o regimento") == (*above, "Art. 1.024")


def test_headings_that_the_file_marks_stay_and_end_the_articles_above_them() -> None:
    text = f"# Código\n\n{CODE}\n\n# Anexo\n\nUma tabela."
    at = text.index("# Anexo")
    marked = (Section("heading", "Código", 0, at, 1), Section("heading", "Anexo", at, len(text), 1))
    document = Document("d", "lei.md", text, marked)
    assert headings(document, "sinalizar") == ("Código", "Art. 3º", "II")
    assert headings(document, "Uma tabela") == ("Anexo",)


def test_a_division_that_the_file_marks_is_not_named_twice() -> None:
    text = f"## Capítulo I: Das obras\n\n{CODE}"
    document = Document("d", "lei.md", text, (Section("heading", "Capítulo I: Das obras", 0, len(text), 2),))
    assert headings(document, "depende") == ("Capítulo I: Das obras", "Art. 1º")


@pytest.mark.parametrize("text", ["Art. 5º Citado uma vez só.", "I - um item\n\nII - outro", "Um texto qualquer."])
def test_other_texts_keep_their_own_sections(text: str) -> None:
    document = Document("d", "a.txt", text, (Section("page", "1", 0, len(text)),))
    assert outline_of(document) == document.sections


def test_what_a_question_names_is_found_first(tmp_path: Path) -> None:
    others = {f"o{n}": f"Ver o art. {n}º da lei, inciso II, do artigo." for n in range(1, 9)}
    corpus = WordCorpus(tmp_path, {"codigo": CODE, **others}, chunk_size=20)
    for question, provision in (
        ("o que diz o artigo 4?", "Art. 4º A multa"),
        ("inciso II do art. 3º", "II - sinalizar"),
        ("parágrafo único do artigo terceiro", "aterro"),
        ("art 2", "Art. 2º"),
    ):
        assert provision in corpus.search(question, 1)[0].chunk.text


def test_nothing_of_the_text_is_changed(tmp_path: Path) -> None:
    corpus = WordCorpus(tmp_path, {"codigo": CODE}, chunk_size=20)
    for hit in corpus.search("alvará obra gesso via multa", 20):
        assert CODE[hit.chunk.start : hit.chunk.end] == hit.chunk.text


def test_an_index_of_before_has_no_such_headings(tmp_path: Path) -> None:
    corpus = WordCorpus(tmp_path, {"codigo": CODE}, chunk_size=20, analyzer="snowball-1")
    assert not any(hit.chunk.headings for hit in corpus.search("alvará obra gesso via multa", 20))
