"""Questions that the corpus poses to itself: where they come from, and that they can be trusted."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from qrag_lib.errors import EvaluationError
from qrag_lib.evaluation.metrics import normalize
from qrag_lib.evaluation.question_sets import Question, QuestionSet
from qrag_lib.evaluation.synthetic_questions import make_questions
from qrag_lib.types import Chunk, Document, Section


def asked(text: str, kind: str, *sections: Section) -> list[Question]:
    """The questions of a kind that a document of this text alone yields."""
    try:
        return [q for q in make_questions([Document("d", "d.txt", text, sections)]) if q.kind == kind]
    except EvaluationError:
        return []


@pytest.mark.parametrize(
    ("text", "question", "answer"),
    [
        (
            "A monografia é uma dissertação sobre um ponto particular de uma ciência.",
            "O que é a monografia?",
            "uma dissertação sobre um ponto particular de uma ciência",
        ),
        (
            "Os institutos federais são as escolas que a lei de 2008 reuniu nos estados.",
            "O que são os institutos federais?",
            "as escolas que a lei de 2008 reuniu nos estados",
        ),
        (
            "Entende-se por extensão, para a universidade, toda atividade. "
            "Entende-se por estágio o ato educativo que prepara o estudante para o trabalho.",
            "O que é estágio?",
            "o ato educativo que prepara o estudante para o trabalho",
        ),
        (
            "An origin is the combination of protocol, domain and port of an address.",
            "What is an origin?",
            "the combination of protocol, domain and port of an address",
        ),
        (
            "Backpressure refers to the way in which a slow reader slows the writer down.",
            "What is Backpressure?",
            "the way in which a slow reader slows the writer down",
        ),
    ],
)
def test_a_definition_is_asked_for(text: str, question: str, answer: str) -> None:
    (found,) = asked(text, "definition")
    assert (found.text, found.answers) == (question, (answer,))


@pytest.mark.parametrize(
    "text",
    [
        "It is the combination of protocol, domain and port of the address.",
        "Esta é uma dissertação sobre um ponto particular de uma ciência.",
        "The former is a list of the things that were written down before.",
        "Hoje o curso é o maior da universidade em número de estudantes.",
        "In Paris is the museum that most of the visitors come to see first.",
    ],
)
def test_what_points_elsewhere_is_not_a_definition(text: str) -> None:
    assert asked(text, "definition") == []


def test_a_line_that_asks_is_answered_by_the_sentence_after_it() -> None:
    (found,) = asked("Intro.\n\n3. Como renovo a matrícula?\nNo portal, em julho. Depois não há prazo.\n", "faq")
    assert (found.text, found.answers) == ("Como renovo a matrícula?", ("No portal, em julho.",))


def test_headings_that_mean_something_are_asked() -> None:
    labels = ("Introduction", "Renewal of the enrolment", "a | b c")
    sections = [Section("heading", label, 0, 5, 1) for label in labels] + [Section("page", "two words", 0, 5)]
    assert [q.text for q in asked("Some text here.", "heading", *sections)] == ["Renewal of the enrolment"]


def test_a_number_or_a_name_is_left_out_of_a_sentence() -> None:
    number = "The treaty was signed in 1494 by the crowns of Portugal and Castile."
    (found,) = asked(number, "cloze")
    assert (found.text, found.answers) == (number.replace("1494", "____"), ("1494",))
    (found,) = asked("A estátua foi feita pelo escultor Paul Landowski, que morava na capital da França.", "cloze")
    assert found.answers == ("Paul Landowski",)


def test_markup_and_fragments_are_not_asked() -> None:
    assert asked("| The table of 1494 | is not a sentence that a person would ask about at all |", "cloze") == []
    assert asked("In 1494 it ended.", "cloze") == []


def test_the_same_line_in_many_documents_is_not_asked() -> None:
    line = "The licence is a permission that the author gives to everyone who reads it."
    corpus = [Document(f"d{n}", f"d{n}", line) for n in range(4)]
    (question,) = make_questions(corpus[:3])
    assert question.relevant == {"d0": 1.0, "d1": 1.0, "d2": 1.0}
    with pytest.raises(EvaluationError, match="no question can be made"):
        make_questions(corpus)


def test_chunks_that_overlap_pose_a_question_once() -> None:
    text = "An origin is the combination of protocol, domain and port of an address."
    chunks = [
        Chunk(f"d#{n}", "d", "d.md", n, text, 0, len(text), ("Cross origin requests",), language="en") for n in (0, 1)
    ]
    questions = make_questions(chunks)
    assert Counter(q.kind for q in questions) == {"definition": 1, "heading": 1}
    assert questions[0].relevant == {"d": 1.0} and questions[0].language == "en"


def passages(folder: Path) -> list[Document]:
    lines = (folder / "corpus.jsonl").read_text("utf-8").splitlines()
    return [Document(row["id"], row["id"], row["text"]) for row in map(json.loads, lines)]


@pytest.fixture(scope="module", params=["faquad-pt", "xquad-en"])
def corpus(request: pytest.FixtureRequest, shared_data: Path) -> list[Document]:
    """The passages of a public set."""
    return passages(shared_data / "qa" / request.param)


def test_every_answer_stands_in_every_document_that_is_relevant(corpus: list[Document]) -> None:
    texts = {document.id: normalize(document.text) for document in corpus}
    questions = make_questions(corpus, 200)
    assert len(questions) == 200
    for question in questions:
        held = [any(normalize(a) in texts[id] for a in question.answers) for id in question.relevant]
        assert all(held), question


def test_the_same_corpus_gives_the_same_questions(corpus: list[Document]) -> None:
    shuffled = random.Random(1).sample(corpus, len(corpus))
    one, other = make_questions(corpus, 60), make_questions(shuffled, 60)
    assert make_questions(iter(corpus), 60).fingerprint == one.fingerprint
    assert len({q.id for q in one} & {q.id for q in other}) >= 50


def test_questions_are_spread_over_the_documents(corpus: list[Document]) -> None:
    documents = Counter(id for q in make_questions(corpus, 50) for id in q.relevant)
    assert len(documents) >= 40 and documents.most_common(1)[0][1] <= 3


def test_a_made_set_is_saved_and_read_like_any_other(corpus: list[Document], tmp_path: Path) -> None:
    from qrag_lib.evaluation.question_sets import load_question_set

    questions: QuestionSet = make_questions(corpus, 30)
    assert load_question_set(questions.save(tmp_path / "own.jsonl")).questions == questions.questions
