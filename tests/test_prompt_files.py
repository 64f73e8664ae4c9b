"""What a model is told is a value that an answer carries; its files are read with care."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripted_llm import ScriptedLLM
from small_corpus import small_workspace

from qrag_lib.answer.written.prompt import load_prompt
from qrag_lib.errors import NotFound, SettingsError

OWN = "name: own\nversion: 3\n\n# rules\n\nSay {unknown} in {language}.\n\n# question\n\nQ: {question}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "own.en.md").write_text(OWN)
    return tmp_path


def test_the_built_in_one_has_both_languages() -> None:
    prompt = load_prompt()
    assert set(prompt.wordings) == {"en", "pt"} and prompt.version == "1" and len(prompt.sha) == 12
    assert "Responda à pergunta em português" in prompt.wording("pt")[0].rules_for(other=False)
    said, other = prompt.wording("und")
    assert other and "in the language of the question" in said.rules_for(other=other)


def test_what_stands_in_a_question_is_not_filled_in(folder: Path) -> None:
    said, _other = load_prompt("own", folder).wording("en")
    assert said.asked("what is {unknown} {question}?") == "Q: what is {unknown} {question}?"


def test_a_changed_text_is_another_prompt(folder: Path) -> None:
    before = load_prompt("own", folder)
    (folder / "own.en.md").write_text(OWN.replace("Say", "Write"))
    after = load_prompt("own", folder)
    assert (before.name, before.version) == (after.name, after.version) and before.identity != after.identity


@pytest.mark.parametrize(
    "text",
    ["", "version: 1\n", OWN.replace("version: 3\n", ""), OWN.replace("{question}", ""), OWN + "\n# extra\n\nx\n"],
    ids=["empty", "head", "version", "question", "section"],
)
def test_a_file_that_is_no_prompt_says_what_it_lacks(folder: Path, text: str) -> None:
    (folder / "own.en.md").write_text(text)
    with pytest.raises(SettingsError, match=r"own\.en\.md"):
        load_prompt("own", folder)


@pytest.mark.parametrize("name", ["nothing", "../own", "", "a/b"])
def test_an_unknown_name_lists_the_known_ones(folder: Path, name: str) -> None:
    with pytest.raises(NotFound) as raised:
        load_prompt(name, folder)
    assert "own" in str(raised.value.hint)


def test_two_languages_of_two_versions_are_refused(folder: Path) -> None:
    (folder / "own.pt.md").write_text(OWN.replace("version: 3", "version: 4"))
    with pytest.raises(SettingsError, match="several versions: 3, 4"):
        load_prompt("own", folder)


def test_an_answer_carries_the_prompt_that_made_it(folder: Path) -> None:
    workspace = small_workspace()
    told = workspace.ask("Quanto é a multa por atraso?", llm=ScriptedLLM(text="A multa é de um real por dia."))
    assert told.prompt == load_prompt().identity
    own = load_prompt("own", folder)
    assert workspace.ask("Quanto é a multa?", llm=ScriptedLLM(text="Um real."), prompt=own).prompt == own.identity
    assert workspace.ask("Quanto é a multa?").prompt == ""
