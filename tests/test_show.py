"""What a document, a person or a model wrote reaches the screen as data, and reads well."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import values
from hypothesis import given
from hypothesis import strategies as st

from qrag_lib import show
from qrag_lib.types import Hits

OURS = set(
    ["div", "span", "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "mark", "b", "i", "style"]
)
CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QRAG_LANG", "en")


def tags(html: str) -> set[str]:
    from lxml import html as parser

    return {each.tag for each in parser.fragment_fromstring(html, create_parent="div").iter()}


def forms(value: Any) -> tuple[str, str]:
    return value._repr_html_(), str(value)


# --- harmless -----------------------------------------------------------------------------------


@given(st.text())
def test_no_text_becomes_markup(text: str) -> None:
    for value in values.hostile(text or "x"):
        assert tags(value._repr_html_()) <= OURS  # type: ignore[attr-defined]


def test_no_known_payload_becomes_markup(shared_data: Path) -> None:
    for text in (shared_data / "injection" / "xss.txt").read_text("utf-8").splitlines():
        for value in values.hostile(text):
            assert tags(value._repr_html_()) <= OURS  # type: ignore[attr-defined]


@given(st.text(st.characters(codec=None)))
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", show.plain(text))


def test_escape_sequences_in_a_file_name_are_visible() -> None:
    for value in values.hostile("\x1b]0;owned\x07\x1b[2J\u202efdp.exe"):
        html, text = forms(value)
        assert "\x1b" not in html + text
        assert "␛" in html and "␛" in text


def test_a_name_with_line_breaks_stays_on_its_line() -> None:
    assert show.line("report\r\n2024\n.pdf") == "report␍␊2024␊.pdf"


def test_accents_emoji_and_joiners_are_left_alone() -> None:
    text = "ação 👩‍💻 नमस्ते\tfim\n"
    assert show.plain(text) == text


def test_attributes_of_ours_hold_no_text_of_theirs() -> None:
    for value in values.hostile('" onmouseover="alert(1)'):
        assert not re.search(r'<[^>]*onmouseover="', value._repr_html_())  # type: ignore[attr-defined]


def test_a_path_or_address_is_shown_and_not_opened() -> None:
    for text in ("/etc/hostname", "http://127.0.0.1:9/x.png", "file:///etc/passwd"):
        assert text in show.table_html(["name"], [[text]]).html
        assert not re.search(r"(src|href|data)=", show.table_html(["name"], [[text]])._repr_html_())


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not CHROMIUM.exists():
        pytest.skip("no Chromium at /usr/bin/chromium: install it to run the browser tests")
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=str(CHROMIUM), args=flags)
        yield chromium
        chromium.close()


def opened(browser: Any, html: str) -> tuple[Any, list[str]]:
    """A page that shows the HTML, and the addresses that it asked for."""
    asked: list[str] = []
    page = browser.new_page()
    page.on("dialog", lambda dialog: (asked.append("dialog"), dialog.dismiss()))
    page.route("**/*", lambda route: (asked.append(route.request.url), route.abort()))
    page.set_content(f"<!doctype html><meta charset=utf-8><body>{html}", wait_until="load")
    return page, asked


@pytest.mark.browser
def test_no_payload_runs_or_fetches_in_a_browser(browser: Any, shared_data: Path) -> None:
    payloads = (shared_data / "injection" / "xss.txt").read_text("utf-8").splitlines()
    payloads += ["<script>window.__x=1</script>", "![](http://127.0.0.1:9/?q=1)", "<svg onload=window.__x=1>"]
    html = "".join(value._repr_html_() for text in payloads for value in values.hostile(text))  # type: ignore[attr-defined]
    page, asked = opened(browser, html)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.wait_for_timeout(300)
    assert page.evaluate("document.querySelectorAll('script,img,svg,iframe,a,object,form').length") == 0
    assert (page.evaluate("window.__x"), asked) == (None, [])
    page.close()


@pytest.mark.browser
def test_a_click_on_a_citation_shows_the_marked_quote(browser: Any) -> None:
    page, _asked = opened(browser, values.answer()._repr_html_())
    assert not page.locator("mark").is_visible()
    page.locator("summary", has_text="1").first.click()
    assert page.locator("mark").is_visible()
    assert page.locator("mark").inner_text() == values.QUOTE
    page.close()


# --- readable -----------------------------------------------------------------------------------


def test_an_answer_names_its_source_and_its_author() -> None:
    for form in forms(values.answer()):
        assert values.QUOTE in form
        assert "contrato.pdf · p. 3 · Cláusula 5ª" in form
        assert "no language model wrote it" in form
        assert "83 %" in form


def test_the_quote_is_marked_in_its_passage() -> None:
    html = values.answer()._repr_html_()
    assert f"<mark>{values.QUOTE}</mark> Dura dois anos." in html


def test_a_refusal_says_so_and_names_the_next_step() -> None:
    for form in forms(values.refusal(note="add the mathematics book")):
        assert "No answer" in form
        assert "add the mathematics book" in form
        assert "no language model" not in form


def test_a_refusal_without_a_word_of_its_own_gets_ours() -> None:
    for form in forms(values.refusal()):
        assert "The documents do not seem to hold the answer." in " ".join(form.split())


def test_a_refusal_gives_the_command_that_searches_and_the_nearest_passages_shortened() -> None:
    passage = "Before it. " * 40 + values.QUOTE + " After it." * 40
    refusal = replace(values.refusal("Who's the dean?"), citations=(values.citation("a.pdf", passage),))
    for form in forms(refusal):
        shown = unescape(form)
        assert """search 'Who'"'"'s the dean?'""" in shown
        assert values.QUOTE in shown and shown.count("Before it.") < 15
    assert "<details><summary>the nearest passages</summary>" in refusal._repr_html_()


def test_passages_that_may_answer_are_open_and_whole_and_the_likeliest_sentence_is_marked() -> None:
    html, text = forms(values.unsure())
    assert "This may answer." in html and "This may answer." in text
    assert f"<mark>{values.QUOTE}</mark> Dura dois anos." in html and "<details" not in html
    assert f"    Art. 5º O contrato vale R$ 5.000,00.\n  ▶ {values.QUOTE}\n    Dura dois anos." in text
    assert "[1] " in text and "search" not in text


def test_a_quote_is_shown_in_its_clean_form_with_the_answer_in_bold() -> None:
    html, text = forms(values.marked_up())
    assert "O prazo é de <b>trinta dias</b>, prorrogável uma vez.<details" in html
    assert "O prazo é de trinta dias, prorrogável uma vez. [1]" in text
    assert "<mark>O prazo é de <b>trinta dias</b>, prorrogável uma vez.</mark>" in html
    assert '<div class="par head">Prazos</div>' in html


def test_the_exact_text_of_a_clean_quote_is_one_click_away() -> None:
    html = values.marked_up()._repr_html_()
    assert re.search(r"<details><summary>exact text: characters [\d,–]+</summary>", html)
    assert "O prazo é de **trinta** dias, pror-\nrogável uma vez.</div>" in html
    assert "exact text" not in values.answer()._repr_html_(), "nothing was taken from it"


def test_the_answer_is_bold_in_a_terminal_that_knows_it() -> None:
    said = show.answer_text(values.marked_up(), bold=True)
    assert "de \x1b[1mtrinta dias\x1b[0m, prorrogável" in said
    assert said.count("\x1b") == 2 and "\x1b" not in show.answer_text(values.marked_up())


@pytest.mark.parametrize("bold", [True, False])
def test_no_text_makes_a_terminal_bold(bold: bool) -> None:
    answer = values.answer("A \x01 b \x02 c \x1b[1m d.", "\x01?", "\x02.pdf")
    assert "\x1b" not in show.answer_text(answer, bold) and "␁" in show.answer_text(answer, bold)


def test_confidence_is_told_in_a_word_beside_the_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    from qrag_lib.show.phrases import LIKELY, SURE, confidence

    assert [confidence(share).split()[0] for share in (SURE, SURE - 0.01, LIKELY, LIKELY - 0.01, 0.0)] == [
        "sure",
        "likely",
        "likely",
        "unsure",
        "unsure",
    ]
    monkeypatch.setenv("QRAG_LANG", "pt_BR")
    assert confidence(0.83) == "resposta segura · confiança 83 %"
    assert confidence(0.6) == "resposta provável · confiança 60 %"
    assert confidence(0.2) == "resposta incerta · confiança 20 %"


def test_the_three_outcomes_speak_portuguese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QRAG_LANG", "pt_BR")
    for form in forms(values.unsure()):
        assert "Isto pode responder." in form
    for form in forms(values.refusal()):
        assert "Sem resposta" in form and "Para ver tudo o que a busca encontra:" in form


def test_the_command_that_searches_is_that_of_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from qrag_lib.workspace import Workspace

    def place(magics: dict[str, object], **names: object) -> str:
        shell = SimpleNamespace(magics_manager=SimpleNamespace(registry=magics), user_ns=names)
        monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
        return show.search_command("Who signs?")

    assert place({"Verbs": SimpleNamespace(_workspace=object())}) == "%search Who signs?"
    assert place({}, papers=object.__new__(Workspace)) == "papers.search('Who signs?')"
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    assert show.search_command("-k what?", ["--workspace", "a b"]).endswith("search --workspace 'a b' -- '-k what?'")


def test_an_unsupported_sentence_says_so() -> None:
    from qrag_lib.types import Answer, Sentence

    for form in forms(Answer("?", (Sentence("It rains."),), ())):
        assert "It rains. (without support)" in re.sub(r"<[^>]+>", "", form)


def test_hits_show_both_sides_of_the_score() -> None:
    for form in forms(values.hits()):
        assert "dense 0.61" in form
        assert "lexical 12.3" in form


def test_a_passage_that_is_found_begins_in_clean_form() -> None:
    for form in forms(values.hits("## Notas\n\n**Ana** assina.")):
        assert "Notas · Ana assina." in form


def test_an_empty_search_says_what_to_do() -> None:
    for form in forms(Hits("anything", "en", ())):
        assert "Nothing found. Try other words" in form


def test_a_report_names_each_refused_file_its_reason_and_hint() -> None:
    for form in forms(values.report()):
        assert "2 documents indexed, 1,948 unchanged, 1 refused" in form
        assert re.search(r"scan\.pdf.*page 1 has no text layer.*→ run OCR over it first", form, re.DOTALL)
        assert "41 s: embedding 40 s · reading 1.0 s" in form


def test_a_report_counts_the_documents_that_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    moved = replace(values.report(), added=(), moved=("a.md", "b.md"))
    for form in forms(moved):
        assert "0 documents indexed, 1,948 unchanged, 2 moved, 1 refused" in form
    monkeypatch.setenv("QRAG_LANG", "pt_BR")
    assert "2 mudaram de lugar" in str(moved)


def test_verdicts_count_what_can_be_ingested() -> None:
    for form in forms(values.verdicts()):
        assert "1 file can be ingested, 1 refused" in form


def test_plain_text_keeps_within_eighty_columns() -> None:
    long = "A sentence of the document that goes on and on. " * 9
    for value in [*values.hostile(long.strip())[:-1], values.report(), values.hits()]:
        lines = [each for each in str(value).splitlines() if " search " not in each]  # a command is one line
        assert max(map(len, lines)) <= 80


def test_numbers_speak_the_language(monkeypatch: pytest.MonkeyPatch) -> None:
    assert show.number(1234.5, 1) == "1,234.5"
    monkeypatch.setenv("QRAG_LANG", "pt_BR")
    assert show.number(1234.5, 1) == "1.234,5"
    assert show.size(3_400_000) == "3,2 MiB"


def test_a_text_table_sets_numbers_right_and_wraps_the_widest_column() -> None:
    table = show.table_text(["file", "pages"], [["a " * 60, 7], ["b", 1200]], width=40)
    rows = table.splitlines()
    assert rows[0].endswith("pages") and rows[1].endswith("    7") and rows[-1].endswith("1,200")
    assert max(map(len, rows)) <= 40


def test_wide_letters_keep_the_columns_straight() -> None:
    first, second = show.table_text(["", ""], [["日本", "x"], ["abcd", "x"]]).splitlines()
    assert (first, second) == ("日本  x", "abcd  x")


def test_a_dollar_is_left_alone_by_mathjax() -> None:
    assert 'class="qrag tex2jax_ignore mathjax_ignore"' in values.hits()._repr_html_()


# --- exact --------------------------------------------------------------------------------------


@given(st.text(st.characters(codec=None)))
def test_json_gives_back_the_very_text(text: str) -> None:
    assert json.loads(show.dumps([text])) == [text]


def test_json_holds_every_field_of_a_value() -> None:
    told = json.loads(show.dumps(values.answer()))
    assert told["citations"][0]["quote"] == values.QUOTE
    assert told["sentences"] == [{"text": values.QUOTE, "citations": [1]}]
    assert (told["outcome"], told["refused"]) == ("sure", False)


def test_json_names_the_outcome_the_passages_and_the_words_that_answer() -> None:
    told, cited = json.loads(show.dumps(values.unsure())), values.marked_up().citations[0]
    assert (told["outcome"], told["refused"], told["sentences"]) == ("unsure", True, [])
    assert told["citations"][0]["passage"] == values.PASSAGE
    assert json.loads(show.dumps(values.marked_up()))["citations"][0]["answer"] == list(cited.answer or ())


def test_json_knows_numpy_paths_and_infinity() -> None:
    import numpy as np

    assert show.to_json({"a": np.float32(0.5), "b": Path("x"), "c": float("inf")}) == {"a": 0.5, "b": "x", "c": None}
