"""Panels: their state without a browser, and the dashboard as a person sees it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from qrag_lib.answer.answerer import READ
from qrag_lib.errors import NotFound, QragError
from qrag_lib.types import Answer, Citation, Hits, Sentence
from qrag_lib.ui.ask_state import Asking
from qrag_lib.ui.ask_view import asking_view, dashboard


def workspace(result: Any = None, error: QragError | None = None) -> Any:
    """Anything with the two verbs that the panel calls."""

    def call(_question: str, _k: int) -> Any:
        if error:
            raise error
        return result

    return SimpleNamespace(ask=call, search=call)


def answer(text: str) -> Answer:
    return Answer("?", (Sentence(text, (1,)),), (Citation(1, "d", "d.txt", 0, len(text), text, 1.0),))


def test_an_answer_becomes_the_result() -> None:
    state = Asking(workspace(answer("Trinta dias.")))
    state.question = "Qual o prazo?"
    state.ask()
    assert (state.result.text, state.error, state.busy) == ("Trinta dias. [1]", "", False)


def test_quotes_are_taken_from_as_many_passages_as_everywhere_else() -> None:
    looked_at: list[int] = []
    asked = SimpleNamespace(ask=lambda _q, k: looked_at.append(k), search=lambda _q, k: looked_at.append(k))
    state = Asking(asked)  # type: ignore[arg-type]
    for state.k in (5, 30):
        state.ask()
        state.search()
    assert looked_at == [READ, 5, 30, 30]


def test_an_error_is_one_message_with_its_hint() -> None:
    state = Asking(workspace(error=NotFound("there is nothing", hint="put something in")))
    state.search()
    assert (state.result, state.error, state.busy) == (None, "there is nothing\n→ put something in", False)


def test_the_view_mirrors_the_state_and_escapes_it() -> None:
    state = Asking(workspace(answer("<img src=x onerror=alert(1)>")))
    _question, _row, result, _onward = asking_view(state).children
    state.ask()
    assert "&lt;img" in result.value and "<img" not in result.value


def test_the_model_of_the_settings_writes_where_that_is_asked_and_its_draft_is_escaped() -> None:
    shown: list[str] = []

    def ask(_question: str, _k: int, *, llm: str, on_text: Any) -> Answer:
        on_text("<img src=x>")
        shown.append(result.value)
        return answer(f"by {llm}")

    state = Asking(SimpleNamespace(ask=ask, settings=SimpleNamespace(model="offload:here")))  # type: ignore[arg-type]
    _question, row, result, _onward = asking_view(state).children
    row.children[3].value = True
    state.ask()
    assert "&lt;img" in shown[0] and "<img" not in shown[0] and "by offload:here" in result.value


def test_below_an_answer_that_is_none_a_button_searches() -> None:
    nothing = replace(answer("Trinta dias."), sentences=(), outcome="nothing")
    found = Hits("Prazo?", "pt", ())
    state = Asking(SimpleNamespace(ask=lambda *_given: nothing, search=lambda *_given: found))  # type: ignore[arg-type]
    onward = asking_view(state).children[3]
    shown = [onward.layout.display]
    state.ask()
    shown.append(onward.layout.display)
    onward.click()
    assert state.result is found and [*shown, onward.layout.display] == ["none", "", "none"]


def test_the_buttons_rest_while_a_question_is_worked_on() -> None:
    state = Asking(workspace(Hits("?", "en", ())))
    row = asking_view(state).children[1]
    state.busy = True
    assert [child.disabled for child in row.children[:2]] == [True, True]


def test_without_a_workspace_the_dashboard_says_what_to_do(tmp_path: Any) -> None:
    assert "qrag ingest" in dashboard(str(tmp_path / "none")).value
