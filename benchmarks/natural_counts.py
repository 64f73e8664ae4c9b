"""Whether what was shown answers a question, and how often: pure functions, no model and no file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import comb, sqrt

from benchmarks.natural_sets import Gold, Question
from qrag_lib.evaluation.metrics import Interval
from qrag_lib.types import Outcome

MARKS = re.compile(r"[*_`]")
Z = 1.96  # of the normal distribution: 95 % lie within


@dataclass(frozen=True, slots=True)
class Piece:
    """A text that somebody sees, and the document it comes from."""

    document: str
    text: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What became of a question.

    first: the quote given as answer, or marked as likeliest, in the forms it has. every: all quotes and
    opened passages. found: the passages of the search, best first; each once for every document that has it.
    """

    outcome: Outcome
    confidence: float
    first: tuple[Piece, ...] = ()
    every: tuple[Piece, ...] = ()
    found: tuple[tuple[Piece, ...], ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Row:
    """One question counted, whatever was given: first by the first quote, within by any quote or opened passage.

    rank: of the first passage of the search that holds the answer, from 1; 0 where none does.
    """

    id: str
    language: str
    kind: str
    own: bool
    answerable: bool
    outcome: Outcome
    first: bool
    within: bool
    confidence: float
    rank: int
    seconds: float

    @property
    def right(self) -> bool:
        """Given as answer or marked as likeliest, and right."""
        return self.first and self.outcome != "nothing"

    @property
    def shown(self) -> bool:
        """Right, or at least in a quote or an opened passage of what is given."""
        return self.within and self.outcome != "nothing"

    @property
    def sure_and_wrong(self) -> bool:
        """Given as sure, and it does not answer."""
        return self.outcome == "sure" and not self.first


def fold(text: str) -> str:
    """The text without Markdown marks, letter case and superfluous space; accents stay.

    >>> fold("**Art. 5º**  São\\n_gratuitos_")
    'art. 5º são gratuitos'
    """
    return " ".join(MARKS.sub("", text).lower().split())


def holds(text: str, wanted: str) -> bool:
    """Whether the text holds the wanted string as whole words.

    >>> holds("custa 15 reais", "5 reais"), holds("custa *5* reais", "5 reais")
    (False, True)
    """
    return re.search(rf"(?<!\w){re.escape(fold(wanted))}(?!\w)", fold(text)) is not None


def meets(piece: Piece, gold: Gold) -> bool:
    """Whether the piece comes from the document and holds an answer and all that must stand beside it."""
    return (
        piece.document == gold.document
        and any(holds(piece.text, answer) for answer in gold.answers)
        and all(holds(piece.text, beside) for beside in gold.beside)
    )


def answers(pieces: Iterable[Piece], question: Question) -> bool:
    """Whether any of the pieces answers the question."""
    return any(meets(piece, gold) for piece in pieces for gold in question.golds)


def judge(question: Question, shown: Shown) -> Row:
    """The question counted."""
    ranks = (rank for rank, passage in enumerate(shown.found, 1) if answers(passage, question))
    return Row(
        id=question.id,
        language=question.language,
        kind=question.kind,
        own=question.own,
        answerable=question.answerable,
        outcome=shown.outcome,
        first=answers(shown.first, question),
        within=answers((*shown.first, *shown.every), question),
        confidence=shown.confidence,
        rank=next(ranks, 0),
        seconds=shown.seconds,
    )


@dataclass(frozen=True, slots=True)
class Measure:
    """A share that is counted: of the rows that `among` takes, those that `counts`."""

    among: Callable[[Row], bool]
    counts: Callable[[Row], bool]

    def of(self, rows: Iterable[Row]) -> Interval | None:
        """The share with its interval; None where there is nothing to count among."""
        counted = [self.counts(row) for row in rows if self.among(row)]
        return wilson(sum(counted), len(counted)) if counted else None


def _found_within(n: int) -> Callable[[Row], bool]:
    return lambda row: 1 <= row.rank <= n


def _answerable(row: Row) -> bool:
    return row.answerable


MEASURES: Mapping[str, Measure] = {
    "right": Measure(_answerable, lambda row: row.right),
    "within what is shown": Measure(_answerable, lambda row: row.shown),
    "sure and wrong": Measure(lambda row: True, lambda row: row.sure_and_wrong),
    "refused wrongly": Measure(_answerable, lambda row: row.outcome == "nothing"),
    "refused rightly": Measure(lambda row: not row.answerable, lambda row: row.outcome != "sure"),
    "first quote, refusals too": Measure(_answerable, lambda row: row.first),
    "within, refusals too": Measure(_answerable, lambda row: row.within),
    "search: first passage": Measure(_answerable, _found_within(1)),
    "search: first three": Measure(_answerable, _found_within(3)),
    "search: first five": Measure(_answerable, _found_within(5)),
    "search: first ten": Measure(_answerable, _found_within(10)),
}


def groups(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows by language (those across languages apart), by whose documents, and by kind."""
    alone = [row for row in rows if row.kind != "cross"]
    found = {
        "all": list(rows),
        "Portuguese": [row for row in alone if row.language == "pt"],
        "English": [row for row in alone if row.language == "en"],
        "across languages": [row for row in rows if row.kind == "cross"],
        "own samples": [row for row in rows if row.own],
        "other documents": [row for row in rows if not row.own],
    }
    kinds = sorted({row.kind for row in alone})
    return found | {kind: [row for row in alone if row.kind == kind] for kind in kinds}


def wilson(counted: int, n: int) -> Interval:
    """The share of n with Wilson's 95 % interval (JASA 1927).

    >>> print(wilson(9, 100))
    0.090 [0.048, 0.162]
    """
    share, spread = counted / n, Z * Z / n
    centre = (share + spread / 2) / (1 + spread)
    half = Z * sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half), n)


def auroc(scores: Sequence[float], positive: Sequence[bool]) -> float | None:
    """Probability that a positive scores above a negative, ties half; None where one of them is missing.

    >>> auroc([0.9, 0.5, 0.5], [True, True, False])
    0.75
    """
    good = [score for score, yes in zip(scores, positive, strict=True) if yes]
    bad = [score for score, yes in zip(scores, positive, strict=True) if not yes]
    if not good or not bad:
        return None
    return sum((g > b) + 0.5 * (g == b) for g in good for b in bad) / (len(good) * len(bad))


@dataclass(frozen=True, slots=True)
class Change:
    """Questions that one run has and the other has not; p: of a two-sided sign test that both are as good."""

    won: tuple[str, ...]
    lost: tuple[str, ...]

    @property
    def p(self) -> float:
        """How often chance alone makes the two as unequal."""
        n, fewer = len(self.won) + len(self.lost), min(len(self.won), len(self.lost))
        return min(1.0, sum(comb(n, k) for k in range(fewer + 1)) / 2.0 ** (n - 1))


def changed(before: Iterable[Row], after: Iterable[Row], counts: Callable[[Row], bool]) -> Change:
    """The questions of both runs that one alone counts, by id."""
    earlier = {row.id: counts(row) for row in before}
    pairs = [(row.id, earlier[row.id], counts(row)) for row in after if row.id in earlier]
    return Change(
        tuple(id for id, old, new in pairs if new and not old), tuple(id for id, old, new in pairs if old and not new)
    )
