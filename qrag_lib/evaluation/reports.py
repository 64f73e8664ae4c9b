"""What a question set showed, question by question, and what changed between two such reports."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

from qrag_lib import show
from qrag_lib.errors import EvaluationError
from qrag_lib.evaluation import metrics
from qrag_lib.evaluation.metrics import Difference, Interval, Judgement
from qrag_lib.i18n import _, ngettext

DEPTH = 10  # of MRR and nDCG
SHOWN = 10  # failures, questions that changed
NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one question. scores: by metric; a metric that does not apply to it is absent.

    documents: distinct, best first. refused: None where nothing was asked. failure: the error, if any.
    """

    id: str
    text: str
    scores: Mapping[str, float]
    documents: tuple[str, ...] = ()
    answer: str = ""
    answerable: bool = True
    refused: bool | None = None
    failure: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class EvaluationReport:
    """The scores of a question set, question by question and together.

    fingerprint: of the question set; two reports of one fingerprint can be compared.
    """

    name: str
    fingerprint: str
    rows: tuple[Row, ...]

    @cached_property
    def scores(self) -> dict[str, Interval]:
        """Mean and 95 % interval by metric, over the questions to which it applies."""
        names = dict.fromkeys(name for row in self.rows for name in row.scores)
        return {
            name: metrics.bootstrap_interval([row.scores[name] for row in self.rows if name in row.scores])
            for name in names
        }

    @property
    def refusal(self) -> tuple[float | None, float | None]:
        """Precision and recall of refusing; None where that has no meaning."""
        asked = [row for row in self.rows if row.refused is not None]
        return metrics.refusal_scores([bool(row.refused) for row in asked], [row.answerable for row in asked])

    @property
    def failures(self) -> tuple[Row, ...]:
        """The questions that raised an error; they count as 0."""
        return tuple(row for row in self.rows if row.failure)

    def seconds(self, stage: str, percentile: float) -> float:
        """A percentile of the seconds of `search` or `ask`; nan where it was not run."""
        import numpy as np

        taken = [row.seconds[stage] for row in self.rows if stage in row.seconds]
        return float(np.percentile(taken, percentile)) if taken else NAN

    def save(self, path: str | Path) -> Path:
        """Write the report as JSON; `load_report` reads it back."""
        path = Path(path)
        path.write_text(json.dumps(asdict(self), ensure_ascii=False, indent=1), encoding="utf-8")
        return path

    def __str__(self) -> str:
        failed = [show.wrapped(line, indent="  ", first="- ") for line in _failure_lines(self)]
        return "\n".join([_head(self), show.table_text(_columns(), _score_rows(self)), *failed])

    def _repr_html_(self) -> str:
        failed = [show.panel_html(_("failed, counted as 0"), *lines)] if (lines := _failure_lines(self)) else []
        return _shown(show.panel_html(_head(self)), show.table_html(_columns(), _score_rows(self)), *failed)


def load_report(path: str | Path) -> EvaluationReport:
    """A report that was saved; EvaluationError where the file is not one."""
    try:
        fields = json.loads(Path(path).read_text("utf-8"))
        rows = tuple(Row(**{**row, "documents": tuple(row["documents"])}) for row in fields["rows"])
        return EvaluationReport(fields["name"], fields["fingerprint"], rows)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvaluationError(_("{path} is not a saved report: {error}").format(path=path, error=error)) from error


@dataclass(frozen=True, slots=True)
class Change:
    """One question whose nDCG is not what it was."""

    id: str
    text: str
    before: float
    after: float


@dataclass(frozen=True)
class Comparison:
    """What `after` does better or worse than `before` on the same questions, metric by metric.

    changes: the questions whose nDCG changed, the largest loss first.
    """

    name: str
    differences: Mapping[str, Difference]
    changes: tuple[Change, ...] = ()

    @property
    def judgement(self) -> Judgement:
        """The verdict on nDCG@10, or on the first metric where nothing was ranked."""
        main = self.differences.get(f"ndcg@{DEPTH}") or next(iter(self.differences.values()))
        return main.judgement

    def __str__(self) -> str:
        changed = [] if not self.changes else ["", show.table_text(_change_columns(), _change_rows(self))]
        table = show.table_text(_difference_columns(), _difference_rows(self))
        return "\n".join([f"{show.line(self.name)}: {_judged(self.judgement)}", table, *changed])

    def _repr_html_(self) -> str:
        title = show.panel_html(f"{self.name}: {_judged(self.judgement)}")
        changed = [show.table_html(_change_columns(), _change_rows(self))] if self.changes else []
        return _shown(title, show.table_html(_difference_columns(), _difference_rows(self)), *changed)


def compare(before: EvaluationReport, after: EvaluationReport, alpha: float = 0.05) -> Comparison:
    """A paired test of every metric that both reports have.

    Each metric is tested alone: of twenty that did not move, one will look moved at alpha 0.05.
    Raises EvaluationError where the two are not of the same questions.
    """
    if before.fingerprint != after.fingerprint:
        raise EvaluationError(
            _("{before} and {after} are not the same questions: nothing can be compared").format(
                before=before.name, after=after.name
            ),
            hint=_("run both configurations over one question set"),
        )
    pairs = list(zip(before.rows, after.rows, strict=True))
    names = [name for name in before.scores if any(name in b.scores and name in a.scores for b, a in pairs)]
    if not names:
        raise EvaluationError(_("{name}: the two reports share no metric").format(name=after.name))
    differences = {name: _difference(pairs, name, alpha) for name in names}
    return Comparison(after.name, differences, tuple(sorted(_changes(pairs), key=lambda c: c.after - c.before)))


def _difference(pairs: Sequence[tuple[Row, Row]], name: str, alpha: float) -> Difference:
    """Over the questions to which the metric applies in both."""
    both = [(b.scores[name], a.scores[name]) for b, a in pairs if name in b.scores and name in a.scores]
    return metrics.paired_difference([x for x, _y in both], [y for _x, y in both], alpha=alpha)


def _changes(pairs: Sequence[tuple[Row, Row]]) -> Iterator[Change]:
    name = f"ndcg@{DEPTH}"
    for b, a in pairs:
        if b.scores.get(name, 0.0) != a.scores.get(name, 0.0):
            yield Change(a.id, a.text, b.scores.get(name, 0.0), a.scores.get(name, 0.0))


def _head(report: EvaluationReport) -> str:
    counted = ngettext(
        "{name}: {n} question, {failed} failed", "{name}: {n} questions, {failed} failed", len(report.rows)
    ).format(name=show.line(report.name), n=len(report.rows), failed=len(report.failures))
    times = [
        f"{stage} p50 {show.duration(report.seconds(stage, 50))}, p95 {show.duration(report.seconds(stage, 95))}"
        for stage in ("search", "ask")
        if any(stage in row.seconds for row in report.rows)
    ]
    return "; ".join([counted, *times])


def _columns() -> tuple[str, ...]:
    return _("metric"), _("mean"), _("95 % interval"), _("questions")


def _score_rows(report: EvaluationReport) -> list[tuple[object, ...]]:
    asked = [row for row in report.rows if row.refused is not None]
    counts = (sum(bool(row.refused) for row in asked), sum(not row.answerable for row in asked))
    shares = zip((_("refusal precision"), _("refusal recall")), report.refusal, counts, strict=True)
    scores = [(name, s.mean, _between(s.low, s.high, ".3f"), s.n) for name, s in report.scores.items()]
    return [*scores, *((name, share, "", n) for name, share, n in shares if share is not None)]


def _failure_lines(report: EvaluationReport) -> list[str]:
    lines = [f"{row.id}: {row.failure}" for row in report.failures]
    more = len(lines) - SHOWN
    return lines[:SHOWN] + ([_("and {n} more").format(n=more)] if more > 0 else [])


def _difference_columns() -> tuple[str, ...]:
    return _("metric"), _("verdict"), _("difference"), _("95 % interval"), "p", _("questions")


def _difference_rows(comparison: Comparison) -> list[tuple[object, ...]]:
    return [
        (name, _judged(d.judgement), f"{d.difference:+.3f}", _between(d.low, d.high, "+.3f"), d.p_value, d.n)
        for name, d in comparison.differences.items()
    ]


def _change_columns() -> tuple[str, ...]:
    return _("before"), _("after"), _("question")


def _change_rows(comparison: Comparison) -> list[tuple[object, ...]]:
    """The largest losses."""
    return [(c.before, c.after, show.excerpt(c.text, 160)) for c in comparison.changes[:SHOWN]]


def _judged(judgement: Judgement) -> str:
    return {"better": _("better"), "worse": _("worse"), "not distinguishable": _("not distinguishable")}[judgement]


def _shown(*parts: show.Html) -> str:
    return show.Html("".join(part.html for part in parts))._repr_html_()


def _between(low: float, high: float, form: str) -> str:
    return f"{low:{form}} – {high:{form}}"
