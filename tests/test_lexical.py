"""BM25 over stored terms, against a second implementation."""

from __future__ import annotations

import bm25s
import numpy as np
import pytest
from small_corpus import small_workspace

from qrag_lib.search import lexical
from qrag_lib.search.lexical import Frequencies, QuestionTerms

PASSAGES = [["river", "bank", "river"], ["money", "bank"], ["tree"], ["river", "tree", "money", "stone", "sand"]]


def known(passages: list[list[str]]) -> Frequencies:
    words = {word for passage in passages for word in passage}
    counts = {word: sum(word in passage for passage in passages) for word in words}
    return Frequencies(len(passages), sum(map(len, passages)) / len(passages), counts)


def test_bm25_is_what_bm25s_computes():
    oracle = bm25s.BM25(method="lucene", k1=lexical.K1, b=lexical.B)
    oracle.index(PASSAGES, show_progress=False)
    ours, _share = lexical.bm25(QuestionTerms(("river", "bank")), PASSAGES, known(PASSAGES))
    assert ours == pytest.approx(oracle.get_scores(["river", "bank"]), abs=1e-5)


def test_the_share_is_between_nothing_and_all():
    long = [["river", "bank"] * 500, ["tree"]]
    _bm25, share = lexical.bm25(QuestionTerms(("river", "bank")), long, known(long))
    assert 0.9 < share[0] <= 1 and share[1] == 0


def test_words_side_by_side_say_more():
    passages = [["base", "calculo", "x", "y"], ["base", "x", "calculo", "y"]]
    scores, share = lexical.bm25(QuestionTerms(("base", "calculo")), passages, known([*passages, ["z"]]))
    assert scores[0] == scores[1] and share[0] > share[1]


def test_a_word_that_the_corpus_does_not_know_takes_nothing_away():
    _bm25, with_it = lexical.bm25(QuestionTerms(("river", "zzz")), PASSAGES, known(PASSAGES))
    _bm25, without = lexical.bm25(QuestionTerms(("river",)), PASSAGES, known(PASSAGES))
    assert np.array_equal(with_it, without)


def test_nothing_known_gives_zeros_and_no_nan():
    for terms in ((), ("zzz",)):
        scores, share = lexical.bm25(QuestionTerms(terms), PASSAGES, known(PASSAGES))
        assert not scores.any() and not share.any()


def test_frequent_words_are_not_looked_for_beyond_the_budget():
    seen = Frequencies(100_000, 90, {"a": 50_000, "b": 300, "c": 10, "d": 19_000})
    assert lexical.finding_terms(QuestionTerms(("a", "b", "c", "d", "e")), seen) == ["c", "b", "d"]
    assert lexical.finding_terms(QuestionTerms(("a",)), seen) == ["a"]


def test_the_index_tells_its_own_frequencies():
    workspace = small_workspace()
    index = workspace.catalog.indexes.active()
    assert index is not None
    lines = [line for (line,) in workspace.catalog.database.read(f"SELECT terms FROM terms_{index.id}")]
    told = lexical.frequencies(workspace.catalog, index.id, ["warranti", "real", "nowhere"])
    assert told.n_chunks == len(lines) == workspace.catalog.chunks.count(index.id)
    assert told.mean_length == pytest.approx(np.mean([len(line.split()) for line in lines]))
    assert told.in_chunks == {t: n for t in ("warranti", "real") if (n := sum(t in line.split() for line in lines))}


def test_stored_terms_are_those_of_the_passage():
    workspace = small_workspace()
    index = workspace.catalog.indexes.active()
    assert index is not None
    chunks = dict(workspace.catalog.chunks.sample(index.id, 4))
    stored = lexical.stored_terms(workspace.catalog, index, chunks)
    assert stored == [lexical.passage_terms(chunk) for chunk in chunks.values()]


def test_a_question_in_another_language_is_stemmed_for_the_texts_too():
    terms = lexical.question_terms("What is the university of the students?", "en", ["pt", "en"])
    assert terms.own == ("universiti", "student") and "university" in terms.other and "the" not in terms.other
