"""Why something was not found, and whether the proposed change brings it back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from small_corpus import RECORDS, small_workspace

from qrag_lib.errors import NotFound, QragError
from qrag_lib.search.explain import Explanation, explain, occurrences
from qrag_lib.search.retrieve import search
from qrag_lib.workspace import Workspace


def why(question: str, **options: Any) -> Explanation:
    workspace = small_workspace()
    return explain(workspace.catalog, workspace.dense, workspace.embedders.of, question, **options)


def test_what_is_found_is_said_to_be_found():
    said = why("How do honey bees dance?", document="bees")
    assert said.found and said.rank == 1 and said.lost_at == "" and said.remedies == ()
    assert all(stage.passed for stage in said.stages)


def test_what_k_cut_off_comes_back_with_a_larger_k():
    said = why("How do honey bees dance?", document="bridge", k=1)
    assert not said.found and said.lost_at == "k"
    change = said.remedies[0]
    k = int(re.fullmatch(r"k=(\d+)", change.change)[1])
    workspace = small_workspace()
    hits = search(workspace.catalog, workspace.dense, workspace.embedders.of, said.question, k=k)
    assert hits[k - 1].chunk.document_id == "bridge" and change.rank == k


def test_a_word_of_the_passage_brings_it_back():
    said = why("How do honey bees dance?", document="bridge", k=2)
    word = next(r.change for r in said.remedies if r.change.startswith("add the word")).split()[-1]
    workspace = small_workspace()
    hits = search(workspace.catalog, workspace.dense, workspace.embedders.of, f"{said.question} {word}", k=2)
    assert "bridge" in [hit.chunk.document_id for hit in hits]


def test_a_weight_that_brings_it_back_was_tried():
    for question, document in (("O que se paga em reais?", "refeitorio"), ("Prazo e taxa", "estagio")):
        for change in (r.change for r in why(question, document=document, k=1).remedies):
            if change.startswith("dense_weight="):
                workspace, weight = small_workspace(), float(change.split("=")[1])
                call = (workspace.catalog, workspace.dense, workspace.embedders.of, question)
                assert search(*call, k=1, dense_weight=weight)[0].chunk.document_id == document


def test_the_words_that_the_passage_lacks_are_named():
    said = why("How do honey bees dance?", document="bridge", k=1)
    assert said.missing == ("honey", "bees", "dance")
    assert any("honey" in stage.detail for stage in said.stages)


def test_a_phrase_that_was_never_extracted_is_lost_at_parsing():
    said = why("Quanto custa?", phrase="setenta e sete reais")
    assert said.lost_at == "parsed" and "qrag show" in said.remedies[0].change


def test_a_phrase_is_found_whatever_its_white_space():
    said = why("Quanto é a multa por atraso?", phrase="multa  por\nATRASO")
    assert said.found and "1 document" in said.stages[0].detail
    assert occurrences("um real", "um  real, Um\nreal") == [(0, 8), (10, 17)]


def test_a_filter_that_shuts_it_out_is_named():
    said = why("How do honey bees dance?", document="bees", filters={"language": "en", "year": 1999})
    assert said.lost_at == "filters" and [r.change for r in said.remedies] == ["leave out the filter year == 1999"]


def test_a_copy_is_found_behind_its_twin():
    said = why("What does the warranty of the motor cover?", document="copy-b")
    stage = next(stage for stage in said.stages if stage.name == "duplicates")
    assert said.rank == 1 and "copy-a#0" in stage.detail


def test_a_refused_file_is_lost_at_parsing(tmp_path: Path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "good.txt").write_text("O prazo termina em março.")
    (tmp_path / "docs" / "empty.txt").write_text("")
    with Workspace.open(tmp_path / "w") as workspace:
        workspace.ingest(tmp_path / "docs", on_progress=lambda *_told: None)
        said = workspace.explain("Quando termina o prazo?", document="empty.txt")
    assert said.lost_at == "parsed" and not said.found


def test_a_split_phrase_is_made_whole_by_a_larger_chunk(tmp_path: Path):
    text = " ".join(f"A frase de número {n} fala da matéria {n}." for n in range(120))
    phrase = text[text.index("A frase de número 10 ") : text.index("A frase de número 30 ")]
    with Workspace.open(tmp_path / "w") as workspace:
        workspace.ingest([{"id": "longo", "text": text}], on_progress=lambda *_told: None)
        said = workspace.explain("Qual é a matéria da frase?", document="longo", phrase=phrase)
    assert any(stage.name == "whole" and not stage.passed for stage in said.stages)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(QragError, match="nothing is named"):
        why("Quando?")
    with pytest.raises(NotFound):
        why("Quando?", document="nowhere.pdf")


def test_an_explanation_shows_itself_and_runs_nothing():
    said = why("<script>alert(1)</script> bees", document="bridge", k=1)
    assert "<script>" not in said._repr_html_() and "lost at" in said._repr_html_()
    assert "k=" in str(said) and len(str(said).splitlines()) > 5


def test_every_record_can_be_explained():
    for record in RECORDS:
        said = why("Quanto tempo dura?", document=record["id"], k=1)
        assert said.found or said.remedies
