"""Quotes as a person reads them."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrag_lib.language import sentences
from qrag_lib.language.quote_text import clean, clean_spans, parted

WORD = re.compile(r"[^\W_]+")
MARKED = st.lists(
    st.sampled_from(
        [
            *"aB1º *_`~#>|-+\n\t[]()!<&;\\{}.:/é,=\xad^\u202e",
            "**",
            "***",
            "__",
            "<br>",
            "<b>",
            "</b>",
            "&lt;",
            "&amp;",
            "palavra",
            "10",
            "3,5",
            "](x)",
            "[^1]",
            "- ",
            "> ",
            "| ",
            "<sup>2</sup>",
            "{#",
            "```",
            "~~~",
            "\n\n",
            "``",
        ]
    ),
    max_size=30,
).map("".join)
EMPHASISED = st.lists(
    st.sampled_from([*"aB1º *_`#>|-+.:;,é!\n\t/=", "**", "***", "- ", "palavra", "10", "3,5", "\u202e", "| "]),
    max_size=30,
).map("".join)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("**Art. 5º** É livre.", "Art. 5º É livre."),
        ("Elmo Paz** preside a câmara.", "Elmo Paz preside a câmara."),
        ("_Primeira frase.", "Primeira frase."),
        ("## Prazo { #prazo }", "Prazo"),
        ("- [a lei](lei.md 'x') e ![o mapa](a_(b).png)", "a lei e o mapa"),
        ("[![selo](s.svg)](https://a.b)", "selo"),
        ("> citado\n> em duas linhas", "citado em duas linhas"),
        ("| a | b |\n|---|:-:|\n| 1 |  |", "a · b 1"),
        ("|a|b|", "a · b"),
        ("Capital\tSuperior\tR$ 300,00", "Capital · Superior · R$ 300,00"),
        ("1.\tItem", "1. Item"),
        ("três mem-\nbros da insti\xad\ntuição", "três membros da instituição"),
        ("tornou-\nse ex-\naluno em 2019-\n2020", "tornou-se ex-aluno em 2019-2020"),
        ("Sim.[1][2] Veja[^3].", "Sim. Veja."),
        ("R\\$ 5 &amp; x\\_y&nbsp;z", "R$ 5 & x_y z"),
        ("<b>Prazo</b>: 10 dias<br>úteis <!-- nota -->", "Prazo: 10 dias úteis"),
        ("10<sup>2</sup>, H<sub>2</sub>O, 1<sup>o</sup>", "10², H₂O, 1º"),
        ("```python\nx = 1\n```", "x = 1"),
        ("Use `item_id` e ``x``.", "Use item_id e x."),
        ("**Pala**vra e ***tudo***", "Palavra e tudo"),
        ("preço* (em reais)", "preço (em reais)"),
        ("* * *", ""),
    ],
)
def test_marks_go_and_words_stay(text: str, shown: str) -> None:
    assert clean(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "5 * 3 e 2*3*4 e 2**8",
        "CPF ***.123.456-** conferido",
        "snake_case, _id e __init__",
        "acima de > 60 anos",
        "> 60 anos",
        "`<br>`, `x**n` e `['*']`",
        "o campo <seu-nome> e List<String>",
        "a[i][j] e [1] Silva",
        "*.csv e **/*.py",
        "~~quinze~~ vinte dias",
        "— Olá! — disse ela.",
        "x &lt;b&gt; y",
        "a | b",
    ],
)
def test_what_only_looks_like_a_mark_stays(text: str) -> None:
    assert clean(text) == text


@given(MARKED)
def test_a_clean_text_is_its_own_clean_form(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(MARKED)
def test_every_character_knows_where_it_comes_from(text: str) -> None:
    shown, origins = clean_spans(text)
    assert len(shown) == len(origins) and origins == sorted(origins)
    letters = [(c, text[at]) for c, at in zip(shown, origins, strict=True) if WORD.match(c) and text[at] not in "<&"]
    assert all(new in (old, "\u00b2") for new, old in letters)


@given(EMPHASISED)
def test_words_and_digits_and_their_order_never_change(text: str) -> None:
    assert "".join(WORD.findall(clean(text))) == "".join(WORD.findall(text))


@given(MARKED, st.integers(0, 60), st.integers(0, 60))
def test_the_parts_around_a_stretch_are_the_clean_text(text: str, one: int, other: int) -> None:
    before, inside, after = parted(text, min(one, other), max(one, other))
    assert before + inside + after == clean(text) and inside == inside.strip()


def test_an_answer_inside_a_quote_is_found_in_its_clean_form() -> None:
    quote = "O **Sr. [Elmo Paz](paz.md)** preside\na câmara."
    start = quote.index("Elmo")
    assert parted(quote, start, start + len("Elmo Paz")) == ("O Sr. ", "Elmo Paz", " preside a câmara.")


@pytest.mark.parametrize(
    "piece",
    [
        "`",
        "`a",
        "``a`",
        "*",
        "**a",
        "_a ",
        "[",
        "[a](",
        "[[[a]]",
        "<",
        "<a href='x'>",
        "<<b>b>",
        "<!--",
        "&amp;",
        "| ",
        "a",
        " ",
        "\t",
        "\n",
        "> ",
        "a-\n",
        "\\",
        "{#",
        " {#",
        "\u202e",
        "<sup>1",
        "| a | b |\n",
        "~~~\n",
        "  #",
    ],
)
def test_hostile_text_takes_linear_time(piece: str) -> None:
    text = piece * (30_000 // len(piece))
    begun = time.process_time()
    shown = clean(text)
    assert time.process_time() - begun < 3
    assert clean(shown) == shown


def test_real_documents_lose_marks_and_nothing_else(shared_data: Path) -> None:
    text = (shared_data / "docs/constituicao-pt/CONSTITUICAO.md").read_text()[:200_000]
    quotes = [text[a:b] for a, b in sentences(text, "pt")]
    for quote in quotes:
        assert "".join(WORD.findall(clean(quote))) == "".join(WORD.findall(quote))
    assert not any(re.search(r"\*|^#|^\s", clean(quote)) for quote in quotes)
