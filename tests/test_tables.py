"""Rows of tables as a person reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrag_lib.answer.table_rows import Tables
from qrag_lib.documents.limits import Limits
from qrag_lib.documents.readers.markup import html
from qrag_lib.documents.readers.office import docx, xlsx
from qrag_lib.documents.readers.plain import csv
from qrag_lib.language import sentences
from qrag_lib.types import Row

MARKDOWN = (
    "## Vagas\n\nTabela 1: vagas por **cidade**\n\n| Cidade | Vagas |\n|---|---:|\n| [Acari](a.md) | 9 |\n| Bodó |  |\n"
)


def row_with(text: str, word: str) -> Row | None:
    span = next((a, b) for a, b in sentences(text) if word in text[a:b])
    return Tables(text).row(*span)


def test_a_markdown_row_has_the_names_of_its_columns_and_the_caption_of_its_table() -> None:
    found = row_with(MARKDOWN, "Acari")
    assert found and (str(found), found.title) == ("Cidade: Acari; Vagas: 9", "Tabela 1: vagas por cidade")
    assert [MARKDOWN[cell.start : cell.end] for cell in found.cells] == ["[Acari](a.md)", "9"]
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


def test_a_table_ends_where_rows_of_another_kind_begin() -> None:
    text = "Cidade\tVagas\nAcari\t9\nnome: Ana; idade: 31\n| Rua | N |\n--|--\n| Sol | 2 |"
    assert [str(row) for row in Tables(text).rows(0, len(text))] == [
        "Cidade · Vagas",
        "Cidade: Acari; Vagas: 9",
        "nome: Ana; idade: 31",
        "Rua · N",
        "Rua: Sol; N: 2",
    ]


@given(st.text("|\t;: \\ab-\n*&", max_size=200))
def test_no_text_breaks_a_table_and_every_cell_stands_where_it_says(text: str) -> None:
    for row in Tables(text).rows(0, len(text)):
        assert 0 <= row.start <= row.end and "\n" not in text[row.start : row.end]
        assert all(row.start <= cell.start <= cell.end <= row.end for cell in row.cells)


def test_a_table_of_values_alone_has_no_names() -> None:
    assert str(row_with("Acari\t9\nBodó\t24", "Bodó")) == "Bodó · 24"


@pytest.mark.parametrize("text", ["O prazo é de dez dias; a multa, de vinte.", "1.\tItem", "---", "a | b"])
def test_what_is_no_row_is_none(text: str) -> None:
    assert Tables(text).row(0, len(text)) is None


@pytest.mark.parametrize(
    ("row", "cells"),
    [
        ("nome: Ana; nota: sim; talvez; idade: 31", [("nome", "Ana"), ("nota", "sim; talvez"), ("idade", "31")]),
        ("Estado; nome: Rui; idade: 7", [("", "Estado"), ("nome", "Rui"), ("idade", "7")]),
    ],
    ids=["a value with a semicolon", "a first value without a name"],
)
def test_pairs_lose_nothing_of_their_line(row: str, cells: list[tuple[str, str]]) -> None:
    found = Tables(f"x: 1; y: 2\n{row}").row(11, 11 + len(row))
    assert found and [(cell.column, cell.value) for cell in found.cells] == cells and str(found) == row


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("| a \\| b | **2** | 3 |", "Nome: a | b; Vagas: 2; 3"),
        ("| - 5 | # | x\\|y |", "Nome: - 5; Vagas: #; x|y"),
        ("| Rui |  | - |", "Nome: Rui; -"),
        ("| Rui |", "Nome: Rui"),
        ("| Rui | 2 | 3 | 4 | 5", "Nome: Rui; Vagas: 2; 3; 4; 5"),
    ],
    ids=["escaped pipe", "signs", "empty", "shorter", "longer"],
)
def test_a_markdown_row_is_read_from_the_left_however_many_cells_it_has(row: str, said: str) -> None:
    text = f"| Nome | Vagas | |\n|---|---|---|\n| Caio | 1 | 2 |\n{row}"
    found = Tables(text).row(len(text) - len(row), len(text))
    assert found and str(found) == said


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
