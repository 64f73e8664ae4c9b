"""Every file of the real material: the good ones are read, the hostile ones behave as their line says."""

from __future__ import annotations

import json
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import DATA

from qrag_lib.documents import Reader
from qrag_lib.errors import DocumentRefused
from qrag_lib.types import REASONS, Document

MANIFEST = DATA / "files" / "MANIFEST.jsonl"
LINES: list[dict[str, Any]] = []
if MANIFEST.is_file():
    LINES = [json.loads(line) for line in MANIFEST.read_text("utf-8").splitlines()]
NAMES = [line["file"] for line in LINES] or [pytest.param("", marks=pytest.mark.skip("the real material is not here"))]
BY_NAME = {line["file"]: line for line in LINES}


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    with Reader() as reader:
        yield reader


def attempt(reader: Reader, path: Path) -> Document | DocumentRefused:
    try:
        return reader.read(path)
    except DocumentRefused as refused:
        return refused


def fold(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).split())


@pytest.mark.parametrize("name", NAMES)
def test_file_behaves_as_its_line_says(name: str, reader: Reader) -> None:
    line = BY_NAME[name]
    start = time.monotonic()
    outcome = attempt(reader, DATA / name)
    assert time.monotonic() - start < 20 and reader.sandbox.peak_mib < 500
    check_outcome(line, outcome)
    if isinstance(outcome, Document):
        check_true(outcome)
        assert [p for p in line.get("must_contain", []) if fold(p) not in fold(outcome.text)] == []
    else:
        assert outcome.reason in REASONS and outcome.hint and "\n" not in outcome.message


def check_outcome(line: dict[str, Any], outcome: Document | DocumentRefused) -> None:
    expect = line["expect"]
    if expect in ("extract", "open and extract") or expect.startswith(("text kept", "extract by content")):
        assert isinstance(outcome, Document), outcome
    elif expect.startswith("refuse"):
        assert isinstance(outcome, DocumentRefused)
    elif expect.startswith("no text layer"):
        assert isinstance(outcome, DocumentRefused) and outcome.reason == "no_text" and "ocr" in (outcome.hint or "")


def check_true(document: Document) -> None:
    document.text.encode("utf-8")
    json.dumps(dict(document.metadata)).encode("utf-8")
    assert document.text.strip() and "\0" not in document.text
    starts = [section.start for section in document.sections]
    assert starts == sorted(starts)
    for section in document.sections:
        assert 0 <= section.start <= section.end <= len(document.text)
        if section.kind == "heading":
            assert section.label.split()[0].strip("*_`#[]()“”\"'") in document.text[section.start : section.end]


REASON = {
    "libreoffice-writer-password.pdf": "encrypted",
    "crazyones-encrypted-256.pdf": "encrypted",
    "testWORD_protected_passtika.docx": "encrypted",
    "protectedFile.xlsx": "encrypted",
    "fake-encrypted.eml": "encrypted",
    "Pages-tree-refs.pdf": "broken",
    "droste.zip": "unsupported",
    "zip-slip.zip": "unsupported",
    "fake.doc": "unsupported",
    "bomb-1gib.docx": "bomb",
    "billion-laughs.docx": "bomb",
    "truncated.docx": "broken",
    "png-named.txt": "binary",
    "english.cp500.txt": "binary",
    "empty.pdf": "empty",
    "empty.eml": "empty",
    "whitespace.txt": "empty",
}


@pytest.mark.parametrize("name", REASON)
def test_refusal_names_the_true_reason(name: str, reader: Reader, shared_data: Path) -> None:
    outcome = attempt(reader, shared_data / "files" / "hostile" / name)
    assert isinstance(outcome, DocumentRefused) and outcome.reason == REASON[name]


SAYS = {
    "latin1-pt.txt": "ção",
    "cp1252-pt.csv": "preço: R$ 3,50 €",
    "mixed-utf8-latin1.md": "você",
    "umlauts-non-utf8.md": "ü",
    "fake-text-utf-16.txt": "test",
    "formula.csv": "=HYPERLINK(",
    "docx-named.pdf": "This is a table",
    "pdf-named.docx": "round pegs",
    "deep-nesting.html": "fundo do poco",
    "testExternalRefs.docx": "[Image placeholder]",
}


@pytest.mark.parametrize("name", SAYS)
def test_hostile_file_keeps_its_words(name: str, reader: Reader, shared_data: Path) -> None:
    assert SAYS[name] in reader.read(shared_data / "files" / "hostile" / name).text


@pytest.mark.parametrize("name", ["latin1-pt.txt", "mixed-utf8-latin1.md", "cp1252-pt.csv", "nul-bytes.txt"])
def test_no_letter_is_lost_or_garbled(name: str, reader: Reader, shared_data: Path) -> None:
    text = reader.read(shared_data / "files" / "hostile" / name).text
    assert not set(text) & set("\ufffdÃÂ") or name == "nul-bytes.txt"
    assert "ç" in text and "ã" in text


def test_scripts_and_styles_never_reach_the_text(reader: Reader, shared_data: Path) -> None:
    text = reader.read(shared_data / "files" / "hostile" / "example-with-scripts.html").text
    assert not any(sign in text for sign in ("<script", "function(", "jQuery", "{display", "googletag"))


def test_external_entity_never_reaches_the_text(reader: Reader, shared_data: Path) -> None:
    outcome = attempt(reader, shared_data / "files" / "hostile" / "xxe-file.docx")
    hostname = Path("/etc/hostname").read_text().strip() if Path("/etc/hostname").exists() else "\0"
    assert isinstance(outcome, DocumentRefused) or hostname not in outcome.text


def test_a_thousand_markdown_files_take_about_a_second(reader: Reader, shared_data: Path) -> None:
    files = sorted((shared_data / "docs" / "eips-en").rglob("*.md"))
    start = time.process_time()
    n_characters = sum(len(reader.read(file).text) for file in files)
    assert n_characters > 6_000_000 and time.process_time() - start < 4
