"""How often the passage of an article that a question names comes first, in the Portuguese text of the Constitution.

    python experiments/provisions/run.py [FOLDER]

FOLDER keeps the two workspaces, so that a second run ingests nothing. The gold spans come from lines that
begin with an article's name, by an expression of this file and none of the library's.
"""

from __future__ import annotations

import csv
import random
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from qrag_lib.settings import load_settings
from qrag_lib.workspace import Workspace

HERE: Final = Path(__file__).parent
TEXT: Final = HERE.parents[2] / "shared/data/docs/constituicao-pt/CONSTITUICAO.md"
SEED, ARTICLES = 8, 40
FORMS: Final = ("o que diz o artigo {n}?", "art. {n} da constituição", "do que trata o art. {n}?")
SIDES: Final = (("lexical", "minilm"), ("hybrid", "minilm"), ("hybrid", "e5-pt-en"))
_ARTICLE: Final = re.compile(r"^\W*Art\. (\d+(?:-[A-Z])?)[º.]?", re.MULTILINE)
_ANNEX: Final = re.compile(r"^#.*Disposições Constitucionais Transitórias", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """What one question got: whether the first passage is the article's, and of an answer its quote, and how sure."""

    found: bool
    quoted: bool = False
    outcome: str = ""


def articles(text: str) -> dict[str, tuple[int, int]]:
    """The span of each article of the body, by its number; the transitory part counts its own."""
    annex = _ANNEX.search(text)
    body = text[: annex.start() if annex else len(text)]
    begun = [(match[1], match.start()) for match in _ARTICLE.finditer(body)]
    ends = [start for _number, start in begun[1:]] + [len(body)]
    return {number: (start, end) for (number, start), end in zip(begun, ends, strict=True)}


def ask_all(workspace: Workspace, mode: str, form: str, spans: dict[str, tuple[int, int]]) -> Iterator[Outcome]:
    """Each article asked for in one form."""
    for number, (start, end) in spans.items():
        question = form.format(n=number)
        first = workspace.search(question, k=1, mode=mode)[0].chunk
        found = first.start < end and first.end > start
        if mode == "lexical":
            yield Outcome(found)
            continue
        answer = workspace.ask(question)
        quote = answer.citations[0] if answer.citations else None
        yield Outcome(found, quote is not None and start <= quote.start < end, answer.outcome)


def rows(folder: Path) -> Iterator[dict[str, Any]]:
    """One row a side and form: shares of the questions."""
    known = articles(TEXT.read_text("utf-8"))
    chosen = {n: known[n] for n in sorted(random.Random(SEED).sample(list(known), ARTICLES), key=list(known).index)}
    for mode, model in SIDES:
        with Workspace.open(folder / model, settings=load_settings(folder / model, embedding_model=model)) as workspace:
            workspace.ingest(TEXT.parent)
            for form in FORMS:
                outcomes = list(ask_all(workspace, mode, form, chosen))
                yield {
                    "mode": mode,
                    "model": model,
                    "question": form,
                    "first passage": sum(each.found for each in outcomes) / len(outcomes),
                    "first quote": sum(each.quoted for each in outcomes) / len(outcomes),
                    "sure": sum(each.outcome == "sure" for each in outcomes) / len(outcomes),
                    "missed": " ".join(n for n, each in zip(chosen, outcomes, strict=True) if not each.found),
                }


def main(folder: Path) -> None:
    """Measure, print and write results.csv."""
    with (HERE / "results.csv").open("w", newline="", encoding="utf-8") as file:
        writer: csv.DictWriter[str] | None = None
        for row in rows(folder):
            writer = writer or csv.DictWriter(file, list(row), lineterminator="\n")
            if not file.tell():
                writer.writeheader()
            writer.writerow(row)
            print(row, flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as made:
            main(Path(made))
