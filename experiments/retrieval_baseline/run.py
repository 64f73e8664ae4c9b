"""Search and answers with both embedders, beside LlamaIndex's pipeline: `python -m benchmarks retrieval`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.llamaindex import DefaultPipeline
from benchmarks.report import Result, table
from experiments.retrieval_baseline.sets import Material, load_material
from experiments.retrieval_baseline.weights import WEIGHTS, Gathered
from qrag_lib.evaluation.evaluate import EvaluationReport, compare, evaluate
from qrag_lib.evaluation.question_sets import QuestionSet
from qrag_lib.progress import quiet
from qrag_lib.settings import Settings
from qrag_lib.workspace import Workspace

FOLDER = Path(__file__).parent
# What the search with MiniLM gave each set before there was E5, or what is asked of the set, nDCG@10.
TARGETS = {
    "faquad-pt": 0.923,
    "squad1-pt-sample": 0.829,
    "squad2-pt": 0.90,
    "pt asks en": 0.88,
    "en asks pt": 0.88,
    "xquad-en": 0.983,
    "attack-procedures-en": 0.729,
    "cranfield-en": 0.442,
}
MINILM, E5 = "minilm", "e5-pt-en"
EMBEDDERS = (MINILM, E5)
ENGLISH = ("xquad-en", "attack-procedures-en", "cranfield-en")  # asked in English: what MiniLM is kept for
ANSWERED = ("faquad-pt", "xquad-en")  # the sets with exact answers
DEPTH = 50  # chunks a search gives: ten documents are left after collapsing
BEHIND = 0.01  # nDCG@10 that a fitted weight may stay behind the best fixed one
QUICK_QUESTIONS = 60
MOST_QUESTIONS = 800  # of a set that has twice as many, every second one is asked
MOST_ANSWERS = 200  # an answer takes some 0.3 s; all of them are in experiments/answers
LEXICAL, DENSE, RRF, HYBRID, THEIRS = "lexical", "dense", "rrf", "hybrid", "LlamaIndex default"
NDCG = "ndcg@10"

INTRODUCTION = """# Search and answers on public sets, with both embedders

Question: does a weight fitted to each corpus from the corpus's own text reach the best fixed weight of
every set, whichever embedder reads it? Which embedder is better where? And what does LlamaIndex's
default pipeline (its splitter, HuggingFaceEmbedding on MiniLM, its vector index) give in the same run?

Command: `python -m benchmarks retrieval`. Passages go in as records with their titles, as text below
its title on LlamaIndex's side; fifty chunks are asked for and collapsed to passages. The questions
are evenly drawn, as many as the table says. Brackets: 95 % bootstrap interval over the questions.
"pt asks en": the passages of xquad-en, asked with the Portuguese twins of its questions in squad2-pt;
"en asks pt" is the reverse. The constants of the search (BM25's k1 and b, the phrase bonus, the scale and
the weights that an embedder starts from) were chosen while looking at these sets; the weight fitted to a
corpus uses no question of them."""


@dataclass(frozen=True)
class Found:
    """What came of one set with one embedder.

    reports: by configuration. weight: of the dense side, for the set's first question. curve: (w,) nDCG@10
    at each fixed weight. answers, refusals: of the whole and of the halved corpus.
    """

    name: str
    embedder: str
    reports: dict[str, EvaluationReport]
    weight: float
    curve: NDArray[np.float64]
    answers: EvaluationReport | None = None
    refusals: EvaluationReport | None = None

    @property
    def ours(self) -> float:
        """nDCG@10 of the hybrid search."""
        return self.reports[HYBRID].scores[NDCG].mean

    @property
    def chosen(self) -> bool:
        """Whether this is the embedder that `auto` takes for the set."""
        return (self.embedder == MINILM) == (self.name in ENGLISH)


def run(*, quick: bool = False, most: int = MOST_QUESTIONS) -> list[Result]:
    """nDCG@10 of every set, embedder and configuration; writes REPORT.md and results.csv beside this file unless quick.

    most: about how many questions of a set, evenly drawn.
    """
    pipeline, found = DefaultPipeline(), []
    for name in TARGETS:
        material = load_material(name)
        questions = _drawn(material.questions, QUICK_QUESTIONS if quick else most)
        theirs = _searched_by_llamaindex(questions, material.records, pipeline)
        for embedder in EMBEDDERS:
            found.append(_run_set(material, questions, embedder))
            found[-1].reports[THEIRS] = theirs
        if not quick:
            (FOLDER / "REPORT.md").write_text(_report(found), encoding="utf-8")
            (FOLDER / "results.csv").write_text(_csv(found), encoding="utf-8")
    return [result for each in found for result in _results(each)]


def _run_set(material: Material, questions: QuestionSet, embedder: str) -> Found:
    answers = refusals = None
    with TemporaryDirectory(prefix="qrag-bench-") as scratch, _opened(Path(scratch) / "whole", embedder) as workspace:
        workspace.ingest(material.records, on_progress=quiet)
        gathered = Gathered(workspace, questions)
        reports = {mode: evaluate(questions, partial(gathered.search, mode=mode)) for mode in (DENSE, LEXICAL, RRF)}
        reports[HYBRID] = evaluate(questions, lambda text: workspace.search(text, DEPTH))
        weight, curve = workspace.search(questions[0].text).dense_weight, gathered.sweep(questions)
        if material.name in ANSWERED:
            few = _drawn(questions, MOST_ANSWERS)
            answers = evaluate(few, lambda text: workspace.search(text, DEPTH), workspace.ask)
            refusals = _with_half_removed(few, material.records, Path(scratch) / "half", embedder)
    return Found(material.name, embedder, reports, weight, curve, answers, refusals)


def _opened(folder: Path, embedder: str) -> Workspace:
    return Workspace.open(folder, settings=Settings(workspace=folder, embedding_model=embedder))


def _drawn(questions: QuestionSet, most: int) -> QuestionSet:
    return replace(questions, questions=questions.questions[:: max(1, len(questions) // most)])


def _searched_by_llamaindex(
    questions: QuestionSet, records: Sequence[dict[str, Any]], pipeline: DefaultPipeline
) -> EvaluationReport:
    from llama_index.core import Document

    texts = ("\n\n".join(part for part in (record.get("title"), record["text"]) if part) for record in records)
    pipeline.build([Document(text=text, id_=record["id"]) for text, record in zip(texts, records, strict=True)])
    return evaluate(questions, lambda text: pipeline.search(text, DEPTH))


def _with_half_removed(
    questions: QuestionSet, records: Sequence[dict[str, Any]], path: Path, embedder: str
) -> EvaluationReport:
    """Every second passage is left out of the corpus: what stood there only should be refused."""
    kept = {record["id"] for record in records[::2]}
    halved = tuple(replace(q, answerable=not kept.isdisjoint(q.relevant)) for q in questions)
    halved = tuple(q if q.answerable else replace(q, relevant={}) for q in halved)
    with _opened(path, embedder) as workspace:
        workspace.ingest([record for record in records if record["id"] in kept], on_progress=quiet)
        return evaluate(replace(questions, questions=halved), lambda text: workspace.search(text, DEPTH), workspace.ask)


def _results(found: Found) -> list[Result]:
    """The hybrid search with the embedder that `auto` takes is a target; the others are figures beside it."""
    case = f"{found.name}, {found.embedder}"
    rows = [Result("retrieval", case, NDCG, found.ours, "", f"≥ {TARGETS[found.name]}" if found.chosen else "")]
    rows += [Result("retrieval", case, name, r.scores[NDCG].mean) for name, r in found.reports.items()]
    rows.append(
        Result("retrieval", case, "behind the best fixed weight", found.curve.max() - found.ours, "", f"≤ {BEHIND}")
    )
    if found.answers:
        held = found.answers.scores["gold_in_first_quote"].mean
        rows.append(Result("retrieval", case, "first quote holds the answer", held, "", "≥ 0.85"))
    return rows


def _report(found: Sequence[Found]) -> str:
    more = ["set", "embedder", "recall@1", "recall@5", "recall@10", "MRR@10", "search p50", "p95"]
    parts = [
        INTRODUCTION,
        "## nDCG@10",
        table(_ranking_heads(), map(_ranking_cells, found)),
        "Bold: the embedder that `auto` takes for the set. Verdict of a paired test (sign flips and paired bootstrap)"
        " of the hybrid search against each other:",
        table(["set", "embedder", *_others()], map(_verdict_cells, found)),
        "E5 against MiniLM, both hybrid: " + "; ".join(_against_each_other(found)) + ".",
        "## The weight of the dense side, fitted and fixed",
        table(_weight_heads(), map(_weight_cells, found)),
        "## Other measures of the hybrid search",
        table(more, map(_more_cells, found)),
        "## Answers",
        "Extractive, no language model, questions evenly drawn; all of them are counted in"
        " `experiments/answers`. Refusals: with every second passage taken out of the corpus.",
        table(_answer_heads(), [_answer_cells(each) for each in found if each.answers]),
    ]
    return "\n\n".join(parts) + "\n"


def _others() -> list[str]:
    return [DENSE, LEXICAL, RRF, THEIRS]


def _ranking_heads() -> list[str]:
    return ["set", "embedder", "questions", "hybrid", "target", *_others()]


def _ranking_cells(found: Found) -> list[str]:
    hybrid = str(found.reports[HYBRID].scores[NDCG])
    others = [f"{found.reports[name].scores[NDCG].mean:.3f}" for name in _others()]
    shown = f"**{hybrid}**" if found.chosen else hybrid
    n = str(len(found.reports[HYBRID].rows))
    return [found.name, found.embedder, n, shown, f"{TARGETS[found.name]:.3f}", *others]


def _verdict_cells(found: Found) -> list[str]:
    verdicts = (compare(found.reports[n], found.reports[HYBRID]).differences[NDCG] for n in _others())
    return [found.name, found.embedder, *map(str, verdicts)]


def _against_each_other(found: Sequence[Found]) -> list[str]:
    pairs = {each.name: each for each in found if each.embedder == MINILM}
    both = ((pairs[each.name], each) for each in found if each.embedder == E5)
    return [f"{b.name} {compare(a.reports[HYBRID], b.reports[HYBRID]).differences[NDCG]}" for a, b in both]


def _weight_heads() -> list[str]:
    return ["set", "embedder", "fitted", "nDCG@10", "best fixed", "nDCG@10", "behind", "within .01 of the best"]


def _weight_cells(found: Found) -> list[str]:
    best = found.curve.max()
    near = WEIGHTS[found.curve >= best - BEHIND]
    fixed = [f"{WEIGHTS[found.curve.argmax()]:.2f}", f"{best:.3f}", f"{best - found.ours:+.3f}"]
    fitted = [f"{found.weight:.2f}", f"{found.ours:.3f}"]
    return [found.name, found.embedder, *fitted, *fixed, f"{near.min():.2f} to {near.max():.2f}"]


def _more_cells(found: Found) -> list[str]:
    report = found.reports[HYBRID]
    means = [f"{report.scores[name].mean:.3f}" for name in ("recall@1", "recall@5", "recall@10", "mrr@10")]
    return [found.name, found.embedder, *means, *(f"{1000 * report.seconds('search', p):.0f} ms" for p in (50, 95))]


def _answer_heads() -> list[str]:
    quoted = ["answered", "first quote holds the answer", "of the answered", "answer holds it", "token F1"]
    quoted.append("quote support")
    return [
        "set",
        "embedder",
        "questions",
        *quoted,
        "refusal precision",
        "refusal recall",
        "answered, of what half the corpus holds",
    ]


def _answer_cells(found: Found) -> list[str]:
    assert found.answers and found.refusals
    names = ("answered", "gold_in_first_quote", "gold_in_answer", "token_f1", "quote_support")
    scores = [f"{found.answers.scores[name].mean:.3f}" for name in names]
    said = [row.scores["gold_in_first_quote"] for row in found.answers.rows if row.scores.get("answered")]
    scores.insert(2, f"{sum(said) / max(1, len(said)):.3f}")
    shares = ["–" if share is None else f"{share:.3f}" for share in found.refusals.refusal]
    kept, n = f"{found.refusals.scores['answered'].mean:.3f}", str(len(found.answers.rows))
    return [found.name, found.embedder, n, *scores, *shares, kept]


def _csv(found: Sequence[Found]) -> str:
    lines = ["set,embedder,configuration,metric,mean,low,high,questions"]
    for each in found:
        parts = {**each.reports, "answers": each.answers, "half the corpus": each.refusals}
        for name, report in parts.items():
            for metric, score in (report.scores if report else {}).items():
                interval = f"{score.mean:.4f},{score.low:.4f},{score.high:.4f},{score.n}"
                lines.append(f"{each.name},{each.embedder},{name},{metric},{interval}")
    return "\n".join(lines) + "\n"
