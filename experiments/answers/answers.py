"""Does the first quote hold the answer, and does `ask` refuse when the documents do not hold it?

    python experiments/answers/answers.py fit DATA CACHE     # prints the weights (training sets only)
    python experiments/answers/answers.py test DATA CACHE    # results.csv (test sets, weights of the library)

DATA: the folder with qa/ and chunking/. CACHE: workspaces, hits and vectors are kept there between runs.
Training of confidence: squad1-pt-sample (machine-translated; every second question whose answer is in its passage).
Test: faquad-pt and xquad-en, whole. Chunk, embed, retrieve and ask are the library's.
"""

from __future__ import annotations

import csv
import pickle
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from sets import TEST, TRAIN, Asked, holds, searched, texts_of
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from local_models.embedding.sentence_embedding import open_embedding
from qrag_lib.answer.quoted.confidence import SIGNS, THRESHOLD, signs
from qrag_lib.answer.quoted.quotes import _leads_to, quote, weigh
from qrag_lib.answer.sentences import sentence_scoring
from qrag_lib.answer.sentences.question_analysis import Question
from qrag_lib.language import terms
from qrag_lib.types import Answer, Hits
from qrag_lib.workspace import Workspace

SEMANTIC = ("cosine", "cosine_before")
UNFITTED = ("defined", "aside")  # hardly any in the training sets: their weights are set by hand


class Encoder:
    """The library's embedder; a text is embedded once and kept."""

    def __init__(self, path: Path) -> None:
        self.path, self.model = path, open_embedding("minilm")
        self.known: dict[str, np.ndarray] = pickle.loads(path.read_bytes()) if path.exists() else {}

    def encode(self, texts: Sequence[str], *, kind: str = "passage") -> np.ndarray:
        """Unit rows."""
        if new := sorted(set(texts) - self.known.keys()):
            self.known.update(zip(new, self.model.encode(new), strict=True))
        return np.stack([self.known[text] for text in texts]).astype(np.float32)

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """As the model has them."""
        return self.model.token_spans(text)

    def save(self) -> None:
        """Keep the vectors for the next run."""
        self.path.write_bytes(pickle.dumps(self.known))


@dataclass(frozen=True)
class Case:
    """Candidates of one question: features, which hold the answer, and what confidence needs."""

    question: Question
    found: list[sentence_scoring.Candidate]
    rows: np.ndarray
    right: np.ndarray


def cases(asked: Sequence[Asked], texts: object, encoder: Encoder | None, *, without: bool = False) -> Iterator[Case]:
    """The candidates as `ask` sees them."""
    from qrag_lib.answer.quoted.quotes import _cosines

    for each in asked:
        hits = each.hits_without if without else each.hits
        question = Question(each.text, hits.language)
        found = sentence_scoring.candidates(hits.hits, texts, hits.language)
        if found and question.stems:
            cosines = None if encoder is None else _cosines(question, found, encoder)
            right = np.array([not without and each.holds(c) for c in found])
            yield Case(question, found, sentence_scoring.features(question, found, cosines), right)


def fit_ranking(groups: Sequence[Case], columns: Sequence[int], ridge: float = 1.0) -> np.ndarray:
    """Weights of a conditional logit: the probability that a right candidate comes first."""
    groups = [g for g in groups if 0 < g.right.sum() < len(g.right)]
    rows, right = np.vstack([g.rows[:, columns] for g in groups]), np.concatenate([g.right for g in groups])
    group = np.repeat(np.arange(len(groups)), [len(g.right) for g in groups])
    starts = np.r_[0, np.cumsum([len(g.right) for g in groups])[:-1]]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        scores = rows @ weights
        exps = np.exp(scores - np.maximum.reduceat(scores, starts)[group])
        total, hit = np.add.reduceat(exps, starts), np.add.reduceat(exps * right, starts)
        gradient = rows.T @ (exps / total[group] - exps * right / hit[group])
        return float(-np.log(hit / total).sum() + ridge * weights @ weights / 2), gradient + ridge * weights

    return np.asarray(minimize(loss, np.zeros(len(columns)), jac=True, method="L-BFGS-B").x)


def fit(data: Path, cache: Path) -> None:
    """Print the weights for the library, from the training sets."""
    encoder = Encoder(cache / "vectors.pickle")
    held: list[Case] = []
    removed: list[Case] = []
    for name in TRAIN:
        asked = searched(data, name, cache)
        with Workspace.open(cache / name) as workspace:
            texts = texts_of(workspace)
            held += cases(asked, texts, encoder)
            removed += cases(asked, texts, encoder, without=True)
    encoder.save()
    names = [n for n in sentence_scoring.FEATURES if n in sentence_scoring.WEIGHTS and n not in UNFITTED]
    columns = [sentence_scoring.FEATURES.index(n) for n in names]
    plain = [sentence_scoring.FEATURES.index(n) for n in names if n not in SEMANTIC]
    with_embedder = dict(zip(names, fit_ranking(held, columns), strict=True))
    without = dict(zip([n for n in names if n not in SEMANTIC], fit_ranking(held, plain), strict=True))
    for n in names:
        print(f'    "{n}": ({with_embedder[n]:.2f}, {without.get(n, 0.0):.2f}),')
    right = np.mean([c.right[np.argmax(sentence_scoring.score(c.rows))] for c in held])
    print(f"# training questions {len(held)}, with the library's present weights first sentence right {right:.3f}")
    fit_confidence(held, removed)


def fit_confidence(held: Sequence[Case], removed: Sequence[Case]) -> None:
    """Print the weights of confidence: right first sentences against everything else, removed gold too."""
    rows, right = [], []
    for case in (*held, *removed):
        scores = sentence_scoring.score(case.rows)
        rows.append(signs(case.question, case.found, case.rows, scores))
        right.append(bool(case.right[np.argmax(scores)]))
    model = LogisticRegression(C=1.0, max_iter=2_000).fit(np.array(rows), right)
    print(f"CONSTANT = {model.intercept_[0]:.2f}")
    for name, weight in zip(SIGNS, model.coef_[0], strict=True):
        print(f'    "{name}": {weight:.2f},')


def overlap_baseline(question: str, hits: Hits, texts: object, df: dict[str, int], n: int) -> tuple[str, str]:
    """The sentence of the top three passages with the largest idf overlap; the same with its better neighbour."""
    asked = set(terms(question, hits.language))
    idf = {t: np.log(1 + (n - df.get(t, 0) + 0.5) / (df.get(t, 0) + 0.5)) for t in asked}
    found = sentence_scoring.candidates(hits.hits[:3], texts, hits.language)
    overlap = {id(c): sum(idf[t] for t in asked & set(terms(c.text, hits.language))) for c in found}
    best = max(found, key=lambda c: overlap[id(c)], default=None)
    if best is None:
        return "", ""
    near = [c for c in found if _leads_to(c, best) or _leads_to(best, c)]
    both = [best, max(near, key=lambda c: overlap[id(c)])] if near else [best]
    text = texts(best.document_id)
    return best.text, text[min(c.start for c in both) : max(c.end for c in both)]


def best_alone(asked: Asked, texts: object, encoder: Encoder) -> str:
    """The best sentence without the neighbour that is quoted with it."""
    found = weigh(Question(asked.text, asked.hits.language), asked.hits, texts, encoder)
    return found.candidates[found.order[0]].text if found.candidates else ""


def test(data: Path, cache: Path) -> None:
    """Write results.csv."""
    encoder = Encoder(cache / "vectors.pickle")
    results: list[dict[str, object]] = []
    for name in TEST:
        asked = searched(data, name, cache)
        with Workspace.open(cache / name) as workspace:
            results += tested(name, asked, workspace, encoder)
    encoder.save()
    with (Path(__file__).parent / "results.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(results[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(results)


def tested(name: str, asked: Sequence[Asked], workspace: Workspace, encoder: Encoder) -> Iterator[dict[str, object]]:
    """Lines of the table for one set."""
    texts = texts_of(workspace)
    df: dict[str, int] = {}
    documents = list(workspace.catalog.documents)
    for document in documents:
        text = texts(document.id)
        for term in {t for language in ("pt", "en") for t in terms(text, language)}:
            df[term] = df.get(term, 0) + 1
    found = [overlap_baseline(a.text, a.hits, texts, df, len(documents)) for a in asked]
    baseline = [[holds(text, a.golds) for text in texts_] for a, texts_ in zip(asked, found, strict=True)]
    yield line(
        name, "idf overlap, top three passages", "first sentence alone right", np.mean([a for a, _b in baseline])
    )
    yield line(name, "idf overlap, with a neighbour", "first quote right", np.mean([b for _a, b in baseline]))
    plain = [first_right(a, quote(a.text, a.hits, texts, None, threshold=0.0)) for a in asked]
    yield line(name, "ask without an embedder", "first quote right", np.mean(plain))
    alone = [holds(best_alone(a, texts, encoder), a.golds) for a in asked]
    yield line(name, "ask", "first sentence alone right", np.mean(alone))
    held = [quote(a.text, a.hits, texts, encoder, threshold=0.0) for a in asked]
    gone = [quote(a.text, a.hits_without, texts, encoder, threshold=0.0) for a in asked]
    right = np.array([first_right(a, x) for a, x in zip(asked, held, strict=True)])
    half = np.array([sum(map(ord, a.id)) % 2 == 1 for a in asked])
    yield line(name, "ask", "first quote right", right.mean())
    yield line(name, "ask", "first quote right, half not looked at", right[half].mean())
    quotes = [x.citations[0].quote for x in held if x.citations]
    yield line(name, "ask", "characters of the first quote", np.mean([len(quote) for quote in quotes]))
    yield from refusals(name, right, np.array([x.confidence for x in held]), np.array([x.confidence for x in gone]))


def first_right(asked: Asked, answer: Answer) -> bool:
    """True where the first quote holds a gold answer."""
    return bool(answer.sentences) and holds(answer.sentences[0].text, asked.golds)


def refusals(name: str, right: np.ndarray, sure: np.ndarray, unsure: np.ndarray) -> Iterator[dict[str, object]]:
    """How confidence tells answers from misses. sure: with the gold in the corpus; unsure: without it."""
    both, gone = np.r_[sure, unsure], np.zeros(len(unsure))
    yield line(name, "ask", "AUROC answerable or not", roc_auc_score(np.r_[np.ones(len(sure)), gone], both))
    yield line(name, "ask", "AUROC right or not", roc_auc_score(np.r_[right, gone], both))
    yield line(name, "ask", "mean confidence, gold there", sure.mean())
    for threshold in sorted({*np.arange(0.1, 0.95, 0.1).round(2), THRESHOLD}):
        answered = sure >= threshold
        among = right[answered].mean() if answered.any() else 1.0
        yield line(name, "ask", "answered", answered.mean(), threshold)
        yield line(name, "ask", "right among answered", among, threshold)
        yield line(name, "ask", "unanswerable refused", (unsure < threshold).mean(), threshold)


def line(name: str, system: str, measure: str, value: float, threshold: float | str = "") -> dict[str, object]:
    """One line of results.csv."""
    return {"set": name, "system": system, "threshold": threshold, "measure": measure, "value": round(float(value), 4)}


if __name__ == "__main__":
    {"fit": fit, "test": test}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
