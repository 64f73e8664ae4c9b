"""Encodings, cleaning, drafts and the type by content."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrag_lib.documents import Reader
from qrag_lib.documents.sniff import sniff
from qrag_lib.documents.text.draft import Draft, Extract
from qrag_lib.documents.text.encoding import decode
from qrag_lib.documents.text.tidy import clean
from qrag_lib.errors import DocumentRefused

LETTERS = "abcdefghijklmnopqrstuvwxyz ABCDE áéíóúâêôãõàçÁÉÍÓÚÂÊÔÃÕÇüñ.,;:!?0123456789\n"
western = st.text(LETTERS, min_size=1, max_size=200)


@given(western, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))
def test_marked_and_utf8_texts_come_back(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding))[0] == text


@given(st.text(LETTERS, min_size=200, max_size=400), st.sampled_from(["utf-16-le", "utf-16-be"]))
def test_utf16_without_a_mark_comes_back(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding))[0] == text


@given(western, st.sampled_from(["latin-1", "cp1252"]))
def test_portuguese_in_one_byte_comes_back(words: str, encoding: str) -> None:
    text = "A ação não é só de João e Conceição. " * 3 + words
    decoded, name = decode(text.encode(encoding))
    assert decoded == text and name == "cp1252"


@given(st.lists(st.tuples(western, st.booleans()), min_size=2, max_size=20))
def test_lines_of_two_encodings_come_back(lines: list[tuple[str, bool]]) -> None:
    start = "Você não está só: são João.\n"
    data = (start * 2).encode() + start.encode("latin-1")
    data += b"".join(line.encode("utf-8" if wide else "cp1252") for line, wide in lines)
    assert decode(data)[0] == start * 3 + "".join(line for line, _wide in lines)


def test_windows_quotes_and_the_euro_come_back() -> None:
    assert decode("“3,50 €” – preço…".encode("cp1252")) == ("“3,50 €” – preço…", "cp1252")


def test_cyrillic_in_one_byte_is_not_taken_for_western() -> None:
    text = "Съешь же ещё этих мягких французских булок, да выпей чаю. " * 20
    assert decode(text.encode("cp1251")) == (text, "cp1251")


@given(st.binary(max_size=300))
def test_bytes_become_text_that_can_be_written_or_are_refused(data: bytes) -> None:
    try:
        text = clean(decode(data)[0])
    except DocumentRefused as refused:
        assert refused.reason == "binary"
    else:
        text.encode("utf-8")


@pytest.mark.parametrize("data", [bytes(range(256)) * 8, "texto de teste ".encode("cp500") * 50, b"ab\0\0\0" * 50])
def test_what_is_no_text_is_refused(data: bytes) -> None:
    with pytest.raises(DocumentRefused) as refused:
        decode(data)
    assert refused.value.reason == "binary"


@given(st.text())
def test_clean_text_is_composed_stable_and_can_be_written(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode("utf-8")
    assert unicodedata.is_normalized("NFC", cleaned) and clean(cleaned) == cleaned
    assert not set(cleaned) & set("\0\r\xad\u200b\ufeff\ufb01\x85")


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"])))
def test_cleaning_keeps_ascii_as_it_is(text: str) -> None:
    assert clean(f"x{text}x") == f"x{text}x"


@pytest.mark.parametrize(
    ("given_", "wanted"),
    [
        ("o\ufb03ce de\ufb01nição", "office definição"),
        ("con\xadstitui\xadção", "constituição"),
        ("a\u0301rvore", "árvore"),
        ("10\xa0m² de H₂O", "10 m² de H₂O"),
        ("um \ud800 dois", "um \ufffd dois"),
        ("\ud83d\ude00", "😀"),
        ("🏳️\u200d🌈", "🏳️\u200d🌈"),
        ("fim  \r\n\r\n\r\n\r\ncomeço", "fim\n\ncomeço"),
    ],
)
def test_cleaning_keeps_meaning(given_: str, wanted: str) -> None:
    assert clean(given_) == wanted


@given(st.lists(st.tuples(st.sampled_from(["page", "heading", "text"]), st.text(max_size=30), st.integers(1, 4))))
def test_sections_of_a_draft_are_true(steps: list[tuple[str, str, int]]) -> None:
    draft = Draft()
    for kind, text, level in steps:
        if kind == "page":
            draft.begin("page", text)
        elif kind == "heading":
            draft.heading(text, level)
        else:
            draft.add(text)
    extract = draft.finish("text/plain")
    for section in extract.sections:
        assert 0 <= section.start <= section.end <= len(extract.text)
        assert section.kind == "page" or extract.text.startswith(section.label, section.start)
    assert Extract.from_json(extract.to_json()) == extract


def test_a_heading_reaches_to_the_next_of_its_level() -> None:
    draft = Draft()
    for title, level in [("Um", 1), ("Um.um", 2), ("Um.dois", 2), ("Dois", 1)]:
        draft.heading(title, level)
        draft.add(f"texto de {title}")
    extract = draft.finish("text/plain")
    told = {s.label: extract.text[s.start : s.end] for s in extract.sections}
    assert told["Um.um"] == "Um.um\n\ntexto de Um.um"
    assert told["Um"].endswith("texto de Um.dois") and told["Dois"] == "Dois\n\ntexto de Dois"


@pytest.mark.parametrize(
    ("data", "name", "kind"),
    [
        (b"%PDF-1.4", "a.txt", "pdf"),
        (b"junk\n%PDF-1.4", "a.pdf", "pdf"),
        (b"PK\x03\x04", "a.docx", "zip"),
        (b"{\\rtf1 x}", "a.doc", "rtf"),
        (b"<!DOCTYPE html><p>x", "a.txt", "html"),
        (b"<?xml version='1.0'?><html/>", "a", "html"),
        (b"<!-- x --><html>", "a.pdf", "html"),
        (b"<h1 align=center>Logo</h1>", "README.md", "md"),
        (b"From: a\r\nTo: b\r\nSubject: c\r\n\r\nx", "mensagem", "eml"),
        (b"From: a\n\nTo: b\nSubject: c", "carta.txt", "txt"),
        (b'{"cells": [], "nbformat": 4}', "sem-nome", "ipynb"),
        (b'{"a": 1}', "a.json", "json"),
        (b"a;b", "A.CSV", "csv"),
        (b"BM is a city", "a.txt", "txt"),
        (b"MZ", "a.txt", "txt"),
        (b"import os", "a.py", "txt"),
    ],
)
def test_type_is_told_by_content(data: bytes, name: str, kind: str) -> None:
    assert sniff(data, name) == kind


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x89PNG\r\n\x1a\n....", "binary"),
        (b"\xff\xd8\xff\xe0", "binary"),
        (b"MZ\x90\x00\x03", "binary"),
        (b"\x7fELF", "binary"),
        (b"\x1f\x8b\x08", "binary"),
        (b"SQLite format 3\x00", "binary"),
        (b"\0" * 257 + b"ustar\0", "unsupported"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "unsupported"),
    ],
)
def test_what_cannot_be_a_document_is_refused_by_its_first_bytes(data: bytes, reason: str) -> None:
    with pytest.raises(DocumentRefused) as refused:
        sniff(data, "a.txt")
    assert refused.value.reason == reason and refused.value.hint


MARKUP = st.text(st.sampled_from(list("#=-~`*_[](){}<>|\\:;,.\"'\n\r\t 0123aé\u2028\ud800\x00")), max_size=300)


@given(MARKUP, st.sampled_from(["md", "rst", "csv", "txt", "json", "jsonl", "ipynb"]))
def test_odd_markup_is_read_with_true_sections_or_refused(text: str, suffix: str) -> None:
    reader = Reader()
    try:
        extract = reader.parse(text.encode("utf-8", "surrogatepass"), f"a.{suffix}")
    except DocumentRefused as refused:
        assert refused.reason in ("empty", "binary", "broken")
    else:
        extract.text.encode("utf-8")
        assert all(0 <= s.start <= s.end <= len(extract.text) for s in extract.sections)
        assert reader.sandbox.started == 0
