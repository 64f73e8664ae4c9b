"""What asks for a summary or a comparison is told apart from what asks what the documents say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import values

from qrag_lib.answer.requests import answer_request, request_of

SUMMARIES = """
resuma o documento
Resuma este texto, por favor.
Você pode resumir o edital 12/2023?
me dê um resumo do relatório
faça um breve resumo do documento
Por favor, faça uma síntese do texto
do que trata o documento?
Sobre o que é este livro?
De que se trata esse arquivo?
Quais são os principais pontos do relatório?
o que diz o documento?
Summarize the contract
Please summarise this report in five lines
Can you give me a summary of the document?
What is this document about?
what are the main points of this paper?
TL;DR
""".strip().splitlines()
COMPARISONS = """
compare A e B
Compare o edital de 2022 com o de 2023
qual a diferença entre monitoria e tutoria?
Qual é a principal diferença entre os dois planos?
Quais são as diferenças entre mestrado e doutorado?
Em que se diferem os dois contratos?
faça uma comparação entre as duas leis
What is the difference between a lease and a loan?
What are the main differences between the two plans?
how does the second edition differ from the first?
Could you compare the two budgets?
""".strip().splitlines()
QUESTIONS = """
Quem assina o resumo executivo?
Qual é o prazo para enviar o resumo expandido?
quantas palavras tem o resumo?
O que trata o art. 5º da lei?
o que diz o artigo 5º sobre férias?
De que trata a Lei 8.112?
Quanto custa o comparativo de preços?
What does the summary table show?
How much does the report say the bridge cost?
Who compared the two methods?
What is the main point of entry?
Quem pode pedir o documento?
Resumo deve ter quantas páginas?
How do the fees of the first year compare to those of the second?
""".strip().splitlines()


@pytest.mark.parametrize("question", SUMMARIES)
def test_a_request_for_a_summary_is_heard(question: str) -> None:
    assert request_of(question) == "summary"


@pytest.mark.parametrize("question", COMPARISONS)
def test_a_request_for_a_comparison_is_heard(question: str) -> None:
    assert request_of(question) == "comparison"


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_about_what_documents_say_is_none(question: str) -> None:
    assert request_of(question) is None


def test_hardly_any_real_question_is_taken_for_a_request(shared_data: Path) -> None:
    lines = (shared_data / "natural" / "questions.jsonl").read_text("utf-8").splitlines()
    lines += (shared_data / "natural-train" / "questions.jsonl").read_text("utf-8").splitlines()
    asked = [next(v for k, v in json.loads(each).items() if k in ("text", "question")) for each in lines]
    assert len(asked) > 500
    assert [each for each in asked if request_of(each) == "summary"] == []


def test_a_quote_is_never_given_as_a_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QRAG_LANG", "en")
    told = answer_request(values.answer(question="Resuma o contrato"))
    assert (told.outcome, told.refused, told.sentences) == ("nothing", True, ())
    assert "--model auto:" in told.note and "model download deepseek-ai/deepseek-llm-7b-chat" in told.note
    assert told.citations, "what is nearest is still shown"


def test_a_difference_that_the_documents_state_stays_an_answer() -> None:
    answer = values.answer(question="Qual a diferença entre posse e exercício?")
    assert answer_request(answer) is answer


def test_a_comparison_that_is_not_sure_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QRAG_LANG", "en")
    told = answer_request(values.refusal("Compare A and B"))
    assert "each side in a question of its own" in told.note


def test_another_refusal_keeps_its_reason() -> None:
    refusal = values.refusal(note="add the mathematics book")
    assert answer_request(refusal) is refusal
