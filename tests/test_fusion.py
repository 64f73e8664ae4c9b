"""Fusion: pure functions over arrays."""

from __future__ import annotations

import numpy as np
import pytest

from qrag_lib.search import fusion, retrieve
from qrag_lib.search.candidates import Candidates
from qrag_lib.types import Chunk


def test_the_weight_goes_from_lexical_to_dense():
    cosine, share = np.array([0.9, 0.1]), np.array([0.2, 0.8])
    assert fusion.convex(cosine, share, 0.0).argmax() == 1
    assert fusion.convex(cosine, share, 1.0).argmax() == 0
    assert fusion.convex(cosine, share, 0.5) == pytest.approx([0.55, 0.45])


def test_a_nan_counts_as_nothing():
    scores = fusion.convex(np.array([np.nan, 0.4]), np.array([0.5, np.nan]), 0.5)
    assert scores == pytest.approx([0.25, 0.2])


def test_where_no_word_matches_the_dense_side_decides():
    cosine = np.array([0.3, 0.6, 0.1])
    assert np.argsort(-fusion.convex(cosine, np.zeros(3), 0.2)).tolist() == [1, 0, 2]


def test_a_score_does_not_depend_on_the_other_candidates():
    alone = fusion.convex(np.array([0.4]), np.array([0.7]), 0.3)[0]
    among = fusion.convex(np.array([0.4, 0.9]), np.array([0.7, 0.1]), 0.3)[0]
    assert alone == among


def test_rrf_is_the_published_formula_scaled_to_one():
    scores = fusion.rrf([["a", "b", "c"], ["b", "a"]])
    assert scores["a"] == pytest.approx(61 * (1 / 61 + 1 / 62) / 2)
    assert scores["c"] == pytest.approx(61 * (1 / 63) / 2)
    assert fusion.rrf([["x"], ["x"]])["x"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("language", "languages", "weight"),
    [
        ("pt", {}, 0.2),
        ("en", {}, 0.5),
        ("en", {"en": 95, "pt": 5}, 0.5),
        ("pt", {"en": 95, "pt": 5}, 0.7),
        ("und", {"pt": 9, "und": 1}, 0.2),
        ("pt", {"und": 7}, 0.2),
    ],
)
def test_the_prior_knows_the_languages_of_question_and_texts(language, languages, weight):
    assert fusion.prior_weight(language, languages) == weight


def test_the_scale_keeps_the_order_of_the_cosines_and_spreads_those_of_e5():
    cosine = np.array([0.6, 0.75, 0.8, 0.9, 0.97])
    scaled = fusion.E5_PT_EN.scaled(cosine)
    assert (np.diff(scaled) > 0).all() and scaled[0] < 0 and scaled[2] == pytest.approx(0.4)
    assert fusion.MINILM.scaled(cosine).tolist() == cosine.tolist()


@pytest.mark.parametrize(
    ("model_id", "blend"),
    [
        ("e5-pt-en-3f9c21", fusion.E5_PT_EN),
        ("all-MiniLM-L6-v2-53aa51", fusion.MINILM),
        ("my-e5-pt-en-model", fusion.MINILM),
        ("", fusion.MINILM),
    ],
)
def test_an_embedder_is_known_by_its_name(model_id, blend):
    assert fusion.blend_of(model_id) is blend


@pytest.mark.parametrize("blend", [fusion.MINILM, fusion.E5_PT_EN])
def test_a_question_in_another_language_than_the_texts_is_decided_by_meaning(blend):
    weights = [fusion.prior_weight(language, {"en": 9}, blend) for language in ("pt", "en", "und")]
    assert weights[0] == blend.across > weights[1] == weights[2] == blend.prior["en"]


def test_e5_is_trusted_with_portuguese_and_minilm_is_not():
    assert fusion.E5_PT_EN.prior["pt"] >= fusion.E5_PT_EN.prior["en"]
    assert fusion.MINILM.prior["pt"] < fusion.MINILM.prior["en"]


def test_texts_in_another_language_than_the_question_get_something_back():
    chunks = tuple(Chunk(name, "d", "d", 0, "t", 0, 1, language=name) for name in ("pt", "en", "und"))
    near, none = np.full(3, 0.8), np.zeros(3)
    found = Candidates((1, 2, 3), chunks, near, none, none, (0, 1, 2), (), none)
    scores = retrieve.fused(found, "hybrid", 0.5, fusion.E5_PT_EN, "pt")
    assert scores - scores[0] == pytest.approx([0, fusion.E5_PT_EN.foreign, 0])
    assert set(retrieve.fused(found, "hybrid", 0.5, fusion.MINILM, "pt")) == {0.4}
