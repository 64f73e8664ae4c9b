"""Several questions answered by a language model in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from scripted_llm import ScriptedEngine, ScriptedLLM
from small_corpus import small_workspace
from tiny_llm import make_tiny_llm

from local_models.engines.generation import Generation, Sampling
from qrag_lib.answer.written.drafts import BATCH
from qrag_lib.errors import GenerationFailed, NotFound
from qrag_lib.evaluation.ask_ahead import AskAhead
from qrag_lib.evaluation.question_sets import Question, QuestionSet
from qrag_lib.settings import load_settings
from qrag_lib.types import Answer
from qrag_lib.workspace import Workspace

QUESTIONS = ["Quando abre a biblioteca?", "Quanto dura a bolsa?", "Qual é a multa por atraso?"]


class Together(ScriptedEngine):
    """Writes the same text to every prompt of a batch, and counts the batches."""

    def __init__(self, text: str, fails: bool = False) -> None:
        super().__init__(text)
        self.batches: list[int] = []
        self.fails = fails

    def generate_batch(self, prompts: Sequence[str], sampling: Sampling) -> list[Generation]:
        self.batches.append(len(prompts))
        if self.fails:
            raise GenerationFailed("too much at once")
        return [Generation(self.text, 7, 3, "stop", 0.1, 0.2) for _prompt in prompts]


def test_a_model_that_can_writes_all_answers_in_one_pass() -> None:
    engine = Together("Não sei.")
    answers = small_workspace().ask_many(QUESTIONS, llm=engine)
    assert [answer.question for answer in answers] == QUESTIONS
    assert [answer.generator for answer in answers] == [engine.name] * 3
    assert engine.batches == [3]


def test_each_answer_is_that_of_asking_alone() -> None:
    workspace, engine = (
        small_workspace(),
        Together("A biblioteca abre às oito horas. A bolsa dura doze meses."),
    )
    together = workspace.ask_many(QUESTIONS, llm=engine)
    alone = [workspace.ask(question, llm=engine) for question in QUESTIONS]
    assert [(a.sentences, a.citations, a.refused) for a in together] == [
        (a.sentences, a.citations, a.refused) for a in alone
    ]


def test_where_a_batch_fails_each_question_is_asked_alone() -> None:
    engine = Together("Não sei.", fails=True)
    answers = small_workspace().ask_many(QUESTIONS, llm=engine)
    assert engine.batches == [3] and not any(answer.failure for answer in answers)


def test_a_model_without_batches_is_asked_one_by_one() -> None:
    llm = ScriptedLLM(text="Não sei.")
    assert [a.question for a in small_workspace().ask_many(QUESTIONS, llm=llm)] == QUESTIONS


def test_where_the_model_cannot_be_opened_each_answer_says_so(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    answers = small_workspace().ask_many(QUESTIONS, llm=f"offload:{tmp_path}")
    assert all(answer.failure and answer.citations for answer in answers)


def test_an_address_that_names_nothing_is_an_error() -> None:
    with pytest.raises(NotFound, match="no language model at /nowhere"):
        small_workspace().ask_many(QUESTIONS, llm="offload:/nowhere")


def test_without_a_model_the_quotes_answer() -> None:
    workspace = small_workspace()
    assert workspace.ask_many(QUESTIONS)[0].citations == workspace.ask(QUESTIONS[0]).citations


def test_an_evaluation_asks_the_model_for_several_answers_at_once() -> None:
    engine = Together("Não sei.")
    questions = QuestionSet("three", tuple(Question(str(n), text, ("x",), {}) for n, text in enumerate(QUESTIONS)))
    report = small_workspace().evaluate(questions, llm=engine)
    assert engine.batches == [3] and len(report.rows) == 3


def test_a_streamed_model_answers_a_batch_in_a_worker(tmp_path: Path) -> None:
    folder = make_tiny_llm(tmp_path / "model")
    settings = load_settings(tmp_path / "w", models_cache=tmp_path / "models", worker_idle_s=2.0)
    with Workspace.open(tmp_path / "w", settings=settings) as workspace:
        workspace.ingest([{"id": "b", "text": "A biblioteca abre às oito horas."}])
        answers = workspace.ask_many(QUESTIONS, llm=f"offload:{folder}")
    assert [answer.failure for answer in answers] == [""] * 3
    assert all(answer.draft for answer in answers)


def test_a_group_that_cannot_be_asked_is_asked_one_by_one() -> None:
    asked: list[int] = []

    def ask_many(questions: Sequence[str]) -> list[Answer]:
        asked.append(len(questions))
        if "bad" in questions:
            raise GenerationFailed("no")
        return [Answer(each, (), (), outcome="nothing") for each in questions]

    ahead = AskAhead(["a", "bad", "c"], ask_many)
    assert ahead("a").question == "a"
    with pytest.raises(GenerationFailed):
        ahead("bad")
    assert ahead("c").question == "c" and asked[0] == 3 <= BATCH


def test_a_workspace_can_be_read_while_answers_are_written() -> None:
    workspace: Workspace = small_workspace()

    class Looking(Together):
        def generate_batch(self, prompts: Sequence[str], sampling: Sampling) -> list[Generation]:
            assert workspace.documents()
            return super().generate_batch(prompts, sampling)

    assert len(workspace.ask_many(QUESTIONS[:2], llm=Looking("Não sei."))) == 2
