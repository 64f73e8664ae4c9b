"""What the workspace survives, with the fault really made: kills, full disks, cut files, other processes."""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import small_corpus
from crew import Crew, Hand

from qrag_lib.rag.catalog import Catalog
from qrag_lib.rag.ingest import BATCH

QUESTIONS = ["prazo do edital", "thesis credit report", "bolsa e matrícula 12345"]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents of some 600 passages: several batches."""
    return small_corpus.write(tmp_path_factory.mktemp("source") / "docs", 100)


@pytest.fixture(scope="module")
def unbroken(crew: Crew, source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What an ingest gives that nothing disturbs, how long it takes, and what is then found."""
    folder = tmp_path_factory.mktemp("unbroken")
    start = time.monotonic()
    done = crew.do("ingest", folder / "w", source, embedded=folder / "embedded")
    seconds = time.monotonic() - start
    found = crew.do("search", folder / "w", QUESTIONS)
    return done | {"seconds": seconds, "found": found, "workspace": folder / "w", "texts": n_embedded(folder)}


def n_embedded(folder: Path) -> int:
    """Texts that went into the network, also those of runs that were killed."""
    return sum(map(int, (folder / "embedded").read_text().split()))


def assert_same(crew: Crew, workspace: Path, unbroken: dict[str, Any]) -> None:
    assert Catalog(workspace / "catalog.db").digest() == unbroken["digest"]
    assert crew.do("search", workspace, QUESTIONS) == unbroken["found"]
    assert crew.do("look", workspace)["healthy"]


def sound(workspace: Path) -> bool:
    """Whether what a killed writer left can be read, and every chunk of it is where it should be."""
    if not (workspace / "catalog.db").exists() or not (workspace / "catalog.db").stat().st_size:
        return True
    catalog = Catalog(workspace / "catalog.db")
    index = catalog.indexes.active()
    whole = index is None or not (
        catalog.chunks.out_of_place(index.id)
        or catalog.chunks.terms_off(index.id)
        or catalog.vectors.missing(index.model_id, index.id)
    )
    problems = catalog.database.problems()
    catalog.close()
    return whole and not problems


def killed_until_done(crew: Crew, folder: Path, source: Path, seconds: float, drawn: random.Random) -> int:
    """Ingest, killed at random moments, again and again until a run ends by itself; returns the number of kills."""
    n_kills = 0
    while True:
        hand = crew.start("ingest", folder / "w", source, embedded=folder / "embedded")
        time.sleep(drawn.uniform(0.01, 1.2 * seconds))
        hand.kill()
        if (done := hand.wait()) is not None:
            assert "error" not in done, done
            return n_kills
        n_kills += 1
        assert sound(folder / "w")


def test_fifty_kills_lose_nothing_and_embed_nothing_twice(
    crew: Crew, source: Path, unbroken: dict[str, Any], tmp_path: Path
) -> None:
    drawn, n_kills, n_rounds = random.Random(50), 0, 0
    while n_kills < 50:
        n_rounds += 1
        folder = tmp_path / str(n_rounds)
        folder.mkdir()
        here = killed_until_done(crew, folder, source, unbroken["seconds"], drawn)
        assert_same(crew, folder / "w", unbroken)
        assert n_embedded(folder) <= unbroken["texts"] + here * BATCH
        n_kills += here
        shutil.rmtree(folder)
