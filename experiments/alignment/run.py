"""How well `answer.written.attribution` tells what the documents bear from what they do not.

    python experiments/alignment/run.py DATA [CACHE]

DATA: the folder with `qa/squad1-pt-sample`, `qa/faquad-pt`, `qa/xquad-en`. Weights and threshold come from the
first set alone; the table is of all three. Writes results.csv here and prints what the report holds.
"""

from __future__ import annotations

import csv
import pickle
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import numpy.typing as npt
from statements import BAD, GOOD, TEST, TRAIN, Case, asked, cases

from qrag_lib.answer.sentences.claims import Statement
from qrag_lib.answer.sentences.question_analysis import Question
from qrag_lib.answer.sentences.sentence_scoring import candidates
from qrag_lib.answer.written import attribution
from qrag_lib.answer.written.attribution import (
    CONSTANT,
    FEATURES,
    THRESHOLD,
    WEIGHTS,
    Stretch,
    Weights,
    disagreement,
    stretches,
)
from qrag_lib.workspace import Workspace

Array = npt.NDArray[np.float64]
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Row:
    """What a case gave: the rows of its stretches, and which of them disagree."""

    kind: str
    borne: bool
    rows: Array
    reasons: tuple[str, ...]

    def best(self, *, semantic: bool = True, vetoes: bool = True) -> float:
        """Score of the best stretch that agrees."""
        scores = attribution.score(self.rows, semantic=semantic) if len(self.rows) else np.zeros(0)
        held = sorted(zip(-scores, self.reasons, strict=True), key=lambda pair: pair[0])
        if not vetoes:
            return -float(held[0][0]) if held else 0.0
        score, reason = next(((-s, r) for s, r in held if r in ("", "denial")), (0.0, ""))
        return 0.0 if reason else float(score)


def read(data: Path, name: str, cache: Path) -> list[Row]:
    """The rows of a set's cases; kept in the cache."""
    kept = cache / f"{name}.pickle"
    if kept.exists():
        return list(pickle.loads(kept.read_bytes()))
    language = "en" if name.endswith("-en") else "pt"
    made = list(cases(asked(data, name, cache), language))
    with Workspace.open(cache / name) as workspace:
        index = workspace.catalog.indexes.active()
        assert index is not None
        embedding = workspace.embedders.of(index)
        held = [_held(case, language, workspace.catalog.documents.text) for case in made]
        texts = sorted({text for claim, near, _weigh in held for text in _texts(claim, near)})
        vectors = dict(zip(texts, embedding.encode(texts), strict=True))
    found = [_row(case, *each, vectors) for case, each in zip(made, held, strict=True)]
    kept.write_bytes(pickle.dumps(found))
    return found


Held = tuple[Statement, list[Stretch], Weights]


def _held(case: Case, language: str, texts: Any) -> Held:
    """The claim, the stretches that it is compared with, and the weights of their terms."""
    found = stretches(candidates(case.hits.hits, texts, language))
    weigh, claim = (
        Weights(Question(case.question, language), found),
        attribution.stated(case.text, Question(case.question, language)),
    )
    return claim, weigh.nearest(claim, found, semantic=True), weigh


def _texts(claim: Statement, near: Sequence[Stretch]) -> list[str]:
    return [claim.text[: attribution.READ], *(stretch.statement.text[: attribution.READ] for stretch in near)]


def _row(case: Case, claim: Statement, near: Sequence[Stretch], weigh: Weights, vectors: dict[str, Any]) -> Row:
    own, *others = (vectors[text] for text in _texts(claim, near))
    rows = [weigh.row(claim, stretch, float(own @ other)) for stretch, other in zip(near, others, strict=True)]
    reasons = tuple(disagreement(claim, stretch, weigh.question) for stretch in near)
    return Row(case.kind, case.borne, np.array(rows).reshape(-1, len(FEATURES)), reasons)


def fit(found: Sequence[Row], *, semantic: bool) -> tuple[Array, float]:
    """Weights and constant of a logistic regression over the best agreeing stretch of each case; L2 of 1."""
    held = [(row, r) for row in found for r in [_agreeing(row, semantic)] if r is not None]
    features = np.array([r for _row, r in held])
    if not semantic:
        features[:, FEATURES.index("cosine")] = 0.0
    x = np.column_stack([features, np.ones(len(held))])
    y = np.array([float(row.borne) for row, _r in held])
    balance = np.where(y > 0, 0.5 / y.mean(), 0.5 / (1 - y.mean()))
    weights = np.zeros(x.shape[1])
    ridge = np.diag([1.0] * len(FEATURES) + [0.0])
    for _step in range(50):  # Newton
        p = 1 / (1 + np.exp(-x @ weights))
        gradient = x.T @ (balance * (p - y)) + ridge @ weights
        hessian = (x * (balance * p * (1 - p))[:, None]).T @ x + ridge + 1e-9 * np.eye(x.shape[1])
        weights -= np.linalg.solve(hessian, gradient)
    return weights[:-1], float(weights[-1])


def _agreeing(row: Row, semantic: bool) -> Array | None:
    scores = attribution.score(row.rows, semantic=semantic) if len(row.rows) else []
    agree = [(float(s), i) for i, (s, why) in enumerate(zip(scores, row.reasons, strict=True)) if not why]
    return row.rows[max(agree)[1]] if agree else None


def auroc(good: Sequence[float], bad: Sequence[float]) -> float:
    """Probability that a good case scores above a bad one; ties count half."""
    pairs = np.subtract.outer(np.array(good), np.array(bad))
    return float((pairs > 0).mean() + 0.5 * (pairs == 0).mean())


def measures(found: Sequence[Row]) -> dict[str, list[float]]:
    """The score of every case by each measure that is compared."""
    covered, cosine = FEATURES.index("covered"), FEATURES.index("cosine")
    return {
        "words in common, by idf": [max(r.rows[:, covered], default=0.0) for r in found],
        "cosine": [max(r.rows[:, cosine], default=0.0) for r in found],
        "ours, numbers, names and denials left out": [r.best(vetoes=False) for r in found],
        "ours, without an embedder": [r.best(semantic=False) for r in found],
        "ours": [r.best() for r in found],
    }


def table(name: str, found: Sequence[Row]) -> list[dict[str, Any]]:
    """A line a measure, and of ours a line a kind of statement with the share that is taken for supported."""
    lines = []
    for measure, scores in measures(found).items():
        held = list(zip(scores, found, strict=True))
        good, bad = [s for s, r in held if r.borne], [s for s, r in held if not r.borne]
        lines.append(_line(name, measure, "all", good + bad, auroc(good, bad)))
        if measure.startswith("ours"):
            right, wrong = sum(s >= THRESHOLD for s in good), sum(s >= THRESHOLD for s in bad)
            lines[-1] |= {"precision": f"{right / (right + wrong):.3f}", "recall": f"{right / len(good):.3f}"}
            for kind in (*GOOD, *BAD):
                own = [s for s, r in held if r.kind == kind]
                lines.append(_line(name, measure, kind, own, auroc(own, bad) if kind in GOOD else auroc(good, own)))
    return lines


def _line(name: str, measure: str, kind: str, scores: Sequence[float], area: float) -> dict[str, Any]:
    supported = f"{np.mean(np.array(scores) >= THRESHOLD):.3f}" if measure.startswith("ours") else ""
    figures = {"n": len(scores), "supported": supported, "auroc": f"{area:.3f}", "precision": "", "recall": ""}
    return {"set": name, "measure": measure, "kind": kind, **figures}


def main(data: Path, cache: Path) -> None:
    """Fit on the first set, tell of all."""
    sets = {name: read(data, name, cache) for name in (TRAIN, *TEST)}
    for semantic in (True, False):
        weights, constant = fit(sets[TRAIN], semantic=semantic)
        named = {n: round(float(w), 2) for n, w in zip(FEATURES, weights, strict=True)}
        print("fitted", "with" if semantic else "without", "embedder", named, f"{constant:.2f}")
    print("used", WEIGHTS, CONSTANT, THRESHOLD)
    for threshold in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8):
        for name, found in sets.items():
            good = [r.best() for r in found if r.borne]
            bad = [r.best() for r in found if not r.borne]
            tp, fp = sum(s >= threshold for s in good), sum(s >= threshold for s in bad)
            told = {"precision": tp / max(1, tp + fp), "recall": tp / len(good), "unborne passed": fp / len(bad)}
            print(threshold, name, *(f"{key} {share:.3f}" for key, share in told.items()))
    lines = [line for name, found in sets.items() for line in table(name, found)]
    with (HERE / "results.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    for line in lines:
        print(*line.values())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else Path(mkdtemp(prefix="qrag-alignment-")))
