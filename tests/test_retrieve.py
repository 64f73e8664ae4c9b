"""Hybrid search over a real workspace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore, QueryBundle
from llama_index.core.vector_stores import ExactMatchFilter, FilterCondition, MetadataFilter, MetadataFilters
from small_corpus import RECORDS, small_workspace

from qrag_lib.errors import NotFound, QragError, QuestionError
from qrag_lib.llamaindex.retriever import QragRetriever
from qrag_lib.search.conditions import to_filters
from qrag_lib.search.retrieve import search
from qrag_lib.types import Filter, Hits
from qrag_lib.workspace import Workspace

FINE = "Quanto é a multa por atraso de um livro?"


def find(question: str = FINE, **options: Any) -> Hits:
    workspace = small_workspace()
    return search(workspace.catalog, workspace.dense, workspace.embedders.of, question, **options)


def ids(hits: Hits) -> list[str]:
    return [hit.chunk.document_id for hit in hits]


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical", "rrf"])
def test_every_mode_finds_the_passage(mode):
    hits = find("How do honey bees tell the direction of flowers?", mode=mode)
    assert ids(hits)[0] == "bees"
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_a_hit_tells_what_each_side_says():
    first = find(FINE)[0]
    assert first.chunk.document_id == "biblioteca"
    assert first.lexical_rank == 1 and first.lexical and first.lexical > 0
    assert first.dense is not None and -1 <= first.dense <= 1 and 0 < first.score <= 1


def test_scores_are_cosines_and_shares():
    workspace = small_workspace()
    index = workspace.catalog.indexes.active()
    assert index is not None
    hit = find(FINE, mode="dense")[0]
    pair = workspace.embedders.of(index).encode([hit.chunk.embedded_text])[0]
    asked = workspace.embedders.of(index).encode([FINE], kind="query")[0]
    assert hit.score == pytest.approx(float(np.dot(pair, asked)), abs=2e-3)  # vectors are stored as float16


def test_the_stages_are_timed():
    assert set(find().seconds) == {"load", "embed", "dense", "lexical", "fusion"}
    assert all(seconds >= 0 for seconds in find().seconds.values())


def test_the_weight_is_the_fitted_one_of_the_language():
    workspace = small_workspace()
    index = workspace.catalog.indexes.active()
    assert index is not None and index.fit is not None
    assert find(FINE).dense_weight == index.fit["weights"]["pt"]
    assert find("Who built the lighthouse on the cape?").dense_weight == index.fit["weights"]["en"]
    assert find(FINE, dense_weight=0.35).dense_weight == 0.35
    assert find(FINE, mode="dense").dense_weight == 1.0


def test_the_same_text_is_found_once_and_names_its_copies():
    hits = find("What does the warranty of the motor cover?", k=10)
    assert sum(hit.chunk.text == RECORDS[-1]["text"] for hit in hits) == 1
    assert (hits[0].chunk.id, hits[0].duplicates) == ("copy-a#0", ("copy-b#0",))


def test_many_copies_do_not_crowd_the_others_out(tmp_path: Path):
    copies = [{"id": f"c{n}", "text": "O reitor assina o diploma."} for n in range(250)]
    with Workspace.open(tmp_path / "w") as workspace:
        workspace.ingest([*copies, *RECORDS[:3]], on_progress=lambda *_told: None)
        hits = workspace.search("Quem assina o diploma?", k=3)
    assert len(hits) == 3 and len(hits[0].duplicates) == 249


def test_k_beyond_the_corpus_gives_all_there_is():
    assert len(find(k=1000)) == len(RECORDS) - 1
    assert len(find(k=2)) == 2


def test_words_that_stand_nowhere_leave_it_to_the_dense_side():
    hits = find("zygomorphic quokka", k=3)
    assert len(hits) == 3 and all(hit.lexical is None for hit in hits)
    assert len(find("zygomorphic quokka", mode="lexical")) == 0


@pytest.mark.parametrize("question", ["NEAR(a b)", '"; DROP TABLE chunks', "* OR NOT ^", "\ud800 livro", "a\x00b", "?"])
def test_no_question_is_a_query_language(question):
    assert len(find(question, k=3)) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"question": "  "}, "the question is empty"),
        ({"k": 0}, "k = 0 cannot be used"),
        ({"k": 2.5}, "k = 2.5 cannot be used"),
        ({"k": True}, "k = True cannot be used"),
        ({"mode": "magic"}, "unknown mode magic"),
        ({"dense_weight": 1.2}, "dense_weight = 1.2 is not between"),
        ({"dense_weight": float("nan")}, "dense_weight = nan is not between"),
        ({"filters": "pt"}, "filters cannot be a str"),
        ({"filters": {"year": {"like": 3}}}, "unknown operator like"),
    ],
)
def test_what_cannot_be_searched_for_is_refused(options, message):
    with pytest.raises(QragError, match=message):
        find(**{"question": FINE, **options})


def test_an_empty_workspace_says_so(tmp_path: Path):
    with Workspace.open(tmp_path / "w") as workspace, pytest.raises(NotFound, match="holds no documents"):
        workspace.search("Onde?")


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"year": 2023}, {"bolsa", "refeitorio"}),
        ({"year": [2020, 2021]}, {"estagio", "matricula"}),
        ({"year": {"gte": 2022, "<": 2024}}, {"biblioteca", "bolsa", "refeitorio"}),
        ([Filter("document", "==", "bees")], {"bees"}),
        ({"language": "en", "year": {">": 1900}}, {"bees", "bridge", "copy-a"}),
        (MetadataFilters(filters=[ExactMatchFilter(key="year", value=1999)]), {"bridge"}),
        ({"year": 1}, set()),
    ],
)
@pytest.mark.parametrize("mode", ["hybrid", "lexical"])
def test_filters_hold_on_both_sides(filters, expected, mode):
    found = set(
        ids(find("a multa e a taxa: the bridge, honey bees and the warranty", k=20, filters=filters, mode=mode))
    )
    assert found <= expected and (mode == "lexical" or found == expected)


def test_a_key_that_no_document_has_is_an_error_with_the_known_ones():
    with pytest.raises(QuestionError, match="no document has the key yeer") as caught:
        find("a multa", filters={"yeer": 2023})
    assert str(caught.value.hint).startswith("did you mean year? known are: document, language, ")


@pytest.mark.parametrize("threshold", [7, -0.1])
def test_a_threshold_out_of_range_is_an_error(threshold):
    with pytest.raises(QuestionError, match=r"the threshold is .+; it must be from 0 to 1"):
        small_workspace().ask("Quando abre a biblioteca?", threshold=threshold)


def test_filters_joined_by_or_are_refused_aloud():
    either = [MetadataFilter(key="year", value=1), MetadataFilter(key="year", value=2)]
    with pytest.raises(QragError, match="joined by OR"):
        to_filters(MetadataFilters(filters=either, condition=FilterCondition.OR))
    nested = MetadataFilters(filters=[MetadataFilters(filters=either), MetadataFilter(key="a", value=3)])
    assert [each.value for each in to_filters(nested)] == [1, 2, 3]


class Backwards(BaseNodePostprocessor):
    """The worst first, numbered."""

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        assert query_bundle is not None and query_bundle.query_str == FINE
        return [NodeWithScore(node=node.node, score=float(n)) for n, node in enumerate(nodes[::-1])]


def test_a_reranker_has_the_last_word():
    plain, turned = find(k=20), find(k=20, rerank=Backwards())
    assert ids(turned) == ids(plain)[::-1] and turned[3].score == 3.0
    assert "rerank" in turned.seconds


def test_a_reranker_may_leave_hits_out():
    kept = find(k=20, rerank=SimilarityPostprocessor(similarity_cutoff=find()[1].score))
    assert ids(kept) == ids(find())[:2]


def test_it_is_a_retriever_of_llamaindex():
    workspace = small_workspace()
    retriever = QragRetriever(workspace.catalog, workspace.dense, workspace.embedders.of, k=2)
    first, _second = retriever.retrieve(FINE)
    text = next(each["text"] for each in RECORDS if each["id"] == "biblioteca")
    place = first.node.metadata
    assert text[place["start"] : place["end"]] == first.node.get_content() == first.text
    assert (place["document_id"], place["year"], first.node.ref_doc_id) == ("biblioteca", 2022, "biblioteca")


def test_it_drops_into_a_query_engine():

    from llama_index.core.llms import MockLLM
    from llama_index.core.query_engine import RetrieverQueryEngine

    filters = MetadataFilters(filters=[ExactMatchFilter(key="year", value=2022)])
    engine = RetrieverQueryEngine.from_args(small_workspace().retriever(k=2, filters=filters), llm=MockLLM())
    answered = engine.query(FINE)
    assert [node.node.metadata["document_id"] for node in answered.source_nodes] == ["biblioteca"]


def test_hybrid_beats_each_side_and_rrf(shared_data: Path, tmp_path: Path):
    from qrag_lib.evaluation.evaluate import evaluate
    from qrag_lib.evaluation.question_sets import load_question_set

    folder = shared_data / "qa" / "attack-procedures-en"
    records = [json.loads(line) for line in (folder / "corpus.jsonl").read_text("utf-8").splitlines()]
    questions = load_question_set(folder).head(100)
    with Workspace.open(tmp_path / "w") as workspace:
        workspace.ingest(records, on_progress=lambda *_told: None)
        found = {
            mode: evaluate(questions, lambda text, m=mode: workspace.search(text, 50, mode=m)).scores["ndcg@10"].mean
            for mode in ("hybrid", "dense", "lexical", "rrf")
        }
    assert found["hybrid"] == max(found.values())
