"""Numbers that name something meet however they are written."""

from __future__ import annotations

import pytest

from qrag_lib.language import terms

MEET = [
    ("12345678909", "CPF 123.456.789-09", "12345678909"),
    ("12345678909", "CPF 12345678909", "123.456.789-09"),
    ("12345678909", "CPF 123.456.789-09", "123 456 789 09"),
    ("12345678000195", "CNPJ 12.345.678/0001-95", "12345678000195"),
    ("12345678000195", "CNPJ 12345678000195", "12345678/0001-95"),
    ("12abc34501de35", "CNPJ 12.ABC.345/01DE-35", "12abc34501de35"),
    ("84998765432", "tel. (84) 99876-5432", "84998765432"),
    ("84998765432", "tel. 84998765432", "(84) 99876-5432"),
    ("84998765432", "tel. 84998765432", "+55 84 99876-5432"),
    ("84998765432", "tel. +55 (84) 99876-5432", "84 99876 5432"),
    ("84998765432", "tel. 5584998765432", "084 99876-5432"),
    ("8432151234", "tel. (84) 3215-1234", "8432151234"),
    ("08001234567", "tel. 0800 123 4567", "0800-123-4567"),
    ("4155552671", "tel. +1 (415) 555-2671", "415-555-2671"),
    ("59078970", "CEP 59.078-970", "59078970"),
    ("00012345620238200001", "processo 0001234-56.2023.8.20.0001", "00012345620238200001"),
    ("23077012345202311", "processo 23077.012345/2023-11", "23077012345202311"),
    ("8112/1990", "Lei nº 8.112/1990", "lei 8112/90"),
    ("8112/1990", "Lei 8.112/90", "lei nº 8.112 de 1990"),
    ("8112/1990", "Lei nº 8.112, de 11 de dezembro de 1990", "lei 8112/1990"),
    ("14133/2021", "Lei n. 14.133/21", "lei 14133/2021"),
    ("45/2023", "contrato nº 45/2023", "contrato 45/2023"),
]


@pytest.mark.parametrize(("whole", "text", "question"), MEET)
def test_the_whole_is_found_with_and_without_its_marks(whole: str, text: str, question: str) -> None:
    assert whole in terms(text, "pt") and whole in terms(question, "pt")


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("(84) 99876-5432", "99876-5432"),  # without the code of the area
        ("0001234-56.2023.8.20.0001", "0001234"),
        ("0001234-56.2023.8.20.0001", "1234"),
        ("Lei nº 8.112, de 11 de dezembro de 1990", "lei 8112"),
        ("Lei nº 8.112, de 11 de dezembro de 1990", "11 de dezembro"),
    ],
)
def test_a_part_that_people_ask_by_is_found(text: str, question: str) -> None:
    assert set(terms(question, "pt")) <= set(terms(text, "pt"))


@pytest.mark.parametrize("text", ["2019-2020", "12/03/2024", "192.168.0.12", "10 2019-2020", "v1.2.3", "3/4"])
def test_what_is_no_identifier_keeps_its_parts(text: str) -> None:
    assert set(terms(text, "pt")) >= {part for part in text.replace("/", " ").split() if part.isdigit()}
    assert terms(text, "pt") == terms(text, "pt", "snowball-1")


def test_the_year_of_a_process_does_not_count_alone() -> None:
    assert "2023" not in terms("23077.012345/2023-11", "pt")


def test_other_numbers_do_not_meet() -> None:
    assert not set(terms("123.456.789-09", "pt")) & set(terms("123.456.789-10", "pt"))
    assert "8112/1990" not in terms("lei 8112 e lei 1990", "pt")


@pytest.mark.parametrize("text", ["9" * 100_000, "1." * 50_000, "(84) " * 20_000, "1 de 1 " * 20_000, "12/" * 40_000])
def test_a_long_row_of_digits_is_read_in_linear_time(text: str) -> None:
    assert terms(text, "pt") is not None
