"""A workspace of an older version is brought up to this one; one of a newer version is refused by name."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from qrag_lib.catalog import Catalog
from qrag_lib.catalog.migrations import MIGRATIONS, VERSION, migrate, version_of
from qrag_lib.errors import WorkspaceDamaged
from qrag_lib.settings import Settings
from qrag_lib.workspace import Workspace

FIRST = Path(__file__).parent / "fixtures" / "workspace-1"  # two documents, written by version 1
QUESTION = "Quanto é a multa?"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FIRST, tmp_path / "w"))


def schema(path: Path) -> list[tuple[str, ...]]:
    with sqlite3.connect(path) as connection:
        return connection.execute(
            "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'terms%' ORDER BY 1, 2"
        ).fetchall()


def test_a_workspace_of_version_1_answers_as_before(old: Path) -> None:
    with Workspace.open(old, settings=Settings(workspace=old)) as workspace:
        assert "R$ 2,00" in workspace.ask(QUESTION).text
        assert {each.name for each in workspace.documents()} == {"biblioteca.md", "mill.txt"}
        assert workspace.doctor().findings == () or all(f.code != "catalogue" for f in workspace.doctor().findings)
    with sqlite3.connect(old / "catalog.db") as connection:
        assert version_of(connection) == VERSION
        assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (0,)


def test_one_that_is_only_read_is_brought_up_too(old: Path) -> None:
    with Workspace.open(old, read_only=True, settings=Settings(workspace=old)) as workspace:
        assert workspace.search(QUESTION)[0].chunk.document_name == "biblioteca.md"


def test_an_old_and_a_new_catalogue_have_the_same_tables(old: Path, tmp_path: Path) -> None:
    Catalog(old / "catalog.db").close()
    Catalog(tmp_path / "new.db").close()
    assert set(schema(tmp_path / "new.db")) <= set(schema(old / "catalog.db"))


def test_steps_are_numbered_without_a_gap() -> None:
    assert list(MIGRATIONS) == list(range(1, VERSION + 1))


def test_a_newer_catalogue_names_the_version_that_reads_it(old: Path) -> None:
    with sqlite3.connect(old / "catalog.db") as connection:
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('schema', 99), ('written_by', '9.1.0')")
    for read_only in (False, True):
        with pytest.raises(WorkspaceDamaged, match="version 99") as raised:
            Catalog(old / "catalog.db", read_only=read_only)
        assert "9.1.0" in str(raised.value.hint)


def test_a_step_that_fails_leaves_the_catalogue_as_it_was(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MIGRATIONS, 2, "CREATE TABLE more (x);\nCREATE TABLE texts (x);\n")  # type: ignore[attr-defined]
    with pytest.raises(WorkspaceDamaged):
        Catalog(old / "catalog.db")
    monkeypatch.undo()
    Catalog(old / "catalog.db").close()


def test_two_that_bring_it_up_at_once_do_it_once(old: Path) -> None:
    ready = threading.Barrier(4)

    def bring(_n: int) -> int:
        connection = sqlite3.connect(old / "catalog.db", timeout=30, isolation_level=None)
        ready.wait(10)
        migrate(connection)
        version = version_of(connection)
        connection.close()
        return version

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(bring, range(4))) == [VERSION] * 4


def test_nobody_who_reads_waits_for_who_writes_or_reads(old: Path) -> None:
    catalog = Catalog(old / "catalog.db")
    inside, leave = threading.Event(), threading.Event()

    def stay() -> None:
        with catalog.snapshot():
            catalog.generation()
            inside.set()
            leave.wait(30)

    thread = threading.Thread(target=stay)
    thread.start()
    assert inside.wait(10)
    before = catalog.generation()  # would wait for ever, were there one connection
    with catalog.write():
        assert catalog.generation() == before
        catalog.owe(True)
        assert catalog.owes_purge()
        with ThreadPoolExecutor(1) as other:
            assert not other.submit(catalog.owes_purge).result(10)
    assert catalog.generation() == before + 1 and catalog.owes_purge()
    leave.set()
    thread.join()
    catalog.close()
