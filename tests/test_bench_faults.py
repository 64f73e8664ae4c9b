"""The cases of faults are judged by what they must show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import natural_records
from benchmarks.bench_faults import cuts, output_of, type_command
from benchmarks.fault_cases import Output, Verdict, counts, fits, judge, read_case, unseen
from qrag_lib.types import Citation
from qrag_lib.workspace import Workspace

RECORD = {
    "id": "O1",
    "kind": "O long text",
    "file": "long.txt",
    "question": "who has the keys?",
    "command": 'qrag -w W ingest long.txt; qrag -w W ask "who has the keys?"',
    "expected": "the porter",
    "must": ["the porter"],
    "mustnot": ["the cook"],
}
CASE = read_case(RECORD)


def test_a_case_knows_its_commands_and_whether_it_asks() -> None:
    assert (CASE.kind, CASE.asks, CASE.refusal) == ("O", True, False)
    assert CASE.commands == ("qrag -w W ingest long.txt", 'qrag -w W ask "who has the keys?"')
    assert not replace(CASE, commands=("qrag -w W show long.txt",)).asks
    assert not replace(CASE, commands=('qrag -w W ask "why?" --model openai:http://127.0.0.1:9911/v1',)).asks


def test_white_space_is_folded_and_a_tab_is_not() -> None:
    assert fits(CASE, "the\n  porter has them")
    assert not fits(CASE, "the\tporter has them")
    assert not fits(CASE, "the porter and the cook")


@pytest.mark.parametrize(
    ("output", "passed", "within"),
    [
        (Output("the porter", outcome="sure"), True, True),
        (Output("the porter", outcome="unsure"), True, True),
        (Output("the porter", outcome="nothing"), False, False),
        (Output("the porter", outcome="sure", whole=False), False, True),
        (Output("a door", every="a door; the porter", outcome="unsure"), False, True),
        (Output("the porter", outcome=""), True, True),
    ],
    ids=["sure", "unsure", "refused", "cut in a word", "only in the passage", "another command"],
)
def test_a_case_passes_by_its_first_quote(output: Output, passed: bool, within: bool) -> None:
    judged = judge(CASE, output)
    assert (judged.passed, judged.within) == (passed, within)


def test_where_a_refusal_is_wanted_only_a_sure_answer_fails() -> None:
    case = read_case({**RECORD, "kind": "P a year", "expected": "refusal", "must": [], "mustnot": []})
    assert [judge(case, Output("84", outcome=o)).passed for o in ("sure", "unsure", "nothing")] == [False, True, True]


def test_a_quote_that_begins_or_ends_within_a_word_is_seen() -> None:
    def cut(start: int, end: int) -> bool:
        return cuts("são correlatas.", Citation(1, "d", "d", start, end, "", 1.0))

    assert [cut(0, 3), cut(4, 15), cut(11, 14), cut(4, 8)] == [False, False, True, True]


def test_kinds_are_counted_and_what_a_person_must_see_is_named(tmp_path: Path) -> None:
    verdicts = [judge(CASE, Output("the porter")), judge(replace(CASE, id="O2"), Output("")), unseen(CASE)]
    natural_records.keep_faults(
        [Verdict("O9", "O", "", False, False), Verdict("P1", "P", "sure", False, False)], tmp_path
    )
    report = natural_records.keep_faults(verdicts, tmp_path)
    assert counts(verdicts).splitlines()[-1].endswith("| 1/2 | 1/2 | O2 | O1 |")
    assert [each.id for each in natural_records.read_verdicts(tmp_path)] == ["O1", "O2", "O1", "P1"]
    assert counts(verdicts).splitlines()[-1] in report.read_text("utf-8")


def test_a_command_is_typed_and_an_answer_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("keys.txt").write_text("The porter keeps the keys of the cold room in the red cabinet.", "utf-8")
    assert "1 document" in type_command("qrag -w W ingest keys.txt").first
    assert "unknown-file" in type_command("qrag -w W show unknown-file").first
    with Workspace.open("W") as workspace:
        seen = output_of(workspace.ask("Who keeps the keys of the cold room?", threshold=0.0), workspace)
    assert (seen.outcome, seen.whole) == ("sure", True)
    assert "porter" in seen.first and "red cabinet" in seen.every
