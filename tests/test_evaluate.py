"""Every question is counted: what was found, what failed, what was refused; and two runs are compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from qrag_lib.errors import EvaluationError, ModelError
from qrag_lib.evaluation.evaluate import EvaluationReport, compare, evaluate, load_report, ranked_documents
from qrag_lib.evaluation.question_sets import Question, QuestionSet
from qrag_lib.types import Answer, Chunk, Citation, Hit, Hits, Sentence

FOUND = {"first": "a a b c", "second": "c b a", "third": ""}  # question: the documents of its chunks, best first
SAID = {"first": "Ana wrote it.", "second": "In Brasília."}


def hit(document: str, ordinal: int = 0, duplicates: tuple[str, ...] = ()) -> Hit:
    chunk = Chunk(f"{document}#{ordinal}", document, f"{document}.md", ordinal, "text", 0, 4)
    return Hit(chunk, score=1.0, duplicates=duplicates)


def search(text: str) -> Hits:
    """What FOUND says; an unknown question fails as a model would."""
    if text not in FOUND:
        raise ModelError("the model is gone")
    return Hits(text, "en", tuple(hit(document, n) for n, document in enumerate(FOUND[text].split())))


def ask(text: str) -> Answer:
    """What SAID says, quoted; a refusal otherwise."""
    if text not in SAID:
        return Answer(text, (), (), outcome="nothing")
    said = SAID[text]
    quote = Citation(1, "a", "a.md", 0, len(said), said, 1.0, passage=said)
    return Answer(text, (Sentence(said, (1,)),), (quote,))


QUESTIONS = QuestionSet(
    "three",
    (
        Question("1", "first", ("Ana",), {"b": 1.0}, language="en"),
        Question("2", "second", ("in Brasília",), {"c.md": 1.0}, language="en"),
        Question("3", "third", (), {"a": 1.0}, answerable=False, language="en"),
    ),
)


def test_chunks_collapse_to_documents_by_their_best_rank() -> None:
    hits = [hit("a"), hit("a", 1), hit("b", 0, duplicates=("d#7", "x#y#2")), hit("c")]
    assert ranked_documents(hits) == ["a", "b", "d", "x#y", "c"]


def test_a_document_is_relevant_by_its_id_or_its_name() -> None:
    assert ranked_documents([hit("a"), hit("b")], {"b.md": 1.0}) == ["a", "b.md"]


def test_rankings_are_scored_over_documents() -> None:
    report = evaluate(QUESTIONS, search)
    assert [row.scores["mrr@10"] for row in report.rows] == [0.5, 1.0, 0.0]
    assert report.scores["recall@1"].mean == pytest.approx(1 / 3)
    assert report.scores["recall@3"].mean == pytest.approx(2 / 3)
    assert report.refusal == (None, None) and "token_f1" not in report.scores


def test_answers_are_scored_where_there_is_a_gold_answer() -> None:
    report = evaluate(QUESTIONS, search, ask)
    assert [row.scores.get("exact_match") for row in report.rows] == [0.0, 1.0, None]
    assert report.rows[0].scores["token_f1"] == pytest.approx(0.5)
    assert report.scores["gold_in_first_quote"].mean == report.scores["quote_support"].mean == 1.0
    assert report.scores["quote_support"].n == 2  # a refusal quotes nothing
    assert report.refusal == (1.0, 1.0)


def test_a_question_that_fails_counts_as_zero_and_is_listed() -> None:
    lost = Question("4", "unknown", ("x",), {"a": 1.0}, language="en")
    report = evaluate(replace(QUESTIONS, questions=(*QUESTIONS.questions, lost)), search)
    assert report.scores["recall@10"].n == 4
    assert report.scores["recall@10"].mean == pytest.approx(2 / 4)
    assert [(row.id, row.failure) for row in report.failures] == [("4", "search: ModelError: the model is gone")]
    assert "4: search: ModelError: the model is gone" in str(report)


def test_an_answerer_that_fails_has_answered_nothing() -> None:
    def broken(text: str) -> Answer:
        raise ModelError("out of memory")

    report = evaluate(QUESTIONS, search, broken)
    means = {name: score.mean for name, score in report.scores.items() if "@" not in name}
    assert set(means.values()) == {0.0}
    assert report.refusal == (None, 0.0)
    assert len(report.failures) == 3 and report.scores["recall@10"].mean == pytest.approx(2 / 3)


def test_a_refusal_of_an_answerable_question_costs_its_score() -> None:
    report = evaluate(QUESTIONS, search, lambda text: Answer(text, (), (), outcome="nothing"))
    assert report.scores["answered"].mean == report.scores["token_f1"].mean == 0.0
    assert report.refusal == (pytest.approx(1 / 3), 1.0)
    assert "quote_support" not in report.scores


def test_a_quote_that_does_not_stand_where_it_says_is_not_support() -> None:
    def misquoting(text: str) -> Answer:
        quote = Citation(1, "a", "a.md", 3, 6, "Ana", 1.0, passage="Ana wrote it.")
        return Answer(text, (Sentence("Ana", (1,)),), (quote,))

    assert evaluate(QUESTIONS, search, misquoting).scores["quote_support"].mean == 0.0


def test_a_language_that_is_not_given_is_detected() -> None:
    question = Question("1", "first", ("a Ana",), {}, language="und")
    portuguese = replace(question, text="Quem foi que escreveu o livro sobre as universidades?")
    answer = Answer("?", (Sentence("Ana"),), ())
    report = evaluate(QuestionSet("one", (portuguese,)), lambda text: Hits(text, "pt", ()), lambda text: answer)
    assert report.scores["exact_match"].mean == 1.0


def test_progress_counts_the_questions() -> None:
    done: list[int] = []
    evaluate(QUESTIONS, search, on_progress=done.append)
    assert done == [1, 2, 3]


def test_an_interrupt_is_not_a_failure_of_a_question() -> None:
    def interrupted(text: str) -> Hits:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(QUESTIONS, interrupted)


def test_a_report_is_saved_and_read_back(tmp_path: Path) -> None:
    report = evaluate(QUESTIONS, search, ask)
    again = load_report(report.save(tmp_path / "report.json"))
    assert again == report and again.scores == report.scores
    (tmp_path / "other.json").write_text('{"rows": [{}]}')
    with pytest.raises(EvaluationError, match="not a saved report"):
        load_report(tmp_path / "other.json")


def test_a_report_shows_its_metrics_and_escapes_what_others_wrote() -> None:
    report = replace(evaluate(QUESTIONS, search, ask), name="<script>alert(1)</script>")
    assert "refusal precision" in str(report) and "recall@10" in str(report)
    assert "ndcg@10" in report._repr_html_()
    assert "<script>" not in report._repr_html_()


def many(found: str) -> EvaluationReport:
    """Forty questions about `a`, each answered with the same ranking."""
    questions = QuestionSet("forty", tuple(Question(str(n), f"<b>{n}", (), {"a": 1.0}) for n in range(40)))
    hits = tuple(hit(document) for document in found.split())
    return evaluate(questions, lambda text: Hits(text, "en", hits))


def test_two_configurations_are_better_worse_or_not_distinguishable() -> None:
    good, bad = many("a b c"), many("b c a")
    assert compare(bad, good).judgement == "better"
    assert compare(good, bad).judgement == "worse"
    assert compare(good, good).judgement == "not distinguishable"
    assert compare(bad, good).differences["recall@3"].judgement == "not distinguishable"


def test_a_comparison_lists_the_questions_that_changed() -> None:
    comparison = compare(many("a b"), many("b a"))
    assert len(comparison.changes) == 40
    assert (comparison.changes[0].before, round(comparison.changes[0].after, 3)) == (1.0, 0.631)
    assert "worse" in str(comparison) and "&lt;b&gt;0" in comparison._repr_html_()


def test_reports_of_different_questions_are_not_compared() -> None:
    with pytest.raises(EvaluationError, match="not the same questions"):
        compare(many("a"), evaluate(QUESTIONS, search))
