"""PDF: pages, words cut by lines, running headers, passwords and scans."""

from __future__ import annotations

import io
from collections.abc import Iterator

import office
import pytest

from qrag_lib.documents import Limits, Reader
from qrag_lib.documents.readers.pdf.pages import paragraphs, whole_words, without_running_lines
from qrag_lib.errors import DocumentRefused

LONG = "Esta linha do texto tem mais ou menos a largura da página inteira, como"


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    with Reader() as reader:
        yield reader


def locked(data: bytes, user: str, owner: str) -> bytes:
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(data)))
    writer.encrypt(user, owner, algorithm="AES-256")
    writer.write(buffer := io.BytesIO())
    return buffer.getvalue()


def test_each_page_is_a_section_of_its_own_text(reader: Reader) -> None:
    extract = reader.parse(office.pdf(["Primeira página."], [], ["Terceira: ação."]), "a.pdf")
    told = [(s.label, extract.text[s.start : s.end]) for s in extract.sections]
    assert told == [("1", "Primeira página."), ("2", ""), ("3", "Terceira: ação.")]
    assert extract.metadata["pages_without_text"] == 1


def test_empty_password_opens_and_another_is_asked_for(reader: Reader) -> None:
    data = office.pdf(["segredo aberto"])
    assert reader.parse(locked(data, "", "dono"), "a.pdf").text == "segredo aberto"
    with pytest.raises(DocumentRefused, match="needs a password") as refused:
        reader.parse(locked(data, "senha", "dono"), "a.pdf")
    assert refused.value.reason == "encrypted"


def test_pages_without_text_are_a_refusal_that_names_ocr(reader: Reader) -> None:
    with pytest.raises(DocumentRefused, match="no text in 2 pages") as refused:
        reader.parse(office.pdf([], []), "a.pdf")
    assert refused.value.reason == "no_text" and "ocrmypdf" in (refused.value.hint or "")


def test_more_pages_than_the_limit_are_refused() -> None:
    with Reader(Limits(pages=2)) as reader, pytest.raises(DocumentRefused, match="more than 2 pages"):
        reader.parse(office.pdf(["a"], ["b"], ["c"]), "a.pdf")


def test_a_paragraph_over_two_pages_is_whole_and_both_pages_are_true(reader: Reader) -> None:
    extract = reader.parse(office.pdf([LONG, LONG + " a informa-"], ["ção pública é gratuita.", "Fim."]), "a.pdf")
    assert "como a informação pública é gratuita." in extract.text
    assert [extract.text[s.start : s.end].split()[-1] for s in extract.sections] == ["informação", "Fim."]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["a constitui-", "ção federal"], ["a constituição", "federal"]),
        (["o guarda-chuva", "e outro guarda-", "chuva"], ["o guarda-chuva", "e outro guarda-chuva"]),
        (["ele tornou-", "se rei"], ["ele tornou-se", "rei"]),
        (["trecho Rio-", "São Paulo"], ["trecho Rio-São", "Paulo"]),
        (["state-of-the-", "art model"], ["state-of-the-art", "model"]),
        (["self attention", "self-", "attention"], ["self attention", "self-attention"]),
        (["a soma 3 -", "2 é um"], ["a soma 3 -", "2 é um"]),
        (["fim -", "da lista"], ["fim -", "da lista"]),
        (["1990-", "1995"], ["1990-", "1995"]),
    ],
)
def test_words_cut_by_a_line_end_are_whole_again(lines: list[str], words: list[str]) -> None:
    assert whole_words([lines]) == [words]


def test_running_headers_and_page_numbers_are_dropped_and_text_is_kept() -> None:
    def page(n: int) -> list[str]:
        head = "Revista de Direito, v. 12" if n % 2 else f"{n}"
        return [head, f"começo {'abcdef'[n]}", "linha que se repete no meio", f"fim {'abcdef'[n]}", f"Página {n} de 6"]

    kept = without_running_lines([page(n) for n in range(6)])
    assert [len(lines) for lines in kept] == [3] * 6
    assert kept[0] == ["começo a", "linha que se repete no meio", "fim a"]


def test_a_single_page_loses_nothing() -> None:
    assert without_running_lines([["2024", "texto", "7"]]) == [["2024", "texto", "7"]]


def test_wrapped_lines_are_joined_and_lists_and_titles_are_not() -> None:
    page = ["1 Introdução", LONG, "se vê, e acaba aqui.", "• um item", "• outro item", "Um título", LONG, "o fim."]
    assert [p.text for p in paragraphs([page])] == [
        "1 Introdução", f"{LONG} se vê, e acaba aqui.", "• um item", "• outro item", "Um título", f"{LONG} o fim."
    ]  # fmt: skip


def test_bookmarks_name_the_headings_and_these_run_over_pages(reader: Reader) -> None:
    from pypdf import PdfReader, PdfWriter

    pages = office.pdf(["1 Do Prazo", LONG, "fim."], ["continua.", "1.1 Contagem", "Em dias."], ["2 Custas", "Pagas."])
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pages)))
    top = writer.add_outline_item("Do prazo", 0)
    writer.add_outline_item("Contagem", 1, parent=top)
    writer.add_outline_item("Custas", 2)
    writer.add_outline_item("Nowhere in the text", 2)
    writer.write(buffer := io.BytesIO())
    extract = reader.parse(buffer.getvalue(), "a.pdf")
    told = {s.label: extract.text[s.start : s.end] for s in extract.sections if s.kind == "heading"}
    assert told["1.1 Contagem"] == "1.1 Contagem\n\nEm dias." and told["2 Custas"] == "2 Custas\n\nPagas."
    assert told["1 Do Prazo"].endswith("Em dias.") and len(told) == 3
