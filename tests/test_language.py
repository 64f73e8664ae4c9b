"""Detection, sentences and index terms."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrag_lib.language import detect, paragraphs, sentences, terms, words

FOUR = (
    "O Sr. Dr. João da Silva compareceu, nos termos do art. 5º, inc. XXXV, da Constituição. "
    "V. Exa. verá às fls. 12 e 13 que o pedido foi feito. "
    "A empresa fica na Av. Paulista, nº 1.578, em São Paulo. "
    "O valor é de R$ 1.234,56, cf. pág. 3, p. ex., no Python 3.11.7."
)


def cut(text: str, language: str = "und") -> list[str]:
    return [text[start:end] for start, end in sentences(text, language)]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Quem criou a lei?", "pt"),
        ("onde fica a ufpa", "pt"),
        ("Capital do Brasil", "pt"),
        ("Cite alguns efeitos adversos", "pt"),
        ("who is the rector", "en"),
        ("Name a common autoimmune disease.", "en"),
        ("how to install fastapi", "en"),
        ("El perro come en la casa de mi hermano", "und"),
        ("Los estudiantes presentan la solicitud ante el consejo de la facultad", "und"),
        ("Le chat est dans la maison et il ne veut pas sortir", "und"),
        ("Wer ist der Rektor der Universität?", "und"),
        ("Москва столица России", "und"),
        ("東京は日本の首都です", "und"),
        ("x = 3.14", "und"),
        ("", "und"),
    ],
)
def test_the_language_of_short_texts(text: str, language: str) -> None:
    assert detect(text) == language


@pytest.mark.parametrize(
    ("name", "language"),
    [("faquad-pt", "pt"), ("squad1-pt-sample", "pt"), ("xquad-en", "en"), ("cranfield-en", "en")],
)
def test_detection_is_right_on_real_passages_and_questions(shared_data: Path, name: str, language: str) -> None:
    for file in ("corpus.jsonl", "queries.jsonl"):
        texts = [
            json.loads(line)["text"] for line in (shared_data / "qa" / name / file).read_text().rstrip().split("\n")
        ]
        assert sum(detect(text) == language for text in texts) >= 0.995 * len(texts)


def test_a_prior_holds_against_weak_evidence_and_yields_to_clear_evidence() -> None:
    assert detect("mapping(uint a => bool os)", "en") == "en"
    assert detect("A lei foi criada em 1996 e ainda não foi revogada pelo Congresso", "en") == "pt"


def test_portuguese_abbreviations_do_not_end_sentences() -> None:
    starts = [part.split()[0] for part in cut(FOUR, "pt")]
    assert starts == ["O", "V.", "A", "O"]


@pytest.mark.parametrize(
    "text",
    [
        "J. K. Rowling met Mr. Smith in the U.S. Senate.|She left.",
        "He lives in the U.S.|The weather is fine (see Fig. 3 and e.g. No. 5).",
        "It costs $3.50.|Wait... what?|Yes!",
        '"Really?" she asked.|"I doubt it."|He left.',
        "Ele (o reitor) saiu.[1]|Depois voltou.",
        "Comeu bananas, uvas etc.|Saiu tarde.",
        "Tomou vitamina C.|O corpo agradeceu.",
        "Veja o art. 5º.|O parágrafo único o repete.",
        "Nasceu em 3 de jan. 1990, às 10 p.m. em ponto.|Viveu aqui.",
        "Instale o Python 3.11.7 de https://www.python.org/a.b?c=d.|Depois rode.",
        "Isto é a Petrobras S.A. brasileira.|Fim.",
        "all lower case here.|second one.",
        "東京は日本の首都です。|大阪もある。",
    ],
)
def test_sentences_end_where_a_reader_ends_them(text: str) -> None:
    parts = text.split("|")
    assert cut(text.replace("。|", "。").replace("|", " ")) == parts


def test_lines_that_wrap_are_one_sentence_and_structure_is_not() -> None:
    text = "# Title\nFirst line of a\nwrapped sentence. Next.\n\n- item one\n- item two\n\n| a | b |\n| 1 | 2 |\n"
    expected = ["# Title", "First line of a\nwrapped sentence.", "Next.", "- item one", "- item two"]
    assert cut(text) == [*expected, "| a | b |", "| 1 | 2 |"]


def test_lines_of_code_are_not_read_as_sentences() -> None:
    text = "Run:\n\n```\nx = a. B\n\ny = 2\n```\nDone. Yes."
    assert cut(text)[-2:] == ["Done.", "Yes."] and "y = 2" in cut(text)


@pytest.mark.parametrize(
    "text",
    [
        "O **Sr. Elmo Paz** preside.|A *Dra. Zuleica* relata.|Ver __fls.__ 33.",
        "**Art. 12.** A multa é de R$ 400,00.|Depois dobra.",
        "__Art. 14.__ O recurso vai à Câmara.",
        "Parágrafo único. O entulho vai para o aterro.|O resto também.",
        "CLÁUSULA TERCEIRA. O preço é fixo.|Não há reajuste.",
        "O **nº** 5 vale.|O *art.* 5º também.",
    ],
)
def test_marks_around_an_abbreviation_do_not_make_it_an_end(text: str) -> None:
    assert cut(text.replace("|", " "), "pt") == text.split("|")


def test_a_title_is_not_glued_to_the_text_below_it() -> None:
    text = "O prazo\nÉ de dez dias úteis, contados da assinatura do termo.\n\nDA MULTA\nA multa é de dois reais."
    assert cut(text, "pt")[::2] == ["O prazo", "DA MULTA"]
    assert cut("Os prazos para a\nEscola de Engenharia, que fica na cidade, são outros.", "pt")[1:] == []
    assert cut("Prazo\n---\nsão dez dias.", "pt") == ["Prazo", "---", "são dez dias."]


@pytest.mark.parametrize(
    "row", ["| Sr. Paz | Sim. Ok. |", "Recife\t81. Sim. Não.", "código: 1; nota: Veja. Leia; preço: 3,50"]
)
def test_a_row_of_a_table_is_one_sentence(row: str) -> None:
    assert cut(f"{row}\n{row}") == [row, row]


SPOKEN = "a gente viu a parte inicial e agora vamos para a prática que é com o reagente de sódio " * 40
LISTED = "zelar pela limpeza das mesas; comunicar à direção qualquer defeito dos fogões; treinar os auxiliares; " * 20


@pytest.mark.parametrize("text", [SPOKEN, LISTED, SPOKEN.replace(" e ", ", "), "palavra " * 300])
def test_what_has_no_full_stop_is_cut_between_words_into_pieces_to_be_read(text: str) -> None:
    pieces = cut(text * 3, "pt")
    assert all(len(piece) <= 300 for piece in pieces) and len(pieces) > 0
    assert " ".join(pieces).split() == (text * 3).split()
    assert cut(LISTED, "pt")[0].endswith(";")


def test_paragraphs_keep_their_sentences_together() -> None:
    text = "Um. Dois.\n\nTrês."
    assert [len(block) for block in paragraphs(text, "pt")] == [2, 1]


@given(st.text(alphabet=st.sampled_from("aB1. \n\t!?…\"')-|#`:\r\u2028é5º。"), max_size=80))
def test_sentences_cover_all_that_is_not_space_in_order(text: str) -> None:
    spans = sentences(text)
    assert all(a < b for a, b in spans) and all(p[1] <= q[0] for p, q in pairwise(spans))
    assert "".join("".join(text[a:b].split()) for a, b in spans) == "".join(text.split())


@pytest.mark.parametrize(
    "piece",
    [
        ".",
        ". ",
        "a.",
        "`",
        " ",
        "\n",
        ".x",
        "x",
        '."',
        "a-",
        "a'",
        "| ",
        "e ",
        "a, ",
        "a; ",
        "- ",
        "A b. ",
        "([",
        "# \n",
        "a\t",
    ],
)
def test_a_megabyte_of_anything_is_read_in_linear_time(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    begun = time.process_time()
    sentences(text)
    terms(text)
    detect(text)
    assert time.process_time() - begun < 15


def test_words_keep_what_is_inside_them() -> None:
    assert words("d'água, fazê-lo: 1.234,56 (T1437.001) os.environ") == [
        "d'água",
        "fazê-lo",
        "1.234,56",
        "T1437.001",
        "os.environ",
    ]


@pytest.mark.parametrize(
    ("text", "question", "language"),
    [
        ("as universidades públicas", "universidade publica", "pt"),
        ("é preciso fazê-lo", "fazer", "pt"),
        ("disse-me", "disse", "pt"),
        ("copo-d'água", "água", "pt"),
        ("art. 5º", "art 5", "pt"),
        ("R$ 1.234,56", "1234,56", "pt"),
        ("1,234.56", "1.234,56", "en"),
        ("1.500 alunos", "1500", "pt"),
        ("licitação", "licitacao", "pt"),
        ("licença-maternidade", "licenca maternidade", "pt"),
        ("audiências públicas", "audiencia publica", "pt"),
        ("execuções", "execucao", "pt"),
        ("indispensável", "indispensavel", "pt"),
        ("horária", "horaria", "pt"),
        ("EIP-1559", "eip1559", "en"),
        ("EIP-1559", "1559", "en"),
        ("T1437.001", "t1437", "en"),
        ("T1437.001", "T1437.001", "en"),
        ("`os.environ`", "environ", "en"),
        ("maxFeePerGas", "max fee per gas", "en"),
        ("base_fee", "basefee", "en"),
        ("e-mails", "email", "en"),
        ("John’s book", "john", "en"),
        ("the universities", "university", "en"),
        ("ﬁle", "file", "en"),
        ("C++", "c++", "en"),
    ],
)
def test_a_question_finds_the_written_form(text: str, question: str, language: str) -> None:
    assert set(terms(question, language)) <= set(terms(text, language))


@pytest.mark.parametrize(("question", "language"), [("universidades", "pt"), ("universities", "en")])
def test_a_text_of_unknown_language_is_found_from_both(question: str, language: str) -> None:
    assert set(terms(question, language)) <= set(terms(f"{question} 2024"))


def test_stop_words_are_dropped_with_and_without_accents() -> None:
    assert terms("não nao até ate você voce", "pt") == []
    assert terms("the of and", "en") == []


def test_an_index_of_before_is_asked_in_its_own_terms() -> None:
    assert terms("licitação", "pt", "snowball-1") == terms("licitação", "pt") == ["licit"]
    assert terms("licitacao", "pt", "snowball-1") == ["licitaca"]
    assert "11222333000181" not in terms("11.222.333/0001-81", "pt", "snowball-1")


def test_terms_of_unusual_text_are_plain_strings() -> None:
    assert all(terms("\ud800 a\0b Ａ１ \u200bx", language) for language in ("pt", "en", "und"))


def test_six_megabytes_of_english_are_analysed_in_seconds(shared_data: Path) -> None:
    text = "\n".join(path.read_text() for path in sorted((shared_data / "docs" / "eips-en").glob("*.md")))
    begun = time.process_time()
    assert len(terms(text, "en")) > 500_000
    assert time.process_time() - begun < 8  # about 2 on the machine that these figures come from
