"""Question sets are read whole or refused with the lines that are wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qrag_lib.errors import EvaluationError, NotFound
from qrag_lib.evaluation.question_sets import Question, QuestionSet, load_question_set


def written(path: Path, *lines: object) -> Path:
    """Each line as it is, or as JSON where it is not a text."""
    texts = [line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines]
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return path


def problem_of(path: Path) -> str:
    with pytest.raises(EvaluationError) as caught:
        load_question_set(path)
    return caught.value.message


def test_a_line_needs_only_a_text(tmp_path: Path) -> None:
    questions = load_question_set(written(tmp_path / "mine.jsonl", "", {"text": "Quem fundou a USP?"}))
    assert questions.name == "mine"
    assert questions[0] == Question(id="2", text="Quem fundou a USP?")


def test_all_fields_of_a_line_are_read(tmp_path: Path) -> None:
    line = {"id": 7, "text": "?!", "answers": ["a"], "relevant": {"x.md": 2}, "answerable": False, "language": "pt"}
    (question,) = load_question_set(written(tmp_path / "q.jsonl", line))
    assert question == Question("7", "?!", ("a",), {"x.md": 2.0}, answerable=False, language="pt")


def test_relevant_as_a_list_has_grade_one(tmp_path: Path) -> None:
    questions = load_question_set(written(tmp_path / "q.jsonl", {"text": "x", "relevant": ["a.md", 12]}))
    assert questions[0].relevant == {"a.md": 1.0, "12": 1.0}


def test_a_mark_at_the_beginning_and_a_line_separator_inside_a_text_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text('\ufeff{"text": "one\u2028two"}\r\n{"text": "three"}', encoding="utf-8")
    assert [q.text for q in load_question_set(path)] == ["one\u2028two", "three"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"text": "x"', "line 2: not JSON"),
        ('["x"]', "line 2: not an object"),
        ({"id": "a"}, "line 2: `text` must be a text"),
        ({"text": "  "}, "line 2: `text` must be a text"),
        ({"text": "x", "answers": "yes"}, "line 2: `answers` must be a list"),
        ({"text": "x", "relevant": "doc"}, "line 2: `relevant` must be a list"),
        ({"text": "x", "relevant": {"d": "high"}}, "line 2: `relevant` must be a list"),
        ({"text": "x", "answerable": "no"}, "line 2: `answerable` must be true or false"),
        ({"text": "x", "id": None}, "line 2: `id` must be a text"),
        ({"text": "x", "id": "good"}, "line 2: the id 'good' was there before"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: object, problem: str) -> None:
    message = problem_of(written(tmp_path / "q.jsonl", {"id": "good", "text": "fine"}, line))
    assert "q.jsonl: 1 line cannot be used" in message and problem in message


def test_five_wrong_lines_are_shown_and_all_are_counted(tmp_path: Path) -> None:
    message = problem_of(written(tmp_path / "q.jsonl", *["nonsense"] * 9))
    assert "9 lines" in message and "line 5:" in message and "line 6:" not in message


def test_what_is_not_a_question_set_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.jsonl").write_bytes('{"text": "ação"}'.encode("latin-1"))
    assert "not UTF-8" in problem_of(tmp_path / "latin.jsonl")
    assert "holds no question" in problem_of(written(tmp_path / "empty.jsonl", ""))
    with pytest.raises(NotFound, match="no question set at"):
        load_question_set(tmp_path / "absent.jsonl")
    with pytest.raises(NotFound, match=r"no queries\.jsonl in"):
        load_question_set(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two questions, one of them without an answer, and what is relevant."""
    written(tmp_path / "queries.jsonl", {"id": "1", "text": "a"}, {"id": "2", "text": "b", "answerable": False})
    written(tmp_path / "qrels.tsv", "query-id\tcorpus-id\tscore", "1\td3\t1", "1\td4\t2")
    written(tmp_path / "corpus.jsonl", {"id": "d3", "title": "t", "text": "x"})
    written(tmp_path / "meta.json", {"lang": "pt"})
    return tmp_path


def test_a_folder_brings_its_qrels_its_language_and_its_corpus(folder: Path) -> None:
    questions = load_question_set(folder)
    assert questions[0].relevant == {"d3": 1.0, "d4": 2.0}
    assert not questions[1].answerable and not questions[1].relevant
    assert {q.language for q in questions} == {"pt"}
    assert questions.corpus == folder / "corpus.jsonl"


def test_wrong_lines_of_the_qrels_are_named(folder: Path) -> None:
    written(folder / "qrels.tsv", "1\td3\t1", "1 d4 1", "9\td4\t1")
    message = problem_of(folder)
    assert "qrels.tsv: 2 lines" in message
    assert "line 2: not three columns" in message and "line 3: no question has the id '9'" in message


def test_what_is_saved_is_read_back(tmp_path: Path) -> None:
    questions = QuestionSet(
        "own",
        (
            Question("1", "O que é “isto”?", ("uma\nlinha",), {"a b.md": 1.0}, language="pt", kind="definition"),
            Question("2", "b", (), {"d": 2.0, "e": 0.5}),
            Question("3", "c", answerable=False),
        ),
    )
    again = load_question_set(questions.save(tmp_path / "sets" / "own.jsonl"))
    assert again.questions == questions.questions and again.fingerprint == questions.fingerprint
    assert [path.name for path in (tmp_path / "sets").iterdir()] == ["own.jsonl"]


def test_the_fingerprint_follows_the_content(tmp_path: Path) -> None:
    one, other = (QuestionSet("x", (Question("1", text),)) for text in ("a", "b"))
    assert one.fingerprint != other.fingerprint
    assert one.fingerprint == QuestionSet("another name", one.questions, tmp_path).fingerprint


def test_a_set_counts_itself_and_gives_its_head() -> None:
    questions = QuestionSet("x", (Question("1", "a", relevant={"d": 1.0}), Question("2", "b", answerable=False)))
    assert str(questions) == "x: 2 questions, 1 with relevant documents, 1 without an answer"
    assert [q.id for q in questions.head(1)] == ["1"]


def test_the_public_sets_are_read_whole(shared_data: Path) -> None:
    sizes = {path.name: len(load_question_set(path)) for path in sorted((shared_data / "qa").iterdir())}
    assert sizes == {
        "attack-procedures-en": 624,
        "cranfield-en": 225,
        "faquad-pt": 900,
        "squad1-pt-sample": 3286,
        "xquad-en": 1190,
    }
