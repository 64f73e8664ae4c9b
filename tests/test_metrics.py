"""Scores against second implementations: scikit-learn, SQuAD's rules written again, exact enumeration."""

from __future__ import annotations

import math
import random
import re
import string
from collections import Counter
from itertools import product

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from qrag_lib.evaluation import metrics
from qrag_lib.types import Answer, Citation, Sentence

DOCUMENTS = [f"d{n}" for n in range(30)]


def random_ranking(rng: random.Random) -> tuple[list[str], dict[str, float]]:
    """Ten to thirty ranked documents, and grades from -1 to 3 of some of them; at least one is relevant."""
    ranked = rng.sample(DOCUMENTS, rng.randint(10, 30))
    grades = {id: float(rng.randint(-1, 3)) for id in rng.sample(DOCUMENTS, rng.randint(1, 8))}
    return ranked, grades | {rng.choice(DOCUMENTS): 1.0}


RANKINGS = [random_ranking(random.Random(seed)) for seed in range(200)]


@pytest.mark.parametrize("k", [1, 5, 10])
def test_ndcg_equals_that_of_scikit_learn(k: int) -> None:
    for ranked, grades in RANKINGS:
        everything = ranked + [id for id in DOCUMENTS if id not in ranked]
        gains = [[max(0.0, grades.get(id, 0.0)) for id in everything]]
        # what was not ranked stands below with a grade that cannot count within the first ten
        scores = [[float(len(DOCUMENTS) - place) for place in range(len(everything))]]
        assert metrics.ndcg_at(ranked, grades, k) == pytest.approx(ndcg_score(gains, scores, k=k))


def test_ndcg_of_the_best_order_is_one_and_of_nothing_is_zero() -> None:
    grades = {"a": 3.0, "b": 2.0, "c": 1.0}
    assert metrics.ndcg_at(["a", "b", "c"], grades) == 1.0
    assert metrics.ndcg_at(["b", "a", "c"], grades) < 1.0
    assert metrics.ndcg_at([], grades) == metrics.ndcg_at(["a"], {}) == metrics.ndcg_at(["a"], {"a": 0.0}) == 0.0


def test_recall_counts_what_a_loop_counts() -> None:
    for ranked, grades in RANKINGS:
        relevant = [id for id in grades if grades[id] > 0]
        found = 0
        for id in relevant:
            found += id in ranked[:5]
        assert metrics.recall_at(ranked, grades, 5) == pytest.approx(found / len(relevant))


def test_mrr_is_one_over_the_first_relevant_rank() -> None:
    for ranked, grades in RANKINGS:
        expected = 0.0
        for place in range(9, -1, -1):
            if place < len(ranked) and grades.get(ranked[place], 0) > 0:
                expected = 1 / (place + 1)
        assert metrics.mrr_at(ranked, grades) == expected


def squad_normalize(text: str) -> str:
    """The four steps of SQuAD v1.1's evaluation script, in its order."""
    text = "".join(c for c in text.lower() if c not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def squad_f1(prediction: str, gold: str) -> float:
    said, right = squad_normalize(prediction).split(), squad_normalize(gold).split()
    same = sum((Counter(said) & Counter(right)).values())
    if not same:
        return 0.0
    precision, recall = same / len(said), same / len(right)
    return 2 * precision * recall / (precision + recall)


def test_f1_and_exact_match_follow_squad_in_english() -> None:
    rng = random.Random(7)
    words = ["the", "a", "house", "House,", "of", "cards", "1,000", "U.S.", "red-hot", "an", "apple"]
    for _n in range(300):
        said, gold = (" ".join(rng.choices(words, k=rng.randint(1, 6))) for _i in range(2))
        if squad_normalize(said) and squad_normalize(gold):
            assert metrics.token_f1(said, [gold]) == pytest.approx(squad_f1(said, gold))
            assert metrics.exact_match(said, [gold]) == (squad_normalize(said) == squad_normalize(gold))


def test_portuguese_articles_go_and_accents_stay() -> None:
    assert metrics.normalize("Uma ação, o País e as “leis”", "pt") == "ação país e leis"
    assert metrics.exact_match("A Universidade", ["universidade"], "pt") == 1.0
    assert metrics.exact_match("pais", ["país"], "pt") == 0.0
    assert metrics.normalize("a casa o dia", "und") == "a casa o dia"


def test_a_decomposed_accent_equals_a_composed_one() -> None:
    assert metrics.exact_match("educac\u0327a\u0303o", ["educação"], "pt") == 1.0


def test_the_best_of_several_golds_counts() -> None:
    assert metrics.token_f1("in Paris, France", ["London", "Paris"]) == pytest.approx(0.5)
    assert metrics.exact_match("Paris", ["London", "the Paris"]) == 1.0
    assert metrics.token_f1("Paris", []) == metrics.exact_match("Paris", []) == 0.0


def test_a_gold_answer_is_held_only_as_whole_words_in_order() -> None:
    sentence = "The reform of 1968 created the departments."
    assert metrics.holds_answer(sentence, ["the departments"]) == 1.0
    assert metrics.holds_answer(sentence, ["1968 reform"]) == 0.0
    assert metrics.holds_answer(sentence, ["depart"]) == metrics.holds_answer(sentence, ["the"]) == 0.0


def cited(quote: str, start: int, number: int = 1) -> Citation:
    return Citation(
        number, "d", "d.txt", start, start + len(quote), quote, 1.0, passage="It rained. ", passage_start=100
    )


def test_a_sentence_counts_as_supported_only_where_its_quote_stands() -> None:
    citations = (cited("It rained.", 100), cited("It rained.", 101, 2), cited("It", 99, 3))
    sentences = tuple(Sentence("It rained.", numbers) for numbers in [(1,), (2,), (3,), (), (2, 1)])
    assert metrics.quote_support(Answer("?", sentences, citations)) == pytest.approx(2 / 5)


def test_quote_support_reads_the_stored_text_where_it_is_given() -> None:
    answer = Answer("?", (Sentence("It rained.", (1,)),), (cited("It rained.", 100),))
    assert metrics.quote_support(answer, lambda id: "." * 100 + "It rained. Then not.") == 1.0
    assert metrics.quote_support(answer, lambda id: "." * 101 + "It rained. Then not.") == 0.0


def test_refusal_precision_and_recall_follow_the_four_cells() -> None:
    refused, answerable = [True] * 3 + [False] * 5, [False, False, True, False, True, True, True, True]
    assert metrics.refusal_scores(refused, answerable) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert metrics.refusal_scores([False], [True]) == (None, None)
    assert metrics.refusal_scores([False], [False]) == (None, 0.0)


def test_the_bootstrap_interval_of_many_values_is_that_of_the_normal_curve() -> None:
    values = np.random.default_rng(3).normal(0.6, 0.2, 2_000)
    interval = metrics.bootstrap_interval(values)
    error = 1.96 * values.std() / math.sqrt(len(values))
    assert interval.mean == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - error, abs=error / 8)
    assert interval.high == pytest.approx(values.mean() + error, abs=error / 8)


def test_an_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(11)
    samples = [rng.binomial(1, 0.7, 100) for _n in range(200)]
    covered = [i.low <= 0.7 <= i.high for i in (metrics.bootstrap_interval(s, resamples=500) for s in samples)]
    assert 0.9 <= np.mean(covered) <= 0.99


def test_an_interval_is_the_same_at_every_call_and_refuses_nothing() -> None:
    assert metrics.bootstrap_interval([0, 1, 1]) == metrics.bootstrap_interval([0, 1, 1])
    with pytest.raises(ValueError, match="no mean of nothing"):
        metrics.bootstrap_interval([])


def test_the_permutation_p_value_is_that_of_all_sign_patterns() -> None:
    differences = [0.3, -0.1, 0.4, 0.2, 0.0, 0.5, -0.2, 0.1, 0.25, 0.3]
    seen = abs(sum(differences))
    sums = [abs(sum(s * d for s, d in zip(signs, differences, strict=True))) for signs in product([-1, 1], repeat=10)]
    exact = sum(total >= seen - 1e-12 for total in sums) / len(sums)
    found = metrics.paired_difference([0.0] * 10, differences, resamples=20_000)
    assert found.p_value == pytest.approx(exact, abs=0.005)


def test_a_clear_gain_is_better_and_its_mirror_worse() -> None:
    rng = np.random.default_rng(5)
    before = rng.random(300)
    after = before + rng.normal(0.05, 0.1, 300)
    gain, loss = metrics.paired_difference(before, after), metrics.paired_difference(after, before)
    assert (gain.judgement, loss.judgement) == ("better", "worse")
    assert gain.low > 0 > loss.high and gain.difference == pytest.approx(-loss.difference)


def test_chance_alone_is_called_a_difference_about_one_time_in_twenty() -> None:
    rng = np.random.default_rng(9)
    runs = [metrics.paired_difference(np.zeros(80), rng.normal(0, 1, 80), resamples=500) for _n in range(200)]
    assert np.mean([run.judgement != "not distinguishable" for run in runs]) <= 0.09


def test_four_questions_can_prove_nothing() -> None:
    assert metrics.paired_difference([0, 0, 0, 0], [1, 1, 1, 1]).judgement == "not distinguishable"
    assert metrics.paired_difference([1, 1], [1, 1]).p_value == 1.0


def test_scores_of_different_questions_cannot_be_paired() -> None:
    with pytest.raises(ValueError, match="3 scores against 2"):
        metrics.paired_difference([1, 2, 3], [1, 2])
