"""Citations at their place: rows of tables as they are shown, and files that are gone."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from qrag_lib import show
from qrag_lib.answer.citations import complete_citations
from qrag_lib.documents.limits import Limits
from qrag_lib.documents.readers.markup import html, markdown
from qrag_lib.documents.readers.office import docx, xlsx
from qrag_lib.documents.readers.plain import csv
from qrag_lib.progress import quiet
from qrag_lib.settings import Settings
from qrag_lib.types import Answer, Citation, Document, Sentence
from qrag_lib.ui.ask_state import Asking
from qrag_lib.ui.ask_view import asking_view
from qrag_lib.workspace import Workspace

HEAD = ["Município", "Distância (km)", "Escolas"]
ROWS = [["Acari", "210", "9"], ["Bodó", "450", "24"], ["Caicó", "282", "51"]]
HOSTILE = "<script>alert(1)</script> \x1b[2J\u202e"


def as_markdown() -> Document:
    lines = ["# Anexo", "", "Tabela 1: rotas do **estado**", "", f"| {' | '.join(HEAD)} |", "|---|---:|---:|"]
    return read(markdown, "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in ROWS), ""]).encode())


def as_csv() -> Document:
    return read(csv, "\n".join(";".join(row) for row in [HEAD, *ROWS]).encode())


def as_xlsx() -> Document:
    from openpyxl import Workbook

    book = Workbook()
    book.active.title = "Rotas"
    for row in [HEAD, *ROWS]:
        book.active.append(row)
    book.save(data := io.BytesIO())
    return read(xlsx, data.getvalue())


def as_docx() -> Document:
    from docx import Document as Word

    word = Word()
    word.add_heading("Rotas", 1)
    table = word.add_table(0, 3)
    for row in [HEAD, *ROWS]:
        for cell, value in zip(table.add_row().cells, row, strict=True):
            cell.text = value
    word.save(data := io.BytesIO())
    return read(docx, data.getvalue())


def as_html() -> Document:
    rows = "".join(f"<tr>{''.join(f'<td>{each}</td>' for each in row)}</tr>" for row in [HEAD, *ROWS])
    return read(html, f"<html><body><h2>Rotas</h2><table>{rows}</table></body></html>".encode())


def read(reader: object, data: bytes) -> Document:
    extract = reader.read(data, Limits())  # type: ignore[attr-defined]
    return Document("d1", "rotas", extract.text, extract.sections)


def quoting(document: Document, quote: str, answer: str = "") -> Answer:
    """An answer that quotes the first line of the document that holds `quote`."""
    at = document.text.index(quote)
    start = document.text.rfind("\n", 0, at) + 1
    line = document.text[start:].partition("\n")[0]
    words = document.text.index(answer, start) if answer else 0
    cited = Citation(
        1, "d1", "rotas", start, start + len(line), line, 0.9, passage=line, passage_start=start,
        answer=(words, words + len(answer)) if answer else None,
    )  # fmt: skip
    said = Answer("?", (Sentence(" ".join(line.split()), (1,)),), (cited,))
    return complete_citations(said, {"d1": document}.__getitem__)


def seen(markup: str) -> str:
    """What a person reads of HTML, a line a block."""
    body = re.sub(r"<style>.*?</style>|<details.*", "", markup, flags=re.DOTALL)
    return unescape(re.sub(r"<[^>]+>", "", re.sub(r"</div>", "\n", body)))


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QRAG_LANG", "en")


@pytest.mark.parametrize(
    ("table", "title"),
    [
        (as_markdown, "Tabela 1: rotas do estado"),
        (as_csv, ""),
        (as_xlsx, "Rotas"),
        (as_docx, "Rotas"),
        (as_html, "Rotas"),
    ],
)
def test_a_quoted_row_names_its_columns_under_its_title(table: Callable[[], Document], title: str) -> None:
    answer = quoting(table(), "Bodó", "450")
    row = "Município: Bodó; Distância (km): 450; Escolas: 24"
    assert f"{title}\n{row}" in seen(show.answer_html(answer))
    assert f"{title}\n  {row} [1]" in show.answer_text(answer)
    assert "Distância (km): <b>450</b>; Escolas" in show.answer_html(answer)
    assert "Distância (km): \x1b[1m450\x1b[0m; Escolas" in show.answer_text(answer, bold=True)
    assert [(each.title, str(each)) for each in answer.citations[0].rows] == [(title, row)]


def test_the_quote_stays_the_exact_text_and_is_one_click_away() -> None:
    document = as_markdown()
    cited = quoting(document, "Bodó").citations[0]
    assert cited.quote == "| Bodó | 450 | 24 |" == document.text[cited.start : cited.end]
    assert '<div class="text">| Bodó | 450 | 24 |</div>' in show.answer_html(quoting(document, "Bodó"))


@pytest.mark.parametrize("table", [as_markdown, as_docx])
def test_an_opened_passage_reads_every_row_and_marks_the_quoted_one(table: Callable[[], Document]) -> None:
    answer, document = quoting(table(), "Bodó", "24"), table()
    wide = replace(answer.citations[0], passage=document.text, passage_start=0)
    unsure = complete_citations(
        replace(answer, sentences=(), outcome="unsure", citations=(wide,)), {"d1": document}.__getitem__
    )
    markup, text = show.answer_html(unsure), show.answer_text(unsure)
    assert '<div class="par">Município: Acari; Distância (km): 210; Escolas: 9</div>' in markup
    assert "<mark>Município: Bodó; Distância (km): 450; Escolas: <b>24</b></mark>" in markup
    assert "Município · Distância" not in text, "each row says it"
    assert "  ▶ Município: Bodó; Distância (km): 450; Escolas: 24\n    Município: Caicó;" in text
    assert seen(markup).count(unsure.citations[0].rows[0].title) == 1 + ("Anexo" not in document.text)


def test_a_passage_cuts_no_row() -> None:
    document = as_markdown()
    start = document.text.index("Acari") + 2
    cited = Citation(
        1, "d1", "x", start, start + 3, "ari", 1.0, passage=document.text[start : start + 30], passage_start=start
    )
    cited = complete_citations(Answer("?", (), (cited,)), {"d1": document}.__getitem__).citations[0]
    assert cited.passage.startswith("| Acari |") and cited.passage.endswith("| 24 |")
    assert document.text[cited.passage_start :].startswith(cited.passage)


def test_a_shortened_passage_cuts_no_row_either() -> None:
    rows = "\n".join(f"| Cidade {'muito longa ' * 5}{n} | {n} |" for n in range(9))
    document = read(markdown, f"| Nome | Vagas |\n|---|---|\n{rows}".encode())
    answer = quoting(document, "longa 4")
    wide = replace(answer.citations[0], passage=document.text, passage_start=0)
    nothing = complete_citations(
        replace(answer, sentences=(), outcome="nothing", citations=(wide,)), {"d1": document}.__getitem__
    )
    shown = show.answer_html(nothing)
    assert "longa 4; Vagas: 4" in shown and "longa 0;" not in shown
    assert len(re.findall(r"Nome: Cidade", shown)) == len(re.findall(r"; Vagas: \d</", shown)) > 1


def test_an_answer_over_several_cells_is_bold_in_each() -> None:
    assert "Município: <b>Bodó</b>; Distância (km): <b>450</b>;" in show.answer_html(
        quoting(as_markdown(), "Bodó", "Bodó | 450")
    )


@pytest.mark.parametrize("parted", ["| {} | {} |", "{}\t{}"])
def test_hostile_cells_are_text(parted: str) -> None:
    lines = [parted.format("Nome", HOSTILE), *(["|---|---|"] if "|" in parted else []), parted.format(HOSTILE, "7")]
    document = Document("d1", "x", "\n".join([*lines, parted.format("Ana", "8")]))
    answer = quoting(document, lines[-1])
    assert "Nome: " in str(answer) and "\x1b" not in str(answer) and "\u202e" not in str(answer)
    markup = show.answer_html(answer)
    assert "<script" not in markup and "Nome: &lt;script&gt;alert" in markup and "\x1b" not in markup


def test_rows_that_no_header_names_are_parted_by_dots() -> None:
    document = Document("d1", "x", "Destino\tNível\tValor\nCapital\tSuperior\tR$ 300\nMédio\tR$ 220\na\tb\tc\td")
    assert "\nMédio · R$ 220" in seen(show.answer_html(quoting(document, "Médio")))
    assert "\na · b · c · d" in seen(show.answer_html(quoting(document, "a\tb")))


def test_a_header_without_a_name_leaves_its_values_without_one() -> None:
    document = Document("d1", "x", "| Nome | | Vagas |\n|---|---|---|\n| Ana | sim | 3 |\n")
    assert "Nome: Ana; sim; Vagas: 3" in show.answer_text(quoting(document, "Ana"))


def test_prose_and_a_row_of_one_quote_stand_on_lines_of_their_own() -> None:
    document = Document("d1", "x", "As vagas são estas.\n\n| Nome | Vagas |\n|---|---|\n| Ana | 3 |\n")
    cited = quoting(document, "| Ana").citations[0]
    both = replace(cited, start=0, quote=document.text[: cited.end], passage=document.text, passage_start=0)
    said = Answer("?", (Sentence(" ".join(both.quote.split()), (1,)), Sentence("Sem fonte.")), (both,))
    text = show.answer_text(complete_citations(said, {"d1": document}.__getitem__))
    assert "  As vagas são estas.\n  Nome · Vagas\n  Nome: Ana; Vagas: 3 [1]\n  Sem fonte. (without support)" in text


def test_the_rows_are_in_the_json_and_an_answer_stored_before_has_none() -> None:
    told = json.loads(show.dumps(quoting(as_markdown(), "Bodó")))["citations"][0]
    cell = {"column": "Escolas", "value": "24", "start": told["end"] - 4, "end": told["end"] - 2}
    assert told["rows"][0]["cells"][2] == cell and told["rows"][0]["title"] == "Tabela 1: rotas do estado"
    before = Citation(**{name: value for name, value in told.items() if name not in ("rows", "gone")})
    answer = Answer("?", (Sentence(before.quote, (1,)),), (before,))
    assert before.rows == () and "Bodó · 450 · 24 [1]" in show.answer_text(answer)


def test_the_panel_shows_the_row_as_the_notebook_does() -> None:
    answer = quoting(as_markdown(), "Bodó", "450")
    asked = type("Asked", (), {"ask": lambda self, question, k: answer})()
    state = Asking(asked)
    _question, _row, result, _onward = asking_view(state).children
    state.ask()
    assert "Município: Bodó; Distância (km): <b>450</b>; Escolas: 24" in result.value


def test_a_citation_says_that_its_file_is_gone(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "texts" / "escola.md"
    file.parent.mkdir()
    file.write_text("A escola de música foi fundada em 1932 por Ana Prado.")
    with Workspace.open(tmp_path / "ws", settings=Settings(embedding_model=str(tiny_model))) as workspace:
        workspace.ingest(file.parent, on_progress=quiet)
        workspace.ingest([{"id": "moinho", "text": "O moinho foi fundado em 1874 por Rui."}], on_progress=quiet)
        there = workspace.ask("Quando a escola de música foi fundada?", threshold=0.0)
        file.unlink()
        gone = workspace.ask("Quando a escola de música foi fundada?", threshold=0.0)
    assert not any(citation.gone for citation in there.citations) and "no longer there" not in str(there)
    assert {c.document_name: c.gone for c in gone.citations}["escola.md"]
    for form in (show.answer_html(gone), show.answer_text(gone)):
        assert "escola.md · the file is no longer there" in form
    monkeypatch.setenv("QRAG_LANG", "pt_BR")
    assert "escola.md · o arquivo não está mais lá" in show.answer_text(gone)
