"""Search and answers on five public sets, beside LlamaIndex's default pipeline: `python -m benchmarks retrieval`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.llamaindex import DefaultPipeline
from benchmarks.material import find
from benchmarks.report import Result, table
from qrag_lib.progress import quiet
from qrag_lib.rag.evaluate import EvaluationReport, compare, evaluate
from qrag_lib.rag.question_sets import QuestionSet, load_question_set
from qrag_lib.workspace import Workspace

FOLDER = Path(__file__).parent
# Best fixed configuration known before this work for each set (a different one on each), nDCG@10.
KNOWN_BEST = {
    "faquad-pt": 0.913,
    "squad1-pt-sample": 0.813,
    "xquad-en": 0.979,
    "attack-procedures-en": 0.728,
    "cranfield-en": 0.426,
}
ANSWERED = ("faquad-pt", "xquad-en")  # the sets with exact answers
DEPTH = 50  # chunks a search gives: ten documents are left after collapsing
QUICK_QUESTIONS = 60
MOST_QUESTIONS = 1_200  # of a set that has twice as many, every second one is asked
MOST_ANSWERS = 200  # an answer takes some 0.3 s; all of them are in experiments/answers
LEXICAL, DENSE, RRF, HYBRID, THEIRS = "lexical", "dense", "rrf", "hybrid", "LlamaIndex default"
MODES = (DENSE, LEXICAL, RRF, HYBRID)
NDCG = "ndcg@10"

INTRODUCTION = """# Search and answers on five public sets

Question: does one configuration, its weight fitted to each corpus from the corpus's own text, reach
the best known fixed configuration of every set? And what does LlamaIndex's default pipeline (its
splitter, HuggingFaceEmbedding on the same model, its vector index) give in the same run?

Command: `python -m benchmarks retrieval`. Passages go in as records with their titles, as text below
its title on LlamaIndex's side; fifty chunks are asked for and collapsed to passages. At most about
1,600 questions of a set are asked, evenly drawn. Brackets: 95 % bootstrap interval over the questions.
The constants of the search (BM25's k1 and b, the phrase bonus, the weight that a language starts from)
were chosen while looking at these five sets; the weight fitted to a corpus uses no question of them."""


@dataclass(frozen=True)
class Found:
    """What came of one set. reports: by configuration; answers, refusals: of the whole and of the halved corpus."""

    name: str
    reports: dict[str, EvaluationReport]
    weight: float
    answers: EvaluationReport | None = None
    refusals: EvaluationReport | None = None


def run(*, quick: bool = False, most: int = MOST_QUESTIONS) -> list[Result]:
    """nDCG@10 of every set and configuration; writes REPORT.md and results.csv beside this file unless quick.

    most: about how many questions of a set, evenly drawn.
    """
    pipeline, found = DefaultPipeline(), []
    for name in KNOWN_BEST:
        found.append(_run_set(find(f"qa/{name}"), pipeline, QUICK_QUESTIONS if quick else most))
        if not quick:
            (FOLDER / "REPORT.md").write_text(_report(found), encoding="utf-8")
            (FOLDER / "results.csv").write_text(_csv(found), encoding="utf-8")
    return [result for each in found for result in _results(each)]


def _run_set(folder: Path, pipeline: DefaultPipeline, most: int) -> Found:
    questions = _drawn(load_question_set(folder), most)
    records = [json.loads(line) for line in (folder / "corpus.jsonl").read_text("utf-8").splitlines()]
    answers = refusals = None
    with TemporaryDirectory(prefix="qrag-bench-") as scratch, Workspace.open(Path(scratch) / "whole") as workspace:
        workspace.ingest(records, on_progress=quiet)
        reports = {mode: _searched(questions, workspace, mode) for mode in MODES}
        weight = workspace.search(questions[0].text).dense_weight
        if folder.name in ANSWERED:
            few = _drawn(questions, MOST_ANSWERS)
            answers = evaluate(few, lambda text: workspace.search(text, DEPTH), workspace.ask)
            refusals = _with_half_removed(few, records, Path(scratch) / "half")
    reports[THEIRS] = _searched_by_llamaindex(questions, records, pipeline)
    return Found(folder.name, reports, weight, answers, refusals)


def _drawn(questions: QuestionSet, most: int) -> QuestionSet:
    return replace(questions, questions=questions.questions[:: max(1, len(questions) // most)])


def _searched(questions: QuestionSet, workspace: Workspace, mode: str) -> EvaluationReport:
    return evaluate(questions, lambda text: workspace.search(text, DEPTH, mode=mode))


def _searched_by_llamaindex(
    questions: QuestionSet, records: Sequence[dict[str, str]], pipeline: DefaultPipeline
) -> EvaluationReport:
    from llama_index.core import Document

    texts = ("\n\n".join(part for part in (record.get("title"), record["text"]) if part) for record in records)
    pipeline.build([Document(text=text, id_=record["id"]) for text, record in zip(texts, records, strict=True)])
    return evaluate(questions, lambda text: pipeline.search(text, DEPTH))


def _with_half_removed(questions: QuestionSet, records: Sequence[dict[str, str]], path: Path) -> EvaluationReport:
    """Every second passage is left out of the corpus: what stood there only should be refused."""
    kept = {record["id"] for record in records[::2]}
    halved = tuple(replace(q, answerable=not kept.isdisjoint(q.relevant)) for q in questions)
    halved = tuple(q if q.answerable else replace(q, relevant={}) for q in halved)
    with Workspace.open(path) as workspace:
        workspace.ingest([record for record in records if record["id"] in kept], on_progress=quiet)
        return evaluate(replace(questions, questions=halved), lambda text: workspace.search(text, DEPTH), workspace.ask)


def _results(found: Found) -> list[Result]:
    """The hybrid search against what was known before is a target; the others are figures beside it."""
    known = KNOWN_BEST[found.name]
    ours = found.reports[HYBRID].scores[NDCG].mean
    rows = [Result("retrieval", found.name, NDCG, ours, "", f"≥ {known}")]
    rows += [Result("retrieval", found.name, name, r.scores[NDCG].mean) for name, r in found.reports.items()]
    if found.answers:
        held = found.answers.scores["gold_in_first_quote"].mean
        rows.append(Result("retrieval", found.name, "first quote holds the answer", held, "", "≥ 0.85"))
    return rows


def _report(found: Sequence[Found]) -> str:
    more = ["set", "recall@1", "recall@5", "recall@10", "MRR@10", "search p50", "p95"]
    parts = [
        INTRODUCTION,
        "## nDCG@10",
        table(_ranking_heads(), map(_ranking_cells, found)),
        "Verdict of a paired test (sign flips and paired bootstrap) of the hybrid search against each other:",
        table(["set", *_others()], map(_verdict_cells, found)),
        "## Other measures of the hybrid search",
        table(more, map(_more_cells, found)),
        "## Answers",
        "Extractive, no language model, some 200 questions evenly drawn; all of them are counted in"
        " `experiments/answers`. Refusals: with every second passage taken out of the corpus.",
        table(_answer_heads(), [_answer_cells(each) for each in found if each.answers]),
    ]
    return "\n\n".join(parts) + "\n"


def _others() -> list[str]:
    return [DENSE, LEXICAL, RRF, THEIRS]


def _ranking_heads() -> list[str]:
    return ["set", "questions", "**hybrid**", "best known", *_others(), "weight of dense"]


def _ranking_cells(found: Found) -> list[str]:
    hybrid = found.reports[HYBRID]
    others = [f"{found.reports[name].scores[NDCG].mean:.3f}" for name in _others()]
    best = f"{KNOWN_BEST[found.name]:.3f}"
    return [found.name, str(len(hybrid.rows)), f"**{hybrid.scores[NDCG]}**", best, *others, f"{found.weight:.2f}"]


def _verdict_cells(found: Found) -> list[str]:
    return [found.name, *(str(compare(found.reports[n], found.reports[HYBRID]).differences[NDCG]) for n in _others())]


def _more_cells(found: Found) -> list[str]:
    report = found.reports[HYBRID]
    means = [f"{report.scores[name].mean:.3f}" for name in ("recall@1", "recall@5", "recall@10", "mrr@10")]
    return [found.name, *means, *(f"{1000 * report.seconds('search', p):.0f} ms" for p in (50, 95))]


def _answer_heads() -> list[str]:
    quoted = ["answered", "first quote holds the answer", "of the answered", "answer holds it", "token F1"]
    quoted.append("quote support")
    return ["set", *quoted, "refusal precision", "refusal recall", "answered, of what half the corpus holds"]


def _answer_cells(found: Found) -> list[str]:
    assert found.answers and found.refusals
    names = ("answered", "gold_in_first_quote", "gold_in_answer", "token_f1", "quote_support")
    scores = [f"{found.answers.scores[name].mean:.3f}" for name in names]
    said = [row.scores["gold_in_first_quote"] for row in found.answers.rows if row.scores.get("answered")]
    scores.insert(2, f"{sum(said) / max(1, len(said)):.3f}")
    shares = ["–" if share is None else f"{share:.3f}" for share in found.refusals.refusal]
    return [found.name, *scores, *shares, f"{found.refusals.scores['answered'].mean:.3f}"]


def _csv(found: Sequence[Found]) -> str:
    lines = ["set,configuration,metric,mean,low,high,questions"]
    for each in found:
        parts = {**each.reports, "answers": each.answers, "half the corpus": each.refusals}
        for name, report in parts.items():
            for metric, score in (report.scores if report else {}).items():
                lines.append(f"{each.name},{name},{metric},{score.mean:.4f},{score.low:.4f},{score.high:.4f},{score.n}")
    return "\n".join(lines) + "\n"
