"""A workspace of any size: real passages, then copies with a tenth of their words and their vectors disturbed.

The copies go in by the ordinary ingest; their vectors are put in the catalogue first, so that
nothing of 100,000 passages has to be embedded.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.material import DOCUMENTS, find
from qrag_lib.catalog import Catalog
from qrag_lib.progress import quiet
from qrag_lib.types import text_hash
from qrag_lib.workspace import Workspace

REAL_FILES = 150
CHANGED_WORDS = 0.1
NOISE = 0.35  # length of what is added to a vector of length 1; cosine to the original about 0.94
BATCH = 5_000


def build_workspace(path: Path, size: int) -> Path:
    """A workspace of about `size` chunks at `path`."""
    files = sorted(find(DOCUMENTS).iterdir())[: max(5, min(REAL_FILES, size // 20))]
    with Workspace.open(path) as workspace:
        workspace.ingest(files, on_progress=quiet)
        missing = size - _count(workspace)
        if missing > 0:
            records = path.with_suffix(".jsonl")
            _write_copies(workspace.catalog, records, missing)
            workspace.ingest(records, on_progress=quiet)
            records.unlink()
    return path


def _write_copies(catalog: Catalog, records: Path, n: int) -> None:
    """Records of n disturbed passages, and their vectors in the catalogue."""
    index = catalog.indexes.active()
    assert index is not None
    chunks = [chunk for _row, chunk in catalog.chunks.sample(index.id, BATCH)]
    hashes, vectors = catalog.vectors.get(index.model_id, [text_hash(chunk.embedded_text) for chunk in chunks])
    vector_of = dict(zip(hashes, vectors, strict=True))
    originals = [vector_of[text_hash(chunk.embedded_text)] for chunk in chunks]
    rng, noise = random.Random(0), np.random.default_rng(0)
    texts = _disturbed([chunk.text for chunk in chunks], n, rng)
    with records.open("w", encoding="utf-8") as file:
        for start in range(0, n, BATCH):
            batch = [next(texts) for _ in range(min(BATCH, n - start))]
            rows = np.stack([originals[(start + i) % len(originals)] for i in range(len(batch))])
            rows += noise.normal(0, NOISE / rows.shape[1] ** 0.5, rows.shape).astype(np.float32)
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            with catalog.write(visible=False):
                catalog.vectors.put(index.model_id, [text_hash(text) for text in batch], rows)
            for i, text in enumerate(batch):
                file.write(json.dumps({"id": f"copy-{start + i}", "text": text, "metadata": {"n": start + i}}) + "\n")


def _disturbed(texts: Sequence[str], n: int, rng: random.Random) -> Iterator[str]:
    """n copies, in turn of each text, with words drawn from all of them in the place of some."""
    every = [text.split() for text in texts]
    vocabulary = [word for words in every for word in words if word.isalpha()]
    for number in range(n):
        words = every[number % len(every)]
        kept = [rng.choice(vocabulary) if rng.random() < CHANGED_WORDS else word for word in words]
        yield " ".join([f"Copy{number}", *kept])


def _count(workspace: Workspace) -> int:
    index = workspace.catalog.indexes.active()
    return workspace.catalog.chunks.count(index.id) if index else 0
