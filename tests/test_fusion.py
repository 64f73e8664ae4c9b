"""Fusion: pure functions over arrays."""

from __future__ import annotations

import numpy as np
import pytest

from qrag_lib.rag import fusion


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
