"""The samples are what their sources say, and are read, or refused, as they should be."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from qrag_lib.documents import read_file, validate

SAMPLES = Path(__file__).parents[1] / "samples"
DOCUMENTS = SAMPLES / "documents"
FACTS = {
    "biblioteca/regulamento.pdf": "A multa de uma obra não passa de R$ 60,00.",
    "biblioteca/ata-conselho.docx": "R$ 18.400,00",
    "biblioteca/orcamento-2026.xlsx": "parcela mensal de R$ 2.600",
    "biblioteca/oficina-novos-leitores.pptx": "a reserva vale por 48 horas",
    "biblioteca/plano-preservacao.odt": "não passa de 50 lux",
    "biblioteca/glossario.txt": "Incunábulo: livro impresso",
    "biblioteca/horario-de-verao.rtf": "dedetização anual",
    "biblioteca/emprestimo-entre-bibliotecas.eml": "O malote sai às segundas e quintas",
    "biblioteca/dicionario-de-dados.csv": "apagado depois de 90 dias",
    "biblioteca/avisos.jsonl": "Cada pessoa troca até dez livros",
    "biblioteca/perguntas-frequentes.html": "cota de 120 páginas por semestre",
    "laboratory/safety-manual.pdf": "opened bottles kept for 3",
    "laboratory/waste-guide.epub": "second and the fourth Friday",
    "laboratory/induction.pptx": "Waste collection\t3422",
    "catalogue/release-notes.rst": "11 minutes instead of 47",
    "catalogue/loans-by-month.ipynb": "total 35,364 loans",
    "course/course-faq.md": "lose one point of ten",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    runpy.run_path(str(SAMPLES / "make_samples.py"))["main"](folder)
    return folder


@pytest.mark.filterwarnings("default")
def test_the_files_are_those_that_the_sources_make(made: Path) -> None:
    found = [path for path in made.rglob("*") if path.is_file()]
    assert len(found) == 14
    for path in found:
        kept = DOCUMENTS / path.relative_to(made)
        assert kept.is_file()
        if path.parent.name != "refused":
            assert read_file(kept).text == read_file(path).text, kept


@pytest.mark.parametrize("name", FACTS)
def test_a_fact_is_read_from_each(name: str) -> None:
    assert FACTS[name] in read_file(DOCUMENTS / name).text


def test_the_refused_ones_are_refused_and_the_others_taken() -> None:
    verdicts = {verdict.name: verdict for verdict in validate(DOCUMENTS)}
    assert len(verdicts) == 26
    assert {name for name, verdict in verdicts.items() if not verdict.ok} == {
        path.relative_to(DOCUMENTS).as_posix() for path in (DOCUMENTS / "refused").iterdir()
    }


def test_they_are_small() -> None:
    assert sum(path.stat().st_size for path in SAMPLES.rglob("*") if path.is_file()) < 300_000
