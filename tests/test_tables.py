"""Rows of tables as a person reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from qrag_lib.language import sentences
from qrag_lib.rag.documents.limits import Limits
from qrag_lib.rag.documents.readers import csv, docx, html, xlsx
from qrag_lib.rag.tables import Row, read_row

MARKDOWN = (
    "## Vagas\n\nTabela 1: vagas por **cidade**\n\n| Cidade | Vagas |\n|---|---:|\n| [Acari](a.md) | 9 |\n| Bodó |  |\n"
)


def row_with(text: str, word: str, headings: tuple[str, ...] = ()) -> Row | None:
    span = next((a, b) for a, b in sentences(text) if word in text[a:b])
    return read_row(text, *span, headings)


def test_a_markdown_row_has_the_names_of_its_columns_and_the_caption_of_its_table() -> None:
    assert row_with(MARKDOWN, "Acari") == Row(("Cidade", "Vagas"), ("Acari", "9"), "Tabela 1: vagas por cidade")
    assert str(row_with(MARKDOWN, "Bodó")) == "Cidade: Bodó"


def test_the_row_of_names_is_known_as_such() -> None:
    found = row_with(MARKDOWN, "Cidade |")
    assert found and found.names and str(found) == "Cidade · Vagas"
    text = "Cidade\tVagas\nAcari\t9\nBodó\t24"
    assert [row.names for word in ("Cidade", "Acari", "24") if (row := row_with(text, word))] == [True, False, False]


def test_a_row_with_fewer_cells_gets_no_names() -> None:
    text = "Destino\tNível\tValor\nCapital\tSuperior\tR$ 300,00\nMédio\tR$ 220,00"
    assert str(row_with(text, "Médio")) == "Médio · R$ 220,00"
    assert str(row_with(text, "Capital")) == "Destino: Capital; Nível: Superior; Valor: R$ 300,00"


def test_a_corner_without_a_name_does_not_shift_the_columns() -> None:
    text = "Manhã\tTarde\nSegunda\tAna\tRui\nTerça\tCaio\tLia"
    assert str(row_with(text, "Segunda")) == "Segunda; Manhã: Ana; Tarde: Rui"


def test_a_table_of_values_alone_has_no_names() -> None:
    assert str(row_with("Acari\t9\nBodó\t24", "Bodó")) == "Bodó · 24"


@pytest.mark.parametrize("text", ["O prazo é de dez dias; a multa, de vinte.", "1.\tItem", "---", "a | b"])
def test_what_is_no_row_is_none(text: str) -> None:
    assert read_row(text, 0, len(text)) is None


def test_the_heading_is_the_title_where_there_is_no_caption() -> None:
    found = row_with("nome: Ana; idade: 31\nnome: Rui; idade: 7", "Rui", ("Anexo", "**Pessoas**"))
    assert found == Row(("nome", "idade"), ("Rui", "7"), "Pessoas")


def test_a_value_may_hold_a_semicolon() -> None:
    assert row_with("nome: Ana; nota: sim; talvez; idade: 31", "Ana") == Row(
        ("nome", "nota", "idade"), ("Ana", "sim; talvez", "31")
    )


def test_the_same_table_reads_alike_from_every_format(shared_data: Path) -> None:
    readers = {"csv": csv, "xlsx": xlsx, "docx": docx, "html": html}
    told = {
        ending: str(
            row_with(reader.read((shared_data / f"faults/tab_rotas.{ending}").read_bytes(), Limits()).text, "Bodó")
        )
        for ending, reader in readers.items()
    }
    expected = "Município: Bodó; Distância até a capital (km): 450; Número de escolas: 24; Código da rota: A69"
    assert set(told.values()) == {expected}, told
