"""What the workspace survives, with the fault really made: kills, full disks, cut files, other processes."""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path
from typing import Any

import fault_corpus
import pytest
from crew import Crew, Hand, resize, small_disk, unwritable

from qrag_lib.catalog import Catalog
from qrag_lib.ingest.ingest import BATCH

QUESTIONS = ["prazo do edital", "thesis credit report", "bolsa e matrícula 12345"]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents of some 600 passages: several batches."""
    return fault_corpus.write(tmp_path_factory.mktemp("source") / "docs", 100)


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


def kill_while_publishing(crew: Crew, hand: Hand, workspace: Path, after: float) -> None:
    """SIGKILL so many seconds after the first sign of a new Chroma folder."""
    end = time.monotonic() + 60
    while not list(workspace.glob("chroma/.building-*")) and time.monotonic() < end:
        time.sleep(0.001)
    time.sleep(after)
    hand.kill()


@pytest.mark.parametrize("after", [0.0, 0.05, 0.15, 0.3])
def test_a_kill_in_the_middle_of_publishing_costs_no_embedding(
    crew: Crew, source: Path, unbroken: dict[str, Any], tmp_path: Path, after: float
) -> None:
    hand = crew.start("ingest", tmp_path / "w", source)
    kill_while_publishing(crew, hand, tmp_path / "w", after)
    hand.wait()
    assert crew.do("search", tmp_path / "w", QUESTIONS[:1])[0]
    again = crew.do("ingest", tmp_path / "w", source)
    assert (again["embedded"], again["added"]) == (0, [])
    assert_same(crew, tmp_path / "w", unbroken)


def test_the_old_index_answers_until_the_new_one_is_complete(
    crew: Crew, unbroken: dict[str, Any], tmp_path: Path
) -> None:
    workspace = shutil.copytree(unbroken["workspace"], tmp_path / "w")
    rebuilt = crew.do("reindex", shutil.copytree(workspace, tmp_path / "rebuilt"), chunk_size=30)
    for stage in ("embed", "store"):
        mark = tmp_path / stage
        hand = crew.start("reindex", workspace, chunk_size=30, mark=mark, mark_at=stage, pause=60)
        hand.wait_for(mark)
        assert crew.do("search", workspace, QUESTIONS) == unbroken["found"]
        hand.kill()
        assert hand.wait() is None
        assert sound(workspace)
    again = crew.do("reindex", workspace, chunk_size=30)
    assert again["digest"] == rebuilt["digest"]
    assert again["embedded"] == 0


def test_switching_back_embeds_nothing(crew: Crew, unbroken: dict[str, Any], tmp_path: Path) -> None:
    workspace = shutil.copytree(unbroken["workspace"], tmp_path / "w")
    there = crew.do("reindex", workspace, chunk_size=30)
    back = crew.do("reindex", workspace)
    assert there["embedded"] > 0
    assert back["embedded"] == 0
    assert crew.do("search", workspace, QUESTIONS) == unbroken["found"]
    assert crew.do("look", workspace)["healthy"]


@pytest.mark.parametrize("size", ["300k", "600k", "1000k", "1400k"])
def test_a_full_disk_is_told_and_survived(
    crew: Crew, source: Path, unbroken: dict[str, Any], tmp_path: Path, size: str
) -> None:
    """The sizes let it fill while vectors, documents and Chroma's folder are written."""
    with small_disk(tmp_path / "disk", size) as disk:
        failed = crew.do("ingest", disk / "w", source)
        assert failed["error"] == "DiskFull", failed
        assert "run it again" in failed["hint"]
        assert sound(disk / "w")
        seen = crew.do("look", disk / "w")
        found = crew.do("search", disk / "w", QUESTIONS[:1])
        assert "error" not in seen and bool(found[0]) == bool(seen["names"])
        resize(disk, "32m")
        assert "error" not in crew.do("ingest", disk / "w", source)
        assert Catalog(disk / "w" / "catalog.db").digest() == digest_here(crew, source, tmp_path)
        assert crew.do("look", disk / "w")["healthy"]


def digest_here(crew: Crew, source: Path, tmp_path: Path) -> str:
    return str(crew.do("ingest", tmp_path / "whole", source)["digest"])


def test_a_second_writer_is_told_who_holds_it(crew: Crew, source: Path, tmp_path: Path) -> None:
    first = crew.start("hold", tmp_path / "w", tmp_path / "held")
    first.wait_for(tmp_path / "held")
    second = crew.do("ingest", tmp_path / "w", source)
    assert second["error"] == "WorkspaceBusy"
    assert f"process {first.pid} on " in second["message"] and "testing" in second["message"]
    first.kill()
    first.wait()
    assert len(crew.do("ingest", tmp_path / "w", source)["added"]) == 100


def test_a_reader_sees_what_a_writer_has_committed_so_far(crew: Crew, source: Path, tmp_path: Path) -> None:
    small = fault_corpus.write(tmp_path / "docs", 2, seed=1)
    crew.do("ingest", tmp_path / "w", small)
    reader = crew.start("watch", tmp_path / "w", QUESTIONS, tmp_path / "stop")
    options = {"mark": tmp_path / "mark", "mark_at": "store", "pause": 60}
    writer = crew.start("ingest", tmp_path / "w", source, **options)
    writer.wait_for(tmp_path / "mark")  # one document of the hundred is committed
    assert len(crew.do("look", tmp_path / "w")["names"]) == 3
    writer.kill()
    crew.do("ingest", tmp_path / "w", source)
    time.sleep(1)
    (tmp_path / "stop").touch()
    watched = reader.wait()
    assert watched["wrong"] == []
    assert len(watched["seen"]) > 3


def test_a_log_that_was_cut_loses_only_its_end(
    crew: Crew, source: Path, unbroken: dict[str, Any], tmp_path: Path
) -> None:
    options = {"mark": tmp_path / "mark", "mark_at": "store", "pause": 60}
    writer = crew.start("ingest", tmp_path / "w", source, **options)
    writer.wait_for(tmp_path / "mark")
    log = (tmp_path / "w" / "catalog.db-wal").read_bytes()
    assert len(log) > 100_000
    for share in (0.03, 0.5, 0.97):
        copy = tmp_path / f"cut-{share}"
        copy.mkdir()
        shutil.copyfile(tmp_path / "w" / "catalog.db", copy / "catalog.db")
        (copy / "catalog.db-wal").write_bytes(log[: int(share * len(log))])
        assert sound(copy)
        crew.do("ingest", copy, source)
        assert_same(crew, copy, unbroken)
    writer.kill()
    writer.wait()


def test_ctrl_c_ends_it_at_any_moment_and_frees_the_lock(
    crew: Crew, source: Path, unbroken: dict[str, Any], tmp_path: Path
) -> None:
    drawn, n_stopped = random.Random(3), 0
    for _ in range(12):
        hand = crew.start("ingest", tmp_path / "w", source)
        time.sleep(drawn.uniform(0.05, 0.5) * unbroken["seconds"])
        hand.interrupt()
        start = time.monotonic()
        ended = hand.wait()
        assert time.monotonic() - start < 10
        assert ended.get("error", "KeyboardInterrupt") == "KeyboardInterrupt", ended
        n_stopped += "error" in ended
    assert n_stopped > 3
    crew.do("ingest", tmp_path / "w", source)
    assert_same(crew, tmp_path / "w", unbroken)


def test_a_cell_that_was_interrupted_can_be_run_again(
    crew: Crew, source: Path, unbroken: dict[str, Any], tmp_path: Path
) -> None:
    hand, drawn = crew.start("ingest_through_interrupts", tmp_path / "w", source, tmp_path / "mark"), random.Random(4)
    hand.wait_for(tmp_path / "mark")
    for _ in range(8):
        time.sleep(drawn.uniform(0.02, 0.3) * unbroken["seconds"])
        if not hand.out.exists():
            hand.interrupt()
    done = hand.wait()
    assert done["digest"] == unbroken["digest"]
    assert done["interrupts"] > 2


@pytest.mark.parametrize("left", ["closed", "killed"])
@pytest.mark.parametrize("by", ["attribute", "mount"])
def test_a_workspace_that_cannot_be_written_is_searched_and_asked(
    crew: Crew, source: Path, unbroken: dict[str, Any], tmp_path: Path, by: str, left: str
) -> None:
    workspace = shutil.copytree(unbroken["workspace"], tmp_path / "w")
    if left == "killed":  # its log holds what the file does not
        options = {"mark": tmp_path / "mark", "mark_at": "store", "pause": 60}
        writer = crew.start("ingest", workspace, fault_corpus.write(tmp_path / "more", 2, seed=5), **options)
        writer.wait_for(tmp_path / "mark")
        writer.kill()
        writer.wait()
        assert (workspace / "catalog.db-wal").stat().st_size > 0
    with unwritable(workspace, by):
        assert len(crew.do("look", workspace)["names"]) == 100 + (left == "killed")
        assert crew.do("search", workspace, QUESTIONS)[0]
        assert crew.do("quotes", workspace, QUESTIONS)[0]
        refused = crew.do("ingest", workspace, source)
        assert refused["error"] == "WorkspaceReadOnly"
        assert "right to write" in refused["hint"]


def test_readers_never_see_what_is_not_there(crew: Crew, source: Path, tmp_path: Path) -> None:
    """Four search without pause while a fifth ingests, changes, forgets and reindexes."""
    workspace, docs = tmp_path / "w", shutil.copytree(source, tmp_path / "docs")
    crew.do("ingest", workspace, docs)
    readers = [crew.start("watch", workspace, QUESTIONS, tmp_path / "stop") for _ in range(4)]
    for number in range(20):
        (docs / f"{number:03}.txt").write_text(fault_corpus.passage(f"new {number}", 6))
    changed = crew.do("ingest", workspace, docs)
    forgotten = crew.do("forget", workspace, [f"{number:03}.txt" for number in range(20, 30)])
    crew.do("reindex", workspace, chunk_size=30)
    (tmp_path / "stop").touch()
    watched = [reader.wait() for reader in readers]
    assert len(changed["changed"]) == 20
    assert sum(forgotten["remaining"].values()) == 0
    assert [w.get("wrong", w) for w in watched] == [[]] * 4
    assert all(w["checked"] > 5 for w in watched)
    assert crew.do("look", workspace)["healthy"]
