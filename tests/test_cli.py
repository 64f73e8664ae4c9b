"""The command `qrag`: values for people and for programs, exit codes that mean something."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from qrag_lib import errors
from qrag_lib.cli import main
from qrag_lib.cli.arguments import condition, parse
from qrag_lib.cli.exits import MEANING, Exit, exit_of
from qrag_lib.cli.interrupts import is_interrupt
from qrag_lib.cli.verbs import VERBS
from qrag_lib.types import Filter

LIBRARY = "# Opening hours\n\nThe library opens at nine in the morning. On Saturdays it opens at ten.\n"
REGIMENTO = "# Regimento\n\nO reitor assina os diplomas dos alunos. As aulas começam em março.\n"


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QRAG_LANG", "en")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with papers, and a workspace that has read them."""
    folder = tmp_path_factory.mktemp("cli")
    papers = folder / "papers"
    papers.mkdir()
    (papers / "library.md").write_text(LIBRARY, "utf-8")
    (papers / "regimento.md").write_text(REGIMENTO, "utf-8")
    (papers / "empty.txt").touch()
    assert main(["ingest", str(papers), "-w", str(folder / "ws"), "--json"]) == Exit.SOME_REFUSED
    return folder


def told(place: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    """The exit code, and the JSON document on standard output."""
    code = main([*arguments, "-w", str(place / "ws"), "--json"])
    return code, json.loads(capsys.readouterr().out)


def said(place: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main([*arguments, "-w", str(place / "ws")])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def command(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "qrag_lib", *arguments],
        env={**os.environ, "QRAG_WORKER": "never", **variables},  # no process is to outlive the test
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )


# --- verbs --------------------------------------------------------------------------------------


def test_ask_answers_with_a_quote_of_the_document(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, answer = told(place, capsys, "ask", "When does the library open on Saturdays?")
    assert code == Exit.DONE
    cited = answer["citations"][0]
    assert LIBRARY.strip()[cited["start"] : cited["end"]] == cited["quote"]
    assert "ten" in answer["sentences"][0]["text"]


def test_ask_reads_well_on_a_terminal(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(place, capsys, "ask", "Quem assina os diplomas?")
    assert code == Exit.DONE and set(err.splitlines()) <= {"Loading the embedding model e5-pt-en…"}  # on a slow machine
    assert "O reitor assina os diplomas dos alunos. [1]" in out
    assert "[1] regimento.md" in out


def test_a_refused_question_has_its_own_exit_code(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _err = said(place, capsys, "ask", "What is the boiling point of mercury?")
    assert code == Exit.NO_ANSWER
    assert "No answer." in out


def test_search_gives_k_passages_and_filters_them(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, hits = told(place, capsys, "search", "diplomas", "-k", "1")
    assert (code, len(hits["hits"]), hits["hits"][0]["chunk"]["document_name"]) == (0, 1, "regimento.md")
    code, hits = told(place, capsys, "search", "diplomas", "--filter", "language=en")
    assert [hit["chunk"]["document_name"] for hit in hits["hits"]] == ["library.md"]


def test_an_empty_search_has_its_own_exit_code(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _hits = told(place, capsys, "search", "diplomas", "--filter", "language=fr")
    assert code == Exit.NO_ANSWER


def test_explain_says_where_a_document_stands(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _err = said(place, capsys, "explain", "Who signs diplomas?", "--document", "regimento.md")
    assert code == Exit.DONE
    assert "regimento.md" in out


def test_documents_lists_the_refused_one_with_its_reason(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, table = told(place, capsys, "documents")
    rows = {row["name"]: row for row in table["rows"]}
    assert code == Exit.DONE
    assert (rows["library.md"]["state"], rows["empty.txt"]["state"]) == ("ready", "refused")


def test_show_gives_the_text_or_a_stretch_of_it(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert LIBRARY.strip() in said(place, capsys, "show", "library.md")[1]
    code, stretch = told(place, capsys, "show", "library.md", "--start", "2", "--end", "15")
    assert (code, stretch["text"], stretch["start"]) == (Exit.DONE, "Opening hours", 2)


def test_validate_needs_no_workspace(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["validate", str(place / "papers"), "-w", str(tmp_path / "none"), "--json"])
    verdicts = json.loads(capsys.readouterr().out)["verdicts"]
    assert code == Exit.SOME_REFUSED
    assert {v["name"]: v["refusal"] is None for v in verdicts} == {
        "empty.txt": False,
        "library.md": True,
        "regimento.md": True,
    }
    assert not (tmp_path / "none").exists()


def test_a_second_ingest_costs_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _code, report = told(place, capsys, "ingest", str(place / "papers"))
    assert (report["added"], report["changed"], report["unchanged"], report["n_embedded"]) == ([], [], 2, 0)


def test_forget_gives_a_receipt_and_the_document_is_gone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.md").write_text(LIBRARY)
    said(tmp_path, capsys, "ingest", str(tmp_path / "a.md"))
    code, out, _err = said(tmp_path, capsys, "forget", "a.md")
    assert (code, "a.md" in out) == (Exit.DONE, True)
    assert said(tmp_path, capsys, "show", "a.md")[0] == Exit.NOT_FOUND


def test_doctor_finds_a_sound_workspace_sound(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _err = said(place, capsys, "doctor")
    assert (code, "sound" in out) == (Exit.DONE, True)


def test_eval_counts_what_was_found(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    question = {"id": "1", "text": "Quem assina os diplomas?", "answers": ["reitor"], "relevant": ["regimento.md"]}
    (tmp_path / "set.jsonl").write_text(json.dumps(question) + "\n", "utf-8")
    code, out, _err = said(place, capsys, "eval", str(tmp_path / "set.jsonl"))
    assert code == Exit.DONE
    assert "gold_in_first_quote" in out


def test_status_counts_the_documents(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, status = told(place, capsys, "status")
    assert (code, status["n_documents"], status["n_refused"]) == (Exit.DONE, 2, 1)


def test_settings_name_their_place(place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setenv("QRAG_TOP_K", "7")
    _code, sheet = told(place, capsys, "settings")
    row = next(row for row in sheet["settings"] if row["name"] == "top_k")
    assert (row["value"], row["place"]) == (7, "QRAG_TOP_K")


# --- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["ask", "search", "documents", "status", "doctor", "show", "forget", "explain"])
def test_no_workspace_is_one_line_and_a_hint(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    needs = {"ask": ["q"], "search": ["q"], "show": ["d"], "forget": ["d"], "explain": ["q", "--phrase", "p"]}
    code, out, err = said(tmp_path, capsys, verb, *needs.get(verb, []))
    assert (code, out) == (Exit.NOT_FOUND, "")
    assert [line[:5] for line in err.splitlines()] == ["qrag:", "→ qra"]
    assert not (tmp_path / "ws").exists()


def test_an_error_is_json_for_a_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, error = told(tmp_path, capsys, "ask", "why?")
    assert (code, error["exit"], error["error"]) == (6, 6, "WorkspaceNotFound")
    assert error["hint"]


def test_the_traceback_is_shown_on_demand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _code, _out, err = said(tmp_path, capsys, "ask", "why?", "--debug")
    assert "Traceback" in err and "WorkspaceNotFound" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ask"], "qrag: missing: question"),
        (["frob"], "qrag: there is no command frob"),
        (["ask", "q", "--frob"], "qrag: not known: --frob"),
        (["ask", "q", "-k", "many"], "qrag: -k needs a number"),
        (["ask", "q", "-k"], "qrag: -k needs a value"),
        (["search", "q", "--mode", "magic"], "qrag: --mode cannot be magic; choose from"),
        (["search", "q", "--filter", "x"], "qrag: x is not a condition such as"),
        (["ask", "q", "--threshold", "7"], "qrag: the threshold is 7; it must be from 0 to 1"),
        (["ask", "--json"], "qrag: missing: question"),
    ],
)
def test_a_mistake_in_the_command_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    err = capsys.readouterr().err
    assert left.value.code == Exit.USAGE
    assert err.startswith(message) and err.count("\n") == 2


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["aks", "why?"], "→ did you mean ask? qrag --help"),
        (["ask", "--treshold", "0.3", "why?"], "→ did you mean --threshold? qrag ask --help"),
        (["ask", "why?", "--modle=auto:"], "→ did you mean --model? qrag ask --help"),
        (["model", "plam"], "→ did you mean plan? qrag model --help"),
        (["search", "q", "--mode", "hibrid"], "→ did you mean hybrid? qrag search --help"),
        (["ask", "q", "--zzz"], "→ qrag ask --help"),
    ],
)
def test_a_name_nearly_right_is_guessed(arguments: list[str], hint: str) -> None:
    done = command(*arguments)
    assert done.returncode == Exit.USAGE
    assert done.stderr.splitlines()[1].startswith(hint)


@pytest.mark.parametrize("arguments", [[], ["--json"], ["model"]])
def test_without_a_verb_the_help_is_printed(arguments: list[str]) -> None:
    done = command(*arguments)
    assert (done.returncode, done.stderr) == (Exit.DONE, "")
    assert "usage: qrag " in done.stdout and "\ncommands:\n" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["ask", "Quem", "assina", "os", "diplomas?", "-k", "12"],
        ["ask", "-k", "12", "Quem", "assina", "os", "diplomas?"],
        ["ask", "Quem", "assina", "-k", "12", "os", "diplomas?"],
    ],
)
def test_a_question_needs_no_quotes(arguments: list[str], place: Path) -> None:
    done = command(*arguments, "--json", "-w", str(place / "ws"))
    assert done.returncode == Exit.DONE
    answer = json.loads(done.stdout)
    assert (answer["question"], "reitor" in answer["sentences"][0]["text"]) == ("Quem assina os diplomas?", True)


def test_words_that_look_like_options_stand_behind_two_dashes(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["search", "-w", str(place / "ws"), "--json", "o", "que", "faz", "--", "--mode", "-x", "diplomas"])
    hits = json.loads(capsys.readouterr().out)
    assert (code, hits["question"]) == (Exit.DONE, "o que faz --mode -x diplomas")


def test_an_empty_folder_is_told_with_its_own_exit_code(tmp_path: Path) -> None:
    (tmp_path / "papers").mkdir()
    done = command("ingest", str(tmp_path / "papers"), "-w", str(tmp_path / "ws"))
    assert done.returncode == Exit.NOTHING_READ
    assert f"qrag: there is nothing to read in {tmp_path / 'papers'}\n→ " in done.stderr


def test_only_refused_files_are_told_with_their_own_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / "papers").mkdir(exist_ok=True)
        (tmp_path / "papers" / name).touch()
    code, out, err = said(tmp_path, capsys, "ingest", str(tmp_path / "papers"))
    assert (code, "a.txt" in out and "b.txt" in out) == (Exit.NOTHING_READ, True)
    assert f"qrag: nothing of {tmp_path / 'papers'} could be read: 2 were refused\n→ a.txt: " in err
    code, told_so = told(tmp_path, capsys, "ingest", str(tmp_path / "papers"))
    assert (code, told_so["error"], len(told_so["report"]["refused"])) == (10, "NothingRead", 2)
    assert said(tmp_path, capsys, "validate", str(tmp_path / "papers"))[0] == Exit.NOTHING_READ
    (tmp_path / "papers" / "c.md").write_text(LIBRARY)
    assert told(tmp_path, capsys, "ingest", str(tmp_path / "papers"))[0] == Exit.SOME_REFUSED


def test_a_bad_setting_is_a_usage_error(place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setenv("QRAG_TOP_K", "0")
    code, _out, err = said(place, capsys, "status")
    assert (code, "QRAG_TOP_K = '0' cannot be used" in err) == (Exit.USAGE, True)


def test_each_error_has_the_exit_code_that_help_promises() -> None:
    assert exit_of(errors.WorkspaceBusy("x")) == 5
    assert exit_of(errors.DiskFull("x")) == exit_of(errors.WorkspaceReadOnly("x")) == 7
    assert exit_of(errors.WorkspaceDamaged("x")) == 8
    assert exit_of(errors.ModelError("x")) == exit_of(ValueError("x")) == 1


def test_help_lists_every_verb_and_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    out = capsys.readouterr().out
    assert left.value.code == 0
    assert all(f"\n    {verb} " in out for verb in VERBS)
    assert all(f"\n  {code.value:<4} " in out for code in MEANING)
    assert set(MEANING) == set(Exit)


def test_a_file_name_cannot_speak_to_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a\x1b]0;owned\x07.txt").touch()
    out = said(tmp_path, capsys, "validate", str(tmp_path))[1]
    assert "owned" in out and not {"\x1b", "\x07"} & set(out)


@pytest.fixture(scope="module")
def dated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of three reports with front matter."""
    folder = tmp_path_factory.mktemp("dated")
    for year in (2019, 2021, 2023):
        head = f"---\ntitle: Relatório {year}\nano: {year}\naprovado: true\ndata: {year}-05-01\n---\n\n"
        text = f"O relatório de {year} recomenda reformar o posto número {year - 2000}.\n"
        (folder / "reports").mkdir(exist_ok=True)
        (folder / "reports" / f"r{year}.md").write_text(head + text, "utf-8")
    assert main(["ingest", str(folder / "reports"), "-w", str(folder / "ws"), "--json"]) == Exit.DONE
    return folder


@pytest.mark.parametrize(
    ("written", "years"),
    [("ano>=2020", "2021 2023"), ("ano=2021", "2021"), ("aprovado=true", "2019 2021 2023"), ("data<2023", "2019 2021")],
)
def test_front_matter_compares_as_what_it_says(
    written: str, years: str, dated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, hits = told(dated, capsys, "search", "relatório", "recomenda", "reformar", "--filter", written)
    assert code == Exit.DONE
    assert {hit["chunk"]["document_name"] for hit in hits["hits"]} == {f"r{year}.md" for year in years.split()}


def test_an_unknown_key_of_a_filter_is_a_usage_error(dated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(dated, capsys, "search", "reformar", "--filter", "anno=2021")
    assert (code, out) == (Exit.USAGE, "")
    assert "no document has the key anno" in err and "→ did you mean ano? known are: ano, aprovado, data, " in err


# --- conditions ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("year>=2020", Filter("year", ">=", 2020)),
        ("price<1.5", Filter("price", "<", 1.5)),
        ("name~contract", Filter("name", "contains", "contract")),
        ("page=3", Filter("page", "==", "3")),
        ("draft != true", Filter("draft", "!=", True)),
        ("title=a=b", Filter("title", "==", "a=b")),
    ],
)
def test_a_condition_reads_as_it_is_written(text: str, expected: Filter) -> None:
    assert condition(text) == expected


def test_common_options_stand_before_or_behind_the_verb() -> None:
    for arguments in (["-w", "x", "--json", "status"], ["status", "-w", "x", "--json"]):
        assert (parse(arguments).workspace, parse(arguments).json) == ("x", True)


# --- the process --------------------------------------------------------------------------------


def test_it_speaks_portuguese(place: Path) -> None:
    done = command("ask", "--lang", "pt", "Quem assina os diplomas?", "-w", str(place / "ws"))
    assert "enhum modelo de linguagem" in done.stdout


def test_accents_come_out_where_the_locale_has_none(place: Path) -> None:
    done = command("show", "regimento.md", "-w", str(place / "ws"), LANG="C", LC_ALL="C", PYTHONUTF8="0")
    assert "começam em março" in done.stdout


def test_a_closed_pipe_is_no_traceback(place: Path) -> None:
    line = f"'{sys.executable}' -m qrag_lib documents --json -w '{place / 'ws'}' | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", f"{line}"], capture_output=True, text=True, timeout=120)
    assert done.stderr == ""
    assert int(done.stdout) in (Exit.DONE, Exit.READER_LEFT)


def test_a_swallowed_ctrl_c_ends_the_job_at_its_next_word() -> None:
    from qrag_lib.cli.interrupts import heard
    from qrag_lib.progress import quiet

    before = signal.getsignal(signal.SIGINT)
    with heard(quiet) as tell:
        tell("read", 1)
        with contextlib.suppress(KeyboardInterrupt):  # as an import does that tries and goes on
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            tell("read", 2)
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_ends_calmly(tmp_path: Path) -> None:
    papers = tmp_path / "papers"
    papers.mkdir()
    for i in range(3000):
        (papers / f"{i}.md").write_text(f"# Paper {i}\n\nThe paper number {i} says {i * 7919} things.\n")
    arguments = [sys.executable, "-m", "qrag_lib", "ingest", str(papers), "-w", str(tmp_path / "ws")]
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    while not (tmp_path / "ws" / "catalog.db").exists() and process.poll() is None:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=60)
    assert process.returncode == Exit.INTERRUPTED
    assert "Interrupted. What was finished is kept" in err and "Traceback" not in err


def test_ctrl_c_while_a_question_loads_its_model_ends_at_once(place: Path, tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "qrag_lib", "ask", "How high is the dam?", "-w", str(place / "ws")]
    alone = {**os.environ, "QRAG_WORKER": "never"}
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=alone)
    assert process.stderr
    said = process.stderr.readline()
    process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    out, err = process.communicate(timeout=60)
    assert said.startswith("Loading the embedding model")
    assert (process.returncode, out, time.monotonic() - begun < 5) == (Exit.INTERRUPTED, "", True)
    assert err.split("\n", 1)[1] == "Interrupted. What was finished is kept; the same command goes on from there.\n"


def test_ctrl_c_within_an_exec_is_no_death_by_a_signal() -> None:
    code = "from qrag_lib.cli import command, main; command.run = lambda _: exec('raise KeyboardInterrupt'); main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == Exit.INTERRUPTED and done.stderr.count("\n") == 2 and "Traceback" not in done.stderr


def test_what_a_library_makes_of_ctrl_c_is_ctrl_c() -> None:
    try:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as pressed:
            raise RuntimeError("Error calling __set_name__") from pressed
    except RuntimeError as error:
        assert is_interrupt(error) and not is_interrupt(ValueError("no"))
