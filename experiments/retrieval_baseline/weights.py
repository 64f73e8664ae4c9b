"""What every mode and every fixed weight of the dense side gives a set, from candidates that are gathered once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from qrag_lib.evaluation import metrics
from qrag_lib.evaluation.question_sets import Question
from qrag_lib.language import detect
from qrag_lib.search.candidates import Candidates, gather
from qrag_lib.search.fusion import Blend, blend_of, convex
from qrag_lib.search.retrieve import active_index, collapsed, embed, fused, make_query, to_hits
from qrag_lib.types import Hits
from qrag_lib.workspace import Workspace

WEIGHTS: Final = np.linspace(0, 1, 21)
DEPTH: Final = 10


class Gathered:
    """The candidates of every question of a set, judged by both sides."""

    def __init__(self, workspace: Workspace, questions: Iterable[Question]) -> None:
        self.blend: Blend = blend_of(active_index(workspace.catalog).model_id)
        self._of: Mapping[str, Candidates] = {each.text: _candidates(workspace, each.text) for each in questions}

    def search(self, question: str, mode: str) -> Hits:
        """What a mode of the search without a weight makes of the candidates."""
        found = self._of[question]
        return Hits(question, "und", tuple(to_hits(collapsed(found, fused(found, mode, 0.5, self.blend)))))

    def sweep(self, questions: Iterable[Question]) -> NDArray[np.float64]:
        """Mean nDCG@10 (w,) at each of the weights."""
        return np.mean([self._at_each_weight(each) for each in questions], axis=0)

    def _at_each_weight(self, question: Question) -> list[float]:
        found, wanted = self._of[question.text], question.relevant
        names = [c.document_name if c.document_name in wanted else c.document_id for c in found.chunks]
        cosine = self.blend.scaled(found.cosine)
        orders = (np.argsort(-convex(cosine, found.share, weight), kind="stable") for weight in WEIGHTS)
        ranked = (list(dict.fromkeys(names[i] for i in order)) for order in orders)
        return [metrics.ndcg_at(each, wanted, DEPTH) for each in ranked]


def _candidates(workspace: Workspace, question: str) -> Candidates:
    catalog, index = workspace.catalog, active_index(workspace.catalog)
    vector = embed(workspace.embedders.of(index), question)
    with catalog.snapshot():
        query = make_query(catalog, index, question, detect(question), vector, "hybrid")
        return gather(catalog, workspace.dense, index, query)
