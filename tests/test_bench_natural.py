"""Natural questions are counted by their rules, and what is kept is read back as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import natural_records
from benchmarks.machine import Machine
from benchmarks.natural_counts import (
    MEASURES,
    Piece,
    Row,
    Shown,
    auroc,
    changed,
    fold,
    groups,
    holds,
    judge,
    wilson,
)
from benchmarks.natural_report import comparison, tables, verdict
from benchmarks.natural_sets import OWN, Question, document_path, read_question
from benchmarks.natural_workspace import ask, documents_by_id, take_vectors
from qrag_lib.workspace import Workspace

RECORD = {
    "id": "q1",
    "lang": "pt",
    "text": "quanto tempo posso ficar com o livro?",
    "kind": "number",
    "answerable": True,
    "document": "a.md",
    "answers": ["14 dias"],
    "with": ["Livros"],
    "also": [{"document": "b.md", "answers": ["two weeks"]}],
}
ASKED = read_question(RECORD)
NEVER = Question("q2", "quem é o prefeito?", "pt", "who")
RIGHT = Piece("a.md", "**Livros**: 14\n dias")
WRONG = Piece("a.md", "**Revistas**: 7 dias")
MACHINE = Machine("a processor", 2, 8.0, "nothing", 0.0, "abc1234", "2026-01-01", "Python")


def row(id: str = "q", **changes: object) -> Row:
    known = Row(id, "pt", "who", False, True, "sure", True, True, 0.5, 1, 0.1)
    return replace(known, **changes)


def test_marks_case_and_space_are_folded_and_accents_stay() -> None:
    assert fold("  `max_age`:  **São** ") == "maxage: são"


@pytest.mark.parametrize(
    ("text", "wanted", "held"),
    [
        ("por 15 dias", "5 dias", False),
        ("por 5 dias,", "5 dias", True),
        ("foi de 6,6% em", "6,6%", True),
        ("O padrão é `600`.", "600", True),
        ("vereadores", "vereador", False),
    ],
)
def test_an_answer_is_whole_words(text: str, wanted: str, held: bool) -> None:
    assert holds(text, wanted) is held


@pytest.mark.parametrize(
    ("piece", "right"),
    [
        (RIGHT, True),
        (Piece("a.md", "14 dias"), False),
        (Piece("c.md", RIGHT.text), False),
        (Piece("b.md", "for two weeks"), True),
        (Piece("a.md", "for two weeks"), False),
    ],
    ids=["right", "without its subject", "another document", "also", "also, another document"],
)
def test_answer_subject_and_document_must_agree(piece: Piece, right: bool) -> None:
    assert judge(ASKED, Shown("sure", 0.9, first=(piece,))).right is right


def test_a_refusal_is_not_right_though_its_nearest_quote_is() -> None:
    refused = judge(ASKED, Shown("nothing", 0.2, first=(RIGHT,)))
    marked = judge(ASKED, Shown("unsure", 0.2, first=(RIGHT,)))
    assert (refused.right, refused.shown, refused.first) == (False, False, True)
    assert (marked.right, marked.shown, marked.sure_and_wrong) == (True, True, False)


def test_an_opened_passage_is_within_and_only_the_first_quote_is_right() -> None:
    counted = judge(ASKED, Shown("sure", 0.9, first=(WRONG,), every=(WRONG, RIGHT)))
    assert (counted.right, counted.shown, counted.sure_and_wrong) == (False, True, True)


def test_the_rank_is_that_of_the_first_passage_that_holds_it_by_any_of_its_documents() -> None:
    found = ((WRONG,), (Piece("copy.md", RIGHT.text), RIGHT), (RIGHT,))
    assert judge(ASKED, Shown("nothing", 0.0, found=found)).rank == 2
    assert judge(NEVER, Shown("nothing", 0.0, found=found)).rank == 0


def test_what_nothing_answers_is_wrong_when_it_is_given_as_sure() -> None:
    sure, unsure = (judge(NEVER, Shown(outcome, 0.9, first=(RIGHT,))) for outcome in ("sure", "unsure"))
    assert (sure.sure_and_wrong, unsure.sure_and_wrong) == (True, False)
    assert MEASURES["refused rightly"].of([sure, unsure]) == wilson(1, 2)


def test_shares_are_of_the_questions_that_they_are_about() -> None:
    rows = [row(), row(first=False), row(answerable=False, first=False), row(outcome="nothing")]
    counts = {name: (found.mean * found.n, found.n) for name in MEASURES if (found := MEASURES[name].of(rows))}
    assert counts["right"] == (1, 3)
    assert counts["sure and wrong"] == (2, 4)
    assert counts["refused wrongly"] == (1, 3)
    assert counts["refused rightly"] == (0, 1)
    assert MEASURES["refused rightly"].of(rows[:1]) is None


def test_a_question_across_languages_counts_in_neither_language() -> None:
    found = groups([row("1"), row("2", kind="cross"), row("3", language="en", own=True)])
    sizes = {name: len(some) for name, some in found.items()}
    assert sizes == {
        "all": 3,
        "Portuguese": 1,
        "English": 1,
        "across languages": 1,
        "own samples": 1,
        "other documents": 2,
        "who": 2,
    }


def test_wilsons_interval_is_that_of_the_textbook() -> None:
    found = wilson(0, 10)
    assert (found.low, round(found.high, 4)) == (0.0, 0.2775)
    assert (round(wilson(81, 263).low, 4), round(wilson(81, 263).high, 4)) == (0.2553, 0.3662)  # Newcombe 1998


def test_the_area_is_that_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    scores, positive = [0.1, 0.4, 0.35, 0.8, 0.4], [False, False, True, True, True]
    assert auroc(scores, positive) == pytest.approx(metrics.roc_auc_score(positive, scores))
    assert auroc(scores, [True] * 5) is None


def test_won_and_lost_are_told_by_id() -> None:
    before = [row("a"), row("b", first=False), row("gone", first=False)]
    after = [row("a", first=False), row("b"), row("new")]
    change = changed(before, after, lambda each: each.right)
    assert (change.won, change.lost, change.p) == (("b",), ("a",), 1.0)
    assert "| right | 1: b | 1: a |" in comparison(before, after)


def test_the_verdict_names_the_counts() -> None:
    rows = [row(), row(first=False, within=False, rank=0), row(answerable=False, first=False)]
    said = " ".join(verdict(rows).split())
    assert "1 of 2 get the right sentence" in said and "five passages for 1 of 2" in said
    assert "sure and wrong are 2 of 3" in said and "answers 0 of 1 are not" in said
    assert "none are not given as sure" in verdict([row()])


def test_rows_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    rows = [row("a", own=True), row("b", answerable=False, outcome="unsure", first=False, rank=0)]
    natural_records.write_lines(rows, tmp_path / "rows.csv")
    assert natural_records.read_rows(tmp_path / "rows.csv") == rows


def test_a_run_is_added_to_the_earlier_ones_and_replaces_itself(tmp_path: Path) -> None:
    for commit, first in (("old", False), ("new", False), ("new", True)):
        rows = [row("a", first=first)]
        run = natural_records.summarise("natural", rows, "minilm", replace(MACHINE, commit=commit))
        report = natural_records.keep(run, rows, tmp_path)
    right = [(run.commit, run.right) for run in natural_records.read_runs(tmp_path)]
    assert right == [("old", "0/1 (.00 to .79)"), ("new", "1/1 (.21 to 1.00)")]
    assert tables(rows) in report.read_text("utf-8")


def test_what_an_earlier_workspace_embedded_is_not_embedded_again(tmp_path: Path) -> None:
    document = document_path(f"{OWN}documents/course/course-faq.md")
    with Workspace.open(tmp_path / "set-before") as before:
        n_embedded = before.ingest([document]).n_embedded
    with Workspace.open(tmp_path / "set-after") as after:
        take_vectors(after, tmp_path / "set-before")
        report = after.ingest([document])
        assert (n_embedded > 0, report.n_embedded, report.n_chunks) == (True, 0, n_embedded)
        assert after.search("late reports", mode="dense").hits


def test_the_samples_are_asked_end_to_end(tmp_path: Path) -> None:
    document = f"{OWN}documents/course/course-faq.md"
    asked = read_question({**RECORD, "document": document, "answers": ["one point of ten"], "with": [], "also": []})
    with Workspace.open(tmp_path / "w") as workspace:
        workspace.ingest([document_path(document)])
        names = documents_by_id(workspace, {document_path(document): document})
        shown = ask(workspace, "How many points does a late report lose?", names)
    assert list(names.values()) == [document]
    counted = judge(asked, shown)
    assert counted.rank and counted.within and counted.outcome == shown.outcome
