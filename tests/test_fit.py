"""The weight that a corpus gives itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_corpus import RECORDS, small_workspace

from qrag_lib.search import fusion, fusion_weight
from qrag_lib.types import Chunk

TEXT = RECORDS[0]["text"]


def test_a_question_is_a_sentence_and_the_answer_is_the_rest():
    (posed,) = fusion_weight.pose([(1, Chunk("a#0", "a", "a", 0, TEXT, 0, len(TEXT), language="pt"))], 9)
    assert posed.sentence in TEXT and posed.sentence not in posed.rest.text
    assert len(posed.rest.text) + len(posed.sentence) + 1 == len(TEXT)


def test_a_passage_of_two_sentences_poses_nothing():
    short = " ".join(TEXT.split(". ")[:1]) + ". Fim."
    assert fusion_weight.pose([(1, Chunk("a#0", "a", "a", 0, short, 0, len(short), language="pt"))], 9) == []


def test_the_same_corpus_is_asked_the_same():
    chunks = [(n, Chunk(f"a#{n}", "a", "a", n, TEXT, 0, len(TEXT), language="pt")) for n in range(9)]
    assert fusion_weight.pose(chunks, 9, 5) == fusion_weight.pose(chunks, 9, 5)


def test_the_plateau_is_the_middle_of_what_cannot_be_told_apart():
    ranks = np.tile(np.where((fusion_weight.GRID > 0.19) & (fusion_weight.GRID < 0.41), 1.0, 0.2), (30, 1))
    assert fusion_weight.plateau(ranks) == pytest.approx(0.3)


def test_few_questions_leave_the_prior():
    assert fusion_weight.shrunk(0.9, 0, 0.2, 100) == pytest.approx(0.2)
    assert fusion_weight.shrunk(0.9, 10, 0.2, 100) < 0.3 < fusion_weight.shrunk(0.9, 1000, 0.2, 100)
    assert fusion_weight.shrunk(0.9, 120, 0.2, 400) < fusion_weight.shrunk(0.9, 120, 0.2, 100)


def test_the_fit_is_stored_with_the_index_and_can_be_repeated():
    workspace = small_workspace()
    index = workspace.catalog.indexes.active()
    assert index is not None and index.fit is not None
    again = fusion_weight.fit_weight(workspace.catalog, workspace.dense, workspace.embedders.of(index), index)
    assert again["weights"] == index.fit["weights"] and set(again["weights"]) == {"en", "pt"}
    assert all(0 <= weight <= 1 for weight in again["weights"].values())
    assert sum(again["languages"].values()) == len(RECORDS)


def test_the_prior_of_the_embedder_draws_the_fit():
    workspace = small_workspace()
    index = workspace.catalog.indexes.active()
    assert index is not None and index.fit is not None
    for language, curve in index.fit["curves"].items():
        assert curve["prior"] == fusion.MINILM.prior[language]
        expected = fusion_weight.shrunk(
            curve["fitted"], curve["questions"], curve["prior"], fusion.MINILM.prior_questions
        )
        assert index.fit["weights"][language] == pytest.approx(expected, abs=0.001)


def test_every_question_has_a_place_at_every_weight():
    workspace = small_workspace()
    index = workspace.catalog.indexes.active()
    assert index is not None
    posed = fusion_weight.pose(workspace.catalog.chunks.sample(index.id, 20), 120)
    ranks = fusion_weight.reciprocal_ranks(
        workspace.catalog, workspace.dense, workspace.embedders.of(index), index, posed
    )
    assert ranks.shape == (len(posed), len(fusion_weight.GRID)) and 5 < len(posed) < 9
    assert ((ranks > 0) & (ranks <= 1)).all()


def test_copies_of_the_passage_do_not_compete_with_it():
    workspace = small_workspace()
    index = workspace.catalog.indexes.active()
    assert index is not None
    (row, chunk), *_rest = workspace.catalog.chunks.of_document(index.id, "copy-a")
    cloze = fusion_weight.Cloze(row, chunk.text, replace(chunk, text="two years"))
    ranks = fusion_weight.reciprocal_ranks(
        workspace.catalog, workspace.dense, workspace.embedders.of(index), index, [cloze]
    )
    assert ranks[0, 0] == 1.0  # by words alone only the copy could be before it
