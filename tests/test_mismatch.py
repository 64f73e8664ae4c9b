"""A sentence about another year, number or thing than the question is never given as sure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from qrag_lib.answer.quoted.mismatch import is_of_another
from qrag_lib.answer.sentences.question_analysis import Question
from qrag_lib.answer.sentences.sentence_scoring import Candidate
from qrag_lib.settings import Settings
from qrag_lib.types import Chunk, Hit
from qrag_lib.workspace import Workspace

ALMANAC = """# Anuário do mel

Em 2017 as abelhas deram 300 quilos de mel. Em 2018 foram colhidos 420 quilos.

O apiário tinha 60 caixas em 2017 e 75 caixas em 2019. O preço do pote do mel silvestre era de R$ 22,00 em 2019.

A colheita da própolis vai de maio a julho.
"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder: Path = tmp_path_factory.mktemp("mel")
    (folder / "anuario.md").write_text(ALMANAC, encoding="utf-8")
    opened = Workspace.open(folder / "w", settings=Settings(workspace=folder / "w", embedding_model="minilm"))
    opened.ingest(folder / "anuario.md")
    return opened


@pytest.mark.parametrize(
    "question",
    [
        "Quantas caixas o apiário tinha em 2018?",  # the year stands in another sentence
        "Quantas caixas o apiário tinha em 2015?",  # nowhere
        "Qual era o preço do pote da própolis em 2019?",  # another thing
    ],
)
def test_another_year_or_thing_is_unsure(workspace: Workspace, question: str) -> None:
    assert workspace.ask(question).outcome != "sure"


@pytest.mark.parametrize(
    ("question", "words"),
    [("Quantas caixas o apiário tinha em 2019?", "75 caixas"), ("Qual era o preço do pote do mel silvestre?", "22,00")],
)
def test_the_same_of_its_own_year_and_thing_is_sure(workspace: Workspace, question: str, words: str) -> None:
    answer = workspace.ask(question)
    assert answer.outcome == "sure" and words in answer.text


def test_a_year_may_stand_in_the_name_of_a_column() -> None:
    chunk = Chunk("t#0", "t", "contas.csv", 0, "mel: 300", 0, 8, language="pt")
    asked = Question("Quanto mel em 2017?", "pt")
    row = Candidate(Hit(chunk, 1.0), 0, 0, 0, 8, "mel: 300", "pt", columns="2017")
    assert not is_of_another(asked, row) and is_of_another(asked, replace(row, columns=""))
