"""Every interface text has its translation, and the compiled catalogue is the one that was written."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from local_models.interface.number_format import size
from local_models.interface.translations import Translations, speaking
from qrag_lib import i18n
from qrag_lib.i18n import extract, notebooks


@pytest.fixture(scope="module", params=extract.DOMAINS)
def domain(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def portuguese(domain: str) -> Any:
    return extract.in_catalogue(domain, "pt_BR")


def test_every_message_of_the_code_is_translated(domain: str) -> None:
    assert extract.untranslated(domain, "pt_BR") == [], "run make i18n, and write the translations"


def test_no_translation_is_left_of_a_message_that_is_gone(domain: str, portuguese: Any) -> None:
    there = {message.id for message in extract.in_code(domain) if message.id}
    assert {message.id for message in portuguese if message.id} - there == set(), "run make i18n"


def test_the_compiled_catalogue_is_up_to_date(domain: str, portuguese: Any) -> None:
    from babel.messages.mofile import read_mo, write_mo

    compiled = BytesIO()
    write_mo(compiled, portuguese)
    compiled.seek(0)
    fresh = {str(m.id): m.string for m in read_mo(compiled) if m.id}  # the head holds dates
    with extract.po_file(domain, "pt_BR").with_suffix(".mo").open("rb") as file:
        assert {str(m.id): m.string for m in read_mo(file) if m.id} == fresh, "run make i18n"


def placeholders(text: str) -> set[str]:
    return {name for _text, name, _spec, _conversion in string.Formatter().parse(text) if name is not None}


def test_a_translation_keeps_every_placeholder(portuguese: Any) -> None:
    for message in portuguese:
        if message.id and "python-brace-format" in message.flags:
            forms = [message.string] if isinstance(message.string, str) else message.string
            original = message.id if isinstance(message.id, str) else message.id[-1]
            for form in forms:
                assert placeholders(form) == placeholders(original), original


def test_a_whole_sentence_stays_one(portuguese: Any) -> None:
    for message in portuguese:
        if isinstance(message.id, str) and message.id.endswith("."):
            assert message.string.endswith("."), message.id
            assert message.string[0].isupper() == message.id[0].isupper() or message.id[0] == "`", message.id


def test_the_interface_changes_language_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QRAG_LANG", "pt_BR")
    assert i18n._("a password is needed") == "é preciso uma senha"
    assert i18n.ngettext("{n} passage", "{n} passages", 2) == "{n} trechos"
    monkeypatch.setenv("QRAG_LANG", "en")
    assert i18n._("a password is needed") == "a password is needed"
    assert i18n.ngettext("{n} passage", "{n} passages", 1) == "{n} passage"


def test_two_threads_speak_two_languages_at_once() -> None:
    both = Barrier(2)

    def said(language: str) -> list[str]:
        with speaking(language):
            both.wait(10)
            texts = [i18n._("a password is needed"), size(1500)]
            both.wait(10)
        return texts

    with ThreadPoolExecutor(2) as threads:
        english, portuguese = threads.map(said, ["en", "pt_BR"])
    assert english == ["a password is needed", "1.5 KiB"]
    assert portuguese == ["é preciso uma senha", "1,5 KiB"]


def test_a_language_without_a_catalogue_gets_the_english_of_the_code() -> None:
    assert Translations("nobody", extract.FOLDER).gettext("a password is needed") == "a password is needed"


def calls() -> Iterator[tuple[Path, ast.Call]]:
    for path in (file for code, _catalogues in extract.DOMAINS.values() for file in code.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in extract.MARKS:
                yield path, node


def test_the_code_translates_literals_only() -> None:
    """A message built at run time could not be found in a catalogue."""
    for path, node in calls():
        assert not isinstance(node.args[0], ast.JoinedStr | ast.BinOp), f"{path}:{node.lineno}"


def test_every_call_is_collected() -> None:
    collected = {message.id for domain in extract.DOMAINS for message in extract.in_code(domain)}
    for path, node in calls():
        texts = [each.value for each in node.args[: extract.MARKS[node.func.id]] if isinstance(each, ast.Constant)]
        if texts:  # else a value that an N_ has marked elsewhere
            assert (texts[0] if len(texts) == 1 else tuple(texts)) in collected, f"{path}:{node.lineno}"


def test_messages_within_f_strings_are_collected() -> None:
    code = """text = f"{size(n)} {_('free')} {f'{_(name)}'} {ngettext('{n} page', '{n} pages', n)}" """
    assert extract.messages(code) == ["free", ("{n} page", "{n} pages")]


COUNTS = re.compile(r"\{n(_\w+)?\} (?:[\w-]+ )?[a-z]+s\b")


def test_what_counts_things_has_a_singular() -> None:
    """`{n} things` goes through ngettext: one thing is no things."""
    counting = [
        m.id for each in extract.DOMAINS for m in extract.in_code(each) if isinstance(m.id, str) and COUNTS.search(m.id)
    ]
    assert counting == []
    assert COUNTS.search("no text in {n} pages") and COUNTS.search("the {n} longest documents are read")


def test_every_form_of_a_plural_is_translated(portuguese: Any) -> None:
    for message in portuguese:
        if isinstance(message.id, tuple):
            assert len(message.string) == 2 and all(message.string), message.id


WORDS = {  # one word for one thing, in every text that a person reads
    "passage": "trecho",
    "document": "documento",
    "workspace": "espaço de trabalho",
    "chunk": "fragmento",
    "question": "pergunta",
    "answer": "resp",
    "quote": "cita|aspas",
    "citation": "cita",
    "sentence": "frase",
    "language model": "modelos? de linguagem",
    "index": "índice|indexa",
    "file": "arquivo",
    "folder": "pasta",
}
CALQUES = re.compile(r"passag(em|ens)|sustentaç|a si mesm|em voz alta|\bachad[oa]", re.IGNORECASE)


def translations(*forms: Any) -> list[str]:
    return [each for form in forms for each in ([form] if isinstance(form, str) else form)]


@pytest.fixture(scope="module")
def texts() -> list[tuple[str, str]]:
    """(English, Portuguese) of every form of the interface and every text of the notebooks, without what is code."""
    catalogues = [extract.in_catalogue(domain, "pt_BR") for domain in extract.DOMAINS]
    said = [(m.id, m.string) for each in catalogues for m in each if m.id] + list(notebooks.known_texts().items())
    pairs = [each for a, b in said for each in zip(translations(a), translations(b), strict=True)]
    return [(CODE.sub("", english), CODE.sub("", other)) for english, other in pairs]


CODE = re.compile(r"`[^`]*`|\{\w*[^}]*\}|--\w+|\bqrag [a-z]+|workspace\.\w+\([^)]*\)|\S+\.\w+\(")


@pytest.mark.parametrize("word", WORDS)
def test_a_thing_has_one_name(word: str, texts: list[tuple[str, str]]) -> None:
    named = [pair for pair in texts if re.search(rf"(?<![\w.%]){word}s?\b(?![\w.:])", pair[0], re.IGNORECASE)]
    assert named and [pair for pair in named if not re.search(WORDS[word], pair[1], re.IGNORECASE)] == []


def test_nothing_is_said_as_nobody_says_it(texts: list[tuple[str, str]]) -> None:
    assert [other for _english, other in texts if CALQUES.search(other)] == []
