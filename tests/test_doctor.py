"""The doctor sees what is wrong with a workspace, and mends it without embedding anything again."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import fault_corpus
import numpy as np
import pytest

from local_models.interface.translations import use_language
from qrag_lib.settings import Settings
from qrag_lib.upkeep.doctor import Diagnosis
from qrag_lib.workspace import Workspace


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """A workspace of 30 documents, its sources and its model in one folder."""
    folder = tmp_path_factory.mktemp("doctor")
    shutil.copytree(tiny_model, folder / "model")
    fault_corpus.write(folder / "docs", 30)
    with Workspace.open(folder / "w", settings=settings(folder)) as workspace:
        workspace.ingest(folder / "docs")
    return folder


def settings(folder: Path) -> Settings:
    return Settings(workspace=folder / "w", embedding_model=str(folder / "model"))


@pytest.fixture
def sick(template: Path, tmp_path: Path) -> Callable[..., Diagnosis]:
    """Damages a copy whose model is gone, diagnoses, repairs and diagnoses again."""
    folder = tmp_path / "copy"

    def treat(damage: Callable[[Path], object], *, codes: set[str]) -> Diagnosis:
        shutil.copytree(template / "w", folder / "w")
        damage(folder / "w")
        with Workspace.open(folder / "w", settings=settings(folder)) as workspace:
            found = workspace.doctor()
            assert {f.code for f in found.findings} == codes
            assert found.healthy is (codes <= {"files"})
            mended = workspace.doctor(repair=True)
            assert mended.healthy
            assert workspace.doctor().healthy
            return mended

    return treat


def chroma(workspace: Path) -> Path:
    return next((workspace / "chroma").iterdir())


def level0(workspace: Path) -> Path:
    return next(workspace.glob("chroma/*/*/data_level0.bin"))


def replaced(workspace: Path) -> None:
    """The same ids with other vectors, in a folder that says of itself that it is whole."""
    from qrag_lib.stores.chroma import ChromaFolder, build

    folder = ChromaFolder(chroma(workspace))
    ids = [name for hashes, _vectors in folder.contents() for name in hashes]
    folder.close()
    path = folder.path
    shutil.rmtree(path)
    rows = np.random.default_rng(0).normal(size=(len(ids), 32)).astype(np.float32)
    build(path, [(ids, rows / np.linalg.norm(rows, axis=1, keepdims=True))])


def written_behind_our_back(workspace: Path) -> None:
    import chromadb

    client = chromadb.PersistentClient(str(chroma(workspace)))
    collection = client.get_collection("vectors")
    collection.delete(ids=collection.get(limit=5)["ids"])
    collection.upsert(ids=["stranger"], embeddings=np.ones((1, 32), np.float32))
    client.close()


@pytest.mark.parametrize(
    "damage",
    [
        lambda w: os.truncate(level0(w), 100),
        lambda w: level0(w).unlink(),
        lambda w: os.truncate(chroma(w) / "chroma.sqlite3", 5_000),
        lambda w: shutil.rmtree(chroma(w)),
        lambda w: shutil.rmtree(w / "chroma"),
        lambda w: (chroma(w) / "manifest.json").write_text("{"),
        replaced,
        written_behind_our_back,
    ],
    ids=["truncated", "file gone", "sqlite cut", "folder gone", "all gone", "manifest", "replaced", "written"],
)
def test_chroma_is_built_again_from_the_catalogue(
    sick: Callable[..., Diagnosis], damage: Callable[[Path], object]
) -> None:
    sick(damage, codes={"chroma"})


def test_a_stranger_beside_a_torn_folder_goes_and_the_new_folder_stays(sick: Callable[..., Diagnosis]) -> None:
    def damage(workspace: Path) -> None:
        level0(workspace).unlink()
        (workspace / "chroma" / ".building-x").mkdir()
        (workspace / "chroma" / "note.txt").write_text("x")

    sick(damage, codes={"chroma"})


def on_catalogue(*statements: str) -> Callable[[Path], None]:
    def damage(workspace: Path) -> None:
        connection = sqlite3.connect(workspace / "catalog.db")
        (index_id,) = connection.execute("SELECT id FROM indexes").fetchone()
        for statement in statements:
            connection.execute(statement.replace("TERMS", f"terms_{index_id}"))
        connection.commit()
        connection.close()

    return damage


def test_lost_index_terms_are_made_again(sick: Callable[..., Diagnosis]) -> None:
    sick(on_catalogue("DELETE FROM TERMS WHERE rowid < 9"), codes={"terms"})


def test_an_unused_vector_is_dropped(sick: Callable[..., Diagnosis]) -> None:
    insert = "INSERT INTO vectors (model_id, text_hash, vector) SELECT model_id, 'x', vector FROM vectors LIMIT 1"
    sick(on_catalogue(insert), codes={"unused"})


def test_files_that_changed_are_the_users_own(template: Path, tmp_path: Path) -> None:
    shutil.copytree(template / "docs", tmp_path / "docs")
    made = Settings(workspace=tmp_path / "w", embedding_model=str(template / "model"))
    with Workspace.open(tmp_path / "w", settings=made) as workspace:
        os.utime(tmp_path / "docs" / "000.txt", (1, 1))
        time.sleep(0.05)  # what was written just now has no stamp yet
        workspace.ingest(tmp_path / "docs")
        (tmp_path / "docs" / "000.txt").write_text("outro texto, e mais longo")
        (tmp_path / "docs" / "001.txt").unlink()
        found = workspace.doctor()
        (tmp_path / "docs" / "002.txt").unlink()
        more = workspace.doctor().findings[0].message
        use_language("pt_BR")
        try:
            portuguese = workspace.doctor().findings[0].message
        finally:
            use_language("en")
    assert found.healthy
    assert found.findings[0].message == "1 file is gone, 1 has changed since it was read"
    assert more == "2 files are gone, 1 has changed since it was read"
    assert portuguese == "2 arquivos sumiram, 1 mudou desde que foi lido"


def test_a_lost_vector_is_the_only_thing_embedded_again(template: Path, tmp_path: Path) -> None:
    shutil.copytree(template / "w", tmp_path / "w")
    on_catalogue("DELETE FROM vectors WHERE seq IN (SELECT seq FROM vectors LIMIT 3)")(tmp_path / "w")
    made = Settings(workspace=tmp_path / "w", embedding_model=str(template / "model"))
    with Workspace.open(tmp_path / "w", settings=made) as workspace:
        assert "3 chunks have no vector" in str(workspace.doctor())
        assert workspace.doctor(repair=True).healthy
        with Workspace.open(template / "w", settings=settings(template)) as whole:
            assert workspace.catalog.digest() == whole.catalog.digest()


def test_a_chunk_out_of_place_is_told(sick: Callable[..., Diagnosis], template: Path, tmp_path: Path) -> None:
    shutil.copytree(template / "w", tmp_path / "w")
    on_catalogue("UPDATE chunks SET start = start + 1 WHERE row = 1")(tmp_path / "w")
    made = Settings(workspace=tmp_path / "w", embedding_model=str(template / "model"))
    with Workspace.open(tmp_path / "w", settings=made) as workspace:
        found = workspace.doctor()
    assert ([f.code for f in found.findings], found.healthy) == (["spans"], False)
    assert "qrag reindex" in found.findings[0].hint
