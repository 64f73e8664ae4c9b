"""Tables of counted questions, as Markdown. No text of the material is in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import median, quantiles
from textwrap import fill

from benchmarks.natural_counts import MEASURES, Row, auroc, changed, groups
from benchmarks.report import table
from qrag_lib.evaluation.metrics import Interval

COUNTED = ("right", "within what is shown", "sure and wrong", "refused wrongly", "refused rightly")
SEARCHED = ("search: first passage", "search: first three", "search: first five", "search: first ten")
WHATEVER = ("first quote, refusals too", "within, refusals too")
COMPARED: dict[str, Callable[[Row], bool]] = {"right": lambda row: row.right, "within": lambda row: row.shown}
# What the five must reach at least, and what they aim at.
TARGETS = {
    "right": ("≥", 0.35, 0.75),
    "within what is shown": ("≥", 0.75, 0.92),
    "sure and wrong": ("≤", 0.10, 0.05),
    "refused rightly": ("≥", 0.75, 0.90),
}


def tables(rows: Sequence[Row]) -> str:
    """Targets, answers, search, confidence and time."""
    parts = {
        "Targets": targets(rows),
        "Answers": by_group(rows, COUNTED),
        "Search, and what is nearest": by_group(rows, (*SEARCHED, *WHATEVER)),
        "Confidence and time": confidence(rows),
    }
    return "\n\n".join(f"## {title}\n\n{text}" for title, text in parts.items())


def verdict(rows: Sequence[Row]) -> str:
    """The figures that matter, in two sentences."""
    right, within, wrong, refused, rightly, five = (
        "none" if (found := MEASURES[name].of(rows)) is None else f"{_count(found)} of {found.n}"
        for name in (*COUNTED, "search: first five")
    )
    text = (
        f"Verdict: of the questions that a document answers, {right} get the right sentence and {within} are shown it "
        f"in a passage at least; the search has it in its first five passages for {five}; {refused} are refused. "
        f"Given as sure and wrong are {wrong}, and of those that nothing answers {rightly} are not given as sure."
    )
    return fill(text, 120)


def _count(share: Interval) -> int:
    return round(share.mean * share.n)


def targets(rows: Sequence[Row]) -> str:
    """What must be reached, what is aimed at, and what is reached."""
    return table(["", "is", "must be", "met", "aim"], [_target(rows, name) for name in TARGETS])


def _target(rows: Sequence[Row], name: str) -> list[str]:
    sign, must, aim = TARGETS[name]
    found = MEASURES[name].of(rows)
    if found is None:
        return [name, "", f"{sign} {must:.2f}", "", f"{sign} {aim:.2f}"]
    met = found.mean >= must if sign == "≥" else found.mean <= must
    return [name, f"**{cell(found)}**", f"{sign} {must:.2f}", "yes" if met else "no", f"{sign} {aim:.2f}"]


def by_group(rows: Sequence[Row], names: Sequence[str]) -> str:
    """One line a group of questions, one column a measure: how many of how many, and the interval of the share."""
    lines = (
        [f"{group} ({len(some)})", *(cell(MEASURES[name].of(some)) for name in names)]
        for group, some in groups(rows).items()
        if some
    )
    return table(["questions", *names], lines)


def cell(share: Interval | None) -> str:
    """Counted of all, with the interval.

    >>> cell(Interval(0.25, 0.11, 0.47, 20))
    '5/20 (.11 to .47)'
    """
    if share is None:
        return ""
    return f"{_count(share)}/{share.n} ({_short(share.low)} to {_short(share.high)})"


def _short(share: float) -> str:
    return f"{share:.2f}".removeprefix("0")


def confidence(rows: Sequence[Row]) -> str:
    """How well confidence tells answerable from unanswerable and right from wrong; and what a question takes."""
    scores = [row.confidence for row in rows]
    areas = {
        "AUROC of confidence, answerable or not": auroc(scores, [row.answerable for row in rows]),
        "AUROC of confidence, first quote right or not": auroc(scores, [row.first for row in rows]),
    }
    lines = [[name, "" if area is None else f"{area:.3f}"] for name, area in areas.items()]
    return table(["", ""], [*lines, *_given(rows), *_seconds(rows)])


def _given(rows: Sequence[Row]) -> Iterable[list[str]]:
    """How many have each outcome, and of how many of these the first quote answers."""
    for outcome in ("sure", "unsure", "nothing"):
        some = [row for row in rows if row.outcome == outcome]
        yield [f"{outcome}; of these first quote right", f"{len(some)}; {sum(row.first for row in some)}"]


def _seconds(rows: Sequence[Row]) -> Iterable[list[str]]:
    seconds = [row.seconds for row in rows]
    yield ["seconds a question, p50", f"{median(seconds):.2f}"]
    if len(seconds) > 1:
        yield ["seconds a question, p95", f"{quantiles(seconds, n=20)[-1]:.2f}"]


def comparison(before: Sequence[Row], after: Sequence[Row]) -> str:
    """The questions won and lost between two runs, by their ids."""
    found = {name: changed(before, after, counts) for name, counts in COMPARED.items()}
    lines = (
        [name, f"{len(each.won)}: {' '.join(each.won)}", f"{len(each.lost)}: {' '.join(each.lost)}", f"{each.p:.3f}"]
        for name, each in found.items()
    )
    return "## Since the run before\n\n" + table(["", "won", "lost", "p (sign test)"], lines)
