"""How often the first quote answers, with the reader: `python -m experiments.answers.with_reader`.

Every third question of faquad-pt, embedded with E5, at any confidence. First quote: it holds a gold answer. F1: of the
words in bold. AUROC: confidence of a question against that of the same one when the passages that answer it are taken
out of what the search found.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.material import find
from experiments.retrieval_baseline.sets import load_material
from qrag_lib.answer.open_reader import reader_of
from qrag_lib.answer.quoted.quotes import quote
from qrag_lib.evaluation import metrics
from qrag_lib.progress import quiet
from qrag_lib.settings import Settings
from qrag_lib.types import Answer, Hits
from qrag_lib.workspace import Workspace

SET, EVERY, READ = "faquad-pt", 3, 10


def main() -> None:
    """Print the three figures."""
    find(f"qa/{SET}")
    material = load_material(SET)
    questions = material.questions.questions[::EVERY]
    first, f1, known, taken = [], [], [], []
    with TemporaryDirectory(prefix="qrag-answers-") as folder:
        settings = Settings(workspace=Path(folder), embedding_model="e5-pt-en")
        with Workspace.open(folder, settings=settings) as workspace:
            workspace.ingest(material.records, on_progress=quiet)
            index = workspace.catalog.indexes.active()
            assert index is not None
            embedding, texts = workspace.embedders.of(index), workspace.catalog.documents.text
            reader = reader_of(settings, embedding)

            def answered(hits: Hits) -> Answer:
                few = replace(hits, hits=hits.hits[:READ])
                return quote(hits.question, few, texts, embedding, reader, threshold=0.0)

            for question in questions:
                hits = workspace.search(question.text, 2 * READ)
                answer = answered(hits)
                best = min(answer.citations, key=lambda citation: citation.number, default=None)
                first.append(metrics.holds_answer(best.quote if best else "", question.answers, "pt"))
                bold = texts(best.document_id)[slice(*best.answer)] if best and best.answer else ""
                f1.append(metrics.token_f1(bold, question.answers, "pt"))
                known.append(answer.confidence)
                others = tuple(hit for hit in hits if hit.chunk.document_id not in question.relevant)
                taken.append(answered(replace(hits, hits=others)).confidence)
    with_it, without = np.array(known), np.array(taken)
    auroc = (with_it[:, None] > without[None]).mean() + (with_it[:, None] == without[None]).mean() / 2
    sys.stdout.write(
        f"{len(questions)} questions: first quote {np.mean(first):.3f}, F1 {np.mean(f1):.3f}, AUROC {auroc:.3f}\n"
    )


if __name__ == "__main__":
    main()
