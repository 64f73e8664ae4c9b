"""What happens is noted on this machine: bounded, whole, never in the way; and a question can be asked again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from scripted_llm import ScriptedLLM

from qrag_lib.cli import main
from qrag_lib.errors import NotFound, WorkspaceError
from qrag_lib.events import spool as spool_module
from qrag_lib.events.event import Event, on_surface
from qrag_lib.events.spool import FILE, Spool
from qrag_lib.progress import quiet
from qrag_lib.settings import Settings
from qrag_lib.workspace import Workspace

FIRST = Path(__file__).parent / "fixtures" / "workspace-1"
QUESTION = "Quanto é a multa?"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    monkeypatch.setenv("QRAG_LANG", "en")
    folder = Path(shutil.copytree(FIRST, tmp_path / "w"))
    with Workspace.open(folder, settings=Settings(workspace=folder)) as opened:
        yield opened


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "events")


def event(n: int) -> Event:
    return Event("question", "sure", question=f"question {n}")


def test_a_question_is_noted_with_what_made_its_answer(workspace: Workspace) -> None:
    with on_surface("dashboard"):
        answer = workspace.ask(QUESTION, k=3, filters={"language": "pt"})
    noted = workspace.events()[0]
    assert answer.id == noted.id and (noted.question, noted.outcome, noted.surface) == (
        QUESTION,
        answer.outcome,
        "dashboard",
    )
    assert (noted.index, noted.generation) == (answer.index, answer.generation) and noted.generation > 0 and noted.index
    assert noted.who and noted.peak_mib > 1 and noted.cpu_s > 0 and noted.seconds and noted.model == "extractive"
    assert noted.given["filters"] == [["language", "==", "pt"]] and noted.given["k"] == 3


def test_an_ingest_and_a_model_are_noted(workspace: Workspace) -> None:
    workspace.ingest([{"id": "1", "text": "The lid is red."}], delete_missing=False, on_progress=quiet)
    workspace.ask(QUESTION, llm=ScriptedLLM(text="A multa é de R$ 2,00 por dia útil de atraso."))
    question, ingest = workspace.events(2)
    assert (ingest.what, ingest.given["added"]) == ("ingest", 1)
    assert question.model == "scripted" and question.prompt.startswith("grounded/") and question.n_new_tokens > 0


def test_many_processes_and_threads_write_whole_lines(spool: Spool) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: Spool(spool.folder).append(event(n)), range(400)))
    assert {each.question for each in spool.read()} == {f"question {n}" for n in range(400)}


def test_it_is_bounded(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "LARGEST", 4_000)
    monkeypatch.setattr(spool_module, "KEPT", 2)
    for n in range(300):
        spool.append(event(n))
    assert len(list(spool.folder.iterdir())) <= 3
    kept = [each.question for each in spool.read()]
    assert kept[0] == "question 299" and len(kept) < 100


def test_a_line_that_was_cut_costs_only_itself(spool: Spool) -> None:
    spool.append(event(1))
    with (spool.folder / FILE).open("ab") as file:
        file.write(b'{"what": "question", "outc\n[1]\nnull\n\xff\n')
    spool.append(event(2))
    assert [each.question for each in spool.read()] == ["question 2", "question 1"]


def test_what_cannot_be_written_fails_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "no" / "where"):
        Spool(folder).append(event(1))
        assert list(Spool(folder).read()) == []
    Spool(tmp_path / "e").append(Event("question", "sure", question="x" * 100_000))
    assert list(Spool(tmp_path / "e").read()) == []


def test_each_event_is_shipped_once(spool: Spool) -> None:
    for n in range(3):
        spool.append(event(n))
    with pytest.raises(OSError), spool.ship() as events:
        assert len(events) == 3
        raise OSError("the server is away")
    spool.append(event(3))
    with spool.ship() as events:
        spool.append(event(4))
        with Spool(spool.folder).ship() as others:
            assert [each.question for each in others] == ["question 4"]
        assert [each.question for each in events] == [f"question {n}" for n in range(4)]
    with spool.ship() as events:
        assert events == []
    assert list(spool.folder.iterdir()) == []


def test_the_file_is_for_this_user_alone(spool: Spool) -> None:
    spool.append(event(1))
    assert (spool.folder / FILE).stat().st_mode & 0o077 == 0


# --- asked again ----------------------------------------------------------------------------------


def test_asked_again_the_answer_is_the_same(workspace: Workspace) -> None:
    replay = workspace.replay(workspace.ask(QUESTION).id)
    assert replay.same and "The same answer." in str(replay) and "The same answer." in replay._repr_html_()


def test_where_the_documents_have_changed_it_says_so(workspace: Workspace) -> None:
    id = workspace.ask(QUESTION).id
    workspace.forget("biblioteca.md")
    replay = workspace.replay(id)
    assert not replay.same and "The documents have changed since." in replay.differences
    assert any("outcome" in each or "places" in each for each in replay.differences)


def test_a_question_that_is_not_there_or_had_a_programs_model_cannot_be_asked_again(workspace: Workspace) -> None:
    with pytest.raises(NotFound, match="no question"):
        workspace.replay("nothing")
    id = workspace.ask(QUESTION, llm=ScriptedLLM(text="A multa é de R$ 2,00.")).id
    with pytest.raises(WorkspaceError, match="given by a program"):
        workspace.replay(id)


def test_an_evaluation_is_no_list_of_events(workspace: Workspace) -> None:
    workspace.evaluate(workspace.make_questions(3))
    assert list(workspace.events()) == []


def test_at_the_prompt(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(workspace.path)
    id = workspace.ask(QUESTION).id
    assert main(["events", "-w", folder]) == 0 and QUESTION in capsys.readouterr().out
    assert main(["events", "--json", "-w", folder]) == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["id"] == id
    assert main(["replay", id, "-w", folder]) == 0 and "The same answer." in capsys.readouterr().out
