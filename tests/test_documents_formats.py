"""What each format keeps, and what it must not let in."""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Iterator

import office
import pytest

from qrag_lib.documents import Limits, Reader
from qrag_lib.documents.text.draft import Extract
from qrag_lib.errors import DocumentRefused


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    with Reader() as reader:
        yield reader


def sections(extract: Extract) -> dict[str, str]:
    return {section.label: extract.text[section.start : section.end] for section in extract.sections}


def refusal(reader: Reader, data: bytes, name: str = "a.docx") -> DocumentRefused:
    with pytest.raises(DocumentRefused) as refused:
        reader.parse(data, name)
    return refused.value


# -- plain text --------------------------------------------------------------------------------


def test_markdown_keeps_code_and_takes_the_title_from_the_front_matter(reader: Reader) -> None:
    text = "---\ntitle: 'Taxa base'\nstatus: Final\n---\n\n## Resumo\n\n```sh\n# não é título\n```\n\n## Fim\n"
    extract = reader.parse(text.encode(), "a.md")
    assert extract.metadata == {"title": "Taxa base", "status": "Final"}
    assert [(s.label, s.level) for s in extract.sections] == [("Taxa base", 1), ("Resumo", 2), ("Fim", 2)]
    assert sections(extract)["Resumo"] == "## Resumo\n\n```sh\n# não é título\n```\n\n"
    assert sections(extract)["Taxa base"] == extract.text


def test_rst_titles_are_told_by_their_adornment(reader: Reader) -> None:
    extract = reader.parse(b"====\nGuia\n====\n\nPasso\n=====\n\ntexto\n\nOutro\n=====\n", "a.rst")
    assert [(s.label, s.level) for s in extract.sections] == [("Guia", 1), ("Passo", 2), ("Outro", 2)]
    assert "texto" in sections(extract)["Passo"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_rows_carry_the_names_of_their_columns(delimiter: str, reader: Reader) -> None:
    rows = [["cidade", "população"], ["São Paulo", "12.396.372"], ["Ji-Paraná", "131.026"]]
    extract = reader.parse("\n".join(delimiter.join(row) for row in rows).encode("cp1252"), "a.csv")
    assert sections(extract)["2"] == "cidade: São Paulo; população: 12.396.372"
    assert extract.metadata["columns"] == "cidade; população"


def test_csv_without_a_header_keeps_every_row(reader: Reader) -> None:
    extract = reader.parse('"Ana ""A"" Lima","3,50"\n"Rui\nSá","7"\n'.encode(), "a.csv")
    assert extract.text == 'Ana "A" Lima, 3,50\nRui Sá, 7'


def test_a_long_table_has_sections_for_its_first_rows_and_text_for_all(reader: Reader) -> None:
    extract = reader.parse(b"a;b\n" + b"1;2\n" * 30_000, "a.csv")
    assert extract.text == "\n".join(["a: 1; b: 2"] * 30_000) and len(extract.sections) == 20_000
    assert extract.sections[-1].end - extract.sections[-1].start == len("a: 1; b: 2")


def test_json_values_stand_behind_their_path(reader: Reader) -> None:
    extract = reader.parse(b'[{"a": {"b": ["x", 1]}, "c": "\\ud800"}, {"a": true}]', "a.json")
    assert extract.text == "a.b: x\na.b: 1\nc: \ufffd\n\na: true"
    assert sections(extract)["2"] == "a: true"


@pytest.mark.parametrize("text", ['{"a": [1, ', "[" * 100_000, '{"a": 1}\n{"b": '])
def test_broken_json_is_text(text: str, reader: Reader) -> None:
    assert reader.parse(text.encode(), "a.json").text == text.strip("\n")[: len(text)].rstrip()


def test_json_lines_are_records(reader: Reader) -> None:
    extract = reader.parse(b'{"t": "um"}\n\n{"t": "dois"}\n', "a.jsonl")
    assert sections(extract) == {"1": "t: um", "2": "t: dois"}


def test_notebook_keeps_headings_code_and_printed_results(reader: Reader) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Título\n", "texto"]},
        {"cell_type": "code", "source": "x = 1", "outputs": [{"output_type": "stream", "text": ["saiu\n"]}]},
        {"cell_type": "code", "source": "y", "outputs": [{"data": {"text/html": "<b>não</b>", "text/plain": "42"}}]},
        {"cell_type": "markdown", "source": "Fim\n===\n\nacabou"},
    ]
    extract = reader.parse(json.dumps({"cells": cells, "nbformat": 4}).encode(), "a.ipynb")
    assert extract.text == "Título\n\ntexto\n\nx = 1\n\nsaiu\n\ny\n\n42\n\nFim\n\nacabou"
    assert sections(extract)["Fim"] == "Fim\n\nacabou"


@pytest.mark.parametrize("text", ["{", '{"nbformat": 4}', '{"cells": 3}', "[]", '{"cells": ' + "[" * 100_000])
def test_broken_notebook_is_refused(text: str, reader: Reader) -> None:
    assert refusal(reader, text.encode(), "a.ipynb").reason == "broken"


# -- pages and mail ----------------------------------------------------------------------------


def test_page_shows_what_a_reader_sees(reader: Reader) -> None:
    page = """<html><head><title>Um &amp; dois</title><style>p {}</style></head><body onload="x()">
      <script>alert(1)</script><h1>Título</h1><p>Uma <b>linha</b>
      só<br>outra</p><p hidden>não</p><p style="display: none">nem isto</p><noscript>ligue</noscript>
      <ul><li>um</li><li>dois</li></ul><pre>a\n  b</pre><svg><text>logo</text></svg></body></html>"""
    extract = reader.parse(page.encode(), "a.html")
    assert extract.text == "Título\n\nUma linha só\noutra\n- um\n- dois\n\na\n  b"
    assert extract.metadata["title"] == "Um & dois"


def test_table_rows_are_lines_and_layout_tables_are_not(reader: Reader) -> None:
    rows = b"<table><tr><th>UF<th>Cidade<tr><td><p>RJ</p><td><p>Areal</p></table>"
    assert reader.parse(rows, "a.html").text == "UF\tCidade\nRJ\tAreal"
    layout = b"<html><table><tr><td><h1>T</h1><p>um</p><p>dois</p><td>lado</table>"
    assert reader.parse(layout, "a.html").text == "T\n\num\n\ndois\n\nlado"


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "iso-8859-2", "cp1251"])
def test_page_is_read_in_the_encoding_it_names(encoding: str, reader: Reader) -> None:
    words = {"iso-8859-2": "żółć", "cp1251": "съешь"}.get(encoding, "ação")
    page = f"<html><meta charset={encoding}><p>{words}</p></html>"
    assert reader.parse(page.encode(encoding), "a.html").text == words


def test_mail_keeps_header_text_and_names_of_attachments(reader: Reader) -> None:
    mail = (
        b"From: =?utf-8?q?Jo=C3=A3o?= <joao@example.org>\r\nTo: ana@example.org\r\nSubject: =?latin-1?q?Reuni=E3o?=\r\n"
        b"Date: Mon, 06 May 2024 10:00:00 -0300\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"
        b"--x\r\nContent-Type: text/html; charset=latin-1\r\n\r\n<p>Amanh\xe3<script>no()</script></p>\r\n"
        b"--x\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=ata.pdf\r\n\r\n"
        b"%PDF\r\n--x--\r\n"
    )
    text = reader.parse(mail, "a.eml").text
    assert text.startswith("Subject: Reunião\nFrom: João <joao@example.org>\nTo: ana@example.org\nDate: Mon, 06 May")
    assert text.endswith("\n\nAmanhã\n\nAttachment: ata.pdf") and "no()" not in text


def test_mail_nested_without_end_is_bounded(reader: Reader) -> None:
    mail = b"From: a\nTo: b\nSubject: c\n" + b"Content-Type: message/rfc822\n\n" * 5_000 + b"fundo"
    assert refusal(reader, mail, "a.eml").reason in ("bomb", "broken", "empty")


def test_rtf_is_read_without_its_control_words(reader: Reader) -> None:
    data = rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}{\info{\title x}}\f0 Decis\'e3o n\'ba 5\par fim}"
    assert reader.parse(data, "a.doc").text == "Decisão nº 5\nfim"


def test_xml_gives_its_words_and_no_entity_of_another_file(reader: Reader) -> None:
    page = "<?xml version='1.0'?><a x='1'><b>um<!-- nada --><c>dois</c></b> três<style>x</style> quatro</a>"
    assert reader.parse(page.encode(), "a.xml").text == "um\ndois\ntrês\nquatro"
    bomb = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><a>&b;</a>'
    assert refusal(reader, bomb, "a.xml").reason == "bomb"


# -- office files ------------------------------------------------------------------------------


def test_word_headings_come_from_styles_of_any_language(reader: Reader) -> None:
    styles = (
        '<w:style w:styleId="Ttulo1"><w:name w:val="heading 1"/></w:style>'
        '<w:style w:styleId="Meu"><w:name w:val="Capítulo"/><w:basedOn w:val="Ttulo1"/></w:style>'
        '<w:style w:styleId="Rel"><w:name w:val="x"/><w:pPr><w:outlineLvl w:val="1"/></w:pPr></w:style>'
        '<w:style w:styleId="A"><w:name w:val="a"/><w:basedOn w:val="B"/></w:style>'
        '<w:style w:styleId="B"><w:name w:val="b"/><w:basedOn w:val="A"/></w:style>'
    )
    body = "".join(office.paragraph(text, style) for text, style in
                   [("Prazo", "Meu"), ("Contagem", "Rel"), ("Trinta dias.", "A"), ("Custas", "Ttulo1")])  # fmt: skip
    extract = reader.parse(office.docx(body, styles=styles), "a.docx")
    assert [(s.label, s.level) for s in extract.sections] == [("Prazo", 1), ("Contagem", 2), ("Custas", 1)]
    assert sections(extract)["Prazo"] == "Prazo\n\nContagem\n\nTrinta dias.\n\n"[:-2]


def test_word_keeps_insertions_controls_boxes_and_notes_and_drops_deletions(reader: Reader) -> None:
    run = "<w:r><w:t>{}</w:t></w:r>".format
    body = (
        f"<w:p>{run('O prazo é de ')}<w:del>{run('dez')}</w:del><w:ins>{run('trinta')}</w:ins>{run(' dias')}"
        '<w:r><w:footnoteReference w:id="2"/></w:r><w:r><w:instrText>PAGE</w:instrText></w:r></w:p>'
        f"<w:sdt><w:sdtContent>{office.paragraph('controle')}</w:sdtContent></w:sdt>"
        f"<w:p><w:r><w:txbxContent>{office.paragraph('caixa')}</w:txbxContent></w:r></w:p>"
    )
    note = f'<w:footnote w:id="2">{office.paragraph("úteis")}</w:footnote>'
    text = reader.parse(office.docx(body, footnotes=note), "a.docx").text
    assert text == "O prazo é de trinta dias[2]\n\ncontrole\n\n\ncaixa".replace("\n\n\n", "\n\n") + "\n[2] úteis"


def test_word_tables_are_lines_and_a_table_in_a_cell_is_told_once(reader: Reader) -> None:
    def table(*rows: list[str]) -> str:
        cells = ("".join(f"<w:tc>{cell}</w:tc>" for cell in row) for row in rows)
        return "<w:tbl>" + "".join(f"<w:tr>{row}</w:tr>" for row in cells) + "</w:tbl>"

    inner = table([office.paragraph("x"), office.paragraph("y")])
    outer = table([office.paragraph("a"), office.paragraph("b")], [office.paragraph("c"), inner + "<w:p/>"])
    assert reader.parse(office.docx(outer), "a.docx").text == "a\tb\nc\tx y"


def test_slides_come_in_the_order_of_the_show_with_their_notes(reader: Reader) -> None:
    first = office.shape("ponto um\nponto dois") + office.shape("Abertura", "title") + office.shape("7", "sldNum")
    data = office.pptx(first, office.shape("Fim", "ctrTitle"), notes=office.shape("diga bom dia", "body"))
    extract = reader.parse(data, "a.pptx")
    assert extract.text == "Abertura\n\nponto um\nponto dois\n\ndiga bom dia\n\nFim"
    assert [(s.kind, s.label) for s in extract.sections] == [
        ("slide", "1"),
        ("heading", "Abertura"),
        ("slide", "2"),
        ("heading", "Fim"),
    ]


def test_sheets_keep_dates_numbers_and_column_names(reader: Reader) -> None:
    import datetime

    from openpyxl import Workbook

    book = Workbook()
    book.active.title = "Vendas"
    for row in [["Relatório"], [], ["mês", "total"], [datetime.date(2024, 5, 1), 1234.5], [None, 7.0]]:
        book.active.append(row)
    book.create_sheet("Vazia")
    book.save(buffer := io.BytesIO())
    extract = reader.parse(buffer.getvalue(), "a.xlsx")
    assert extract.text == "Vendas\nRelatório\nmês: 2024-05-01; total: 1234.5\ntotal: 7"
    assert [s.label for s in extract.sections if s.kind == "sheet"] == ["Vendas", "Vazia"]


def test_open_document_keeps_headings_spaces_notes_and_tables(reader: Reader) -> None:
    body = (
        '<text:h text:outline-level="2">Prazo</text:h><text:p>um<text:s text:c="2"/>dois<text:tab/>três'
        "<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>nota</text:p></text:note-body>"
        "</text:note></text:p><text:tracked-changes><text:p>apagado</text:p></text:tracked-changes>"
        "<table:table><table:table-row><table:table-cell><text:p>a</text:p></table:table-cell>"
        '<table:table-cell table:number-columns-repeated="2"><text:p>b</text:p></table:table-cell>'
        "</table:table-row></table:table>"
    )
    extract = reader.parse(office.odt(body), "a.odt")
    assert extract.text == "Prazo\n\num  dois\ttrês [nota]\na\tb\tb"
    assert extract.sections[0].level == 2


def test_book_is_read_in_the_order_of_its_spine(reader: Reader) -> None:
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        '<dc:title>Livro</dc:title></metadata><manifest><item id="a" href="t/a%20b.xhtml"/>'
        '<item id="b" href="t/b.xhtml"/>'
        '<item id="c" href="../../etc/passwd"/></manifest><spine>'
        '<itemref idref="b"/><itemref idref="a"/><itemref idref="c"/>'
        "</spine></package>"
    )
    container = '<container><rootfiles><rootfile full-path="O/p.opf"/></rootfiles></container>'
    data = office.archive({
        "mimetype": "application/epub+zip", "META-INF/container.xml": container, "O/p.opf": package,
        "O/t/a b.xhtml": "<html><title>x</title><h1>Dois</h1></html>", "O/t/b.xhtml": "<html><h1>Um</h1></html>",
    })  # fmt: skip
    extract = reader.parse(data, "a.epub")
    assert extract.text == "Um\n\nDois" and extract.metadata["title"] == "Livro"


# -- bombs -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(archive_entries=10), "13 entries, limit 10"),
        (Limits(archive_bytes=2**20), r"expand to 3\.0 MiB, limit 1\.0 MiB"),
        (Limits(archive_entry_bytes=2**20), r"'word/media/big' would expand to 3\.0 MiB"),
        (Limits(archive_ratio=50), "expands .* times, limit 50"),
    ],
)
def test_container_is_judged_before_it_is_inflated(limits: Limits, message: str) -> None:
    parts = {"word/document.xml": "<x/>", "word/media/big": b"\0" * 3 * 2**20, **{f"word/{n}": "" for n in range(11)}}
    with Reader(limits) as reader, pytest.raises(DocumentRefused, match=message) as refused:
        reader.parse(office.archive(parts), "a.docx")
    assert refused.value.reason == "bomb"


def test_container_that_lies_about_its_sizes_is_refused(reader: Reader) -> None:
    data = bytearray(office.docx(office.paragraph("x" * 5_000_000)))
    entry = data.index(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = (100).to_bytes(4, "little")  # uncompressed size in the table of contents
    assert refusal(reader, bytes(data)).reason == "broken"


def test_container_locked_with_a_password_is_refused(reader: Reader) -> None:
    data = bytearray(office.docx(office.paragraph("x")))
    for mark, at in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        data[data.index(mark) + at] |= 1
    assert refusal(reader, bytes(data)).reason == "encrypted"


def test_zip_slip_writes_nothing(reader: Reader, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.getbasetemp() / "escaped.txt"
    with zipfile.ZipFile(buffer := io.BytesIO(), "w") as file:
        file.writestr(f"../../../..{outside}", "x")
    assert refusal(reader, buffer.getvalue()).reason == "unsupported" and not outside.exists()


def test_a_sheet_of_many_empty_rows_ends_in_time(reader: Reader) -> None:
    row = '<row r="1048576"><c r="XFD1048576" t="inlineStr"><is><t>fim</t></is></c></row>'
    from openpyxl import Workbook

    Workbook().save(buffer := io.BytesIO())
    with zipfile.ZipFile(buffer) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    sheet = parts["xl/worksheets/sheet1.xml"].decode()
    parts["xl/worksheets/sheet1.xml"] = sheet.replace("<sheetData>", f"<sheetData>{row}").encode()
    assert reader.parse(office.archive(parts), "a.xlsx").text == "Sheet\nfim"


@pytest.mark.parametrize("seed", range(3))
def test_damaged_files_are_read_or_refused(seed: int, reader: Reader) -> None:
    chance = random.Random(seed)
    whole = {
        "a.docx": office.docx(office.paragraph("texto " * 50)), "a.pptx": office.pptx(office.shape("slide")),
        "a.odt": office.odt("<text:p>texto</text:p>"), "a.pdf": office.pdf(["linha"] * 9),
        "a.html": b"<html><table><tr><td>x</table>" * 9, "a.eml": b"From: a\nTo: b\nSubject: c\n\nx",
    }  # fmt: skip
    for name, data in whole.items():
        for _try in range(40):
            damaged = bytearray(data)
            for _hit in range(chance.choice([1, 4, 16])):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            try:
                reader.parse(bytes(damaged[: chance.randrange(1, 2 * len(data))]), name).text.encode()
            except DocumentRefused as refused:
                assert "crashed" not in refused.message
