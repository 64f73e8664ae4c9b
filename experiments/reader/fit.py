"""Fit how the reader's findings are weighed, on questions that it was not trained on; say what it reaches.

python experiments/reader/fit.py DATA CACHE
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from examples import Posed, find_spans, lines
from train import is_held_out

from local_models.reading.span_reader import Passage, Reading
from qrag_lib.answer.open_reader import reader_of
from qrag_lib.answer.quoted import judgement
from qrag_lib.answer.quoted.spans import read
from qrag_lib.answer.sentences.question_analysis import Question
from qrag_lib.answer.sentences.sentence_scoring import candidates, features, score
from qrag_lib.search.retrieve import search
from qrag_lib.settings import Settings
from qrag_lib.types import Hits
from qrag_lib.workspace import Workspace

WEIGHT = 0.85  # of the dense side, as it was when the weights were fitted
K = 10  # hits that are given to a question


@dataclass(frozen=True)
class Case:
    """A question with its rows. right: (n,) whether each candidate answers; answerable: whether any hit does."""

    rows: np.ndarray
    right: np.ndarray
    question: Question
    found: Sequence[Any]
    answerable: bool


class Cached:
    """A reader that reads nothing twice."""

    def __init__(self, reader: Any) -> None:
        self.reader, self.known = reader, {}

    def read(self, question: str, passages: Sequence[Passage]) -> list[Reading]:
        """A reading of each passage."""
        wanted = [each for each in passages if (question, each) not in self.known]
        for passage, reading in zip(wanted, self.reader.read(question, wanted), strict=True):
            self.known[question, passage] = reading
        return [self.known[question, each] for each in passages]


def cases_of(queries: Sequence[dict[str, Any]], workspace: Workspace, weight: float | None) -> list[Case]:
    """A case for each question, and for each answerable one another from which the answer was taken away."""
    reader, made = Cached(reader_of(workspace.settings)), []
    for n, query in enumerate(queries):
        if n % 10 == 0:
            print(n, "of", len(queries), flush=True)
        hits = search(
            workspace.catalog, workspace.dense, workspace.embedders.of, query["text"], k=2 * K, dense_weight=weight
        )
        gold = [h for h in hits if query["answerable"] and find_spans(h.chunk.text, query)]
        made.append(_case(query, hits, hits.hits[:K], workspace, reader))
        if gold:
            others = tuple(h for h in hits if h not in gold)[:K]
            made.append(_case({**query, "answerable": False}, hits, others, workspace, reader))
    return [case for case in made if case is not None]


def _case(query: dict[str, Any], hits: Hits, kept: Sequence[Any], workspace: Workspace, reader: Any) -> Case | None:
    texts = workspace.catalog.documents.text
    question = Question(query["text"], hits.language if hits.language in ("pt", "en") else "pt")
    found = candidates(kept, texts, question.language)
    if not found or not question.stems:
        return None
    rows = features(question, found)
    scores = score(rows, semantic=False)
    spans = read(question.text, kept, found, texts, reader)
    right = np.array([bool(query["answerable"] and find_spans(c.text, query)) for c in found])
    judged = judgement.features(found, spans, scores)
    return Case(judged, right, question, found, bool(query["answerable"]))


def fit_ranking(cases: Sequence[Case], l2: float = 0.02) -> np.ndarray:
    """Weights of a conditional logit: the chosen sentence is one that answers."""
    groups = [(torch.tensor(c.rows), torch.tensor(c.right)) for c in cases if c.right.any()]
    weights = torch.zeros(len(judgement.FEATURES), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        total = l2 * (weights**2).sum()
        for rows, right in groups:
            log_p = (rows @ weights).log_softmax(0)
            total = total - log_p[right].logsumexp(0) / len(groups)
        total.backward()
        return total

    optimizer.step(loss)
    return weights.detach().numpy()


def fit_confidence(signs: np.ndarray, right: np.ndarray, l2: float = 0.01) -> tuple[np.ndarray, float]:
    """Weights and constant of a logistic regression."""
    x, y = torch.tensor(signs), torch.tensor(right.astype(float))
    weights = torch.zeros(x.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=300, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        total = torch.nn.functional.binary_cross_entropy_with_logits(x @ weights[1:] + weights[0], y)
        total = total + l2 * (weights[1:] ** 2).sum()
        total.backward()
        return total

    optimizer.step(loss)
    found = weights.detach().numpy()
    return found[1:], float(found[0])


def auroc(scores: np.ndarray, right: np.ndarray) -> float:
    """Probability that a right one scores above a wrong one."""
    pairs = scores[right][:, None] - scores[~right][None, :]
    return float((pairs > 0).mean() + 0.5 * (pairs == 0).mean())


def main(data: Path, cache: Path) -> None:
    """Print the weights, and what they reach on the questions held out."""
    asked = lines(data / "natural-train/questions.jsonl")
    held = [q for q in asked if is_held_out(Posed((), (), "natural-train", q["document"]))]
    folder = cache / "ws-natural-train"
    settings = Settings(workspace=folder, embedding_model="e5-pt-en")
    with Workspace.open(folder, settings=settings) as workspace:
        cases = cases_of(held, workspace, WEIGHT)
    answerable = [case for case in cases if case.answerable]
    weights = fit_ranking(answerable)
    print(dict(zip(judgement.FEATURES, weights.round(3), strict=True)))
    first = sum(bool(case.right[int(np.argmax(case.rows @ weights))]) for case in answerable)
    words = sum(bool(case.right[int(np.argmax(case.rows[:, 3]))]) for case in answerable)
    print(f"first sentence right: {first} of {len(answerable)}; by words alone {words}")
    scores = [case.rows @ weights for case in cases]
    signs = np.array([judgement.signs(c.question, c.found, c.rows, s) for c, s in zip(cases, scores, strict=True)])
    right = np.array([bool(c.right[int(np.argmax(s))]) for c, s in zip(cases, scores, strict=True)])
    sure, constant = fit_confidence(signs, right)
    print(dict(zip(judgement.SIGNS, sure.round(3), strict=True)), round(constant, 3))
    print(f"AUROC of right: {auroc(signs @ sure, right):.3f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
