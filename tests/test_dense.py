"""Vector search: exact and by Chroma, always over the last commit."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from qrag_lib.catalog import Catalog, Index
from qrag_lib.stores import dense as dense_module
from qrag_lib.stores.chroma import ChromaFolder, TornFolder, build
from qrag_lib.stores.dense import DenseIndex
from qrag_lib.types import Chunk, Document, Filter, IndexConfig, text_hash

CONFIG = IndexConfig("tiny", "tiny-1", 200, 40)
QUESTION = np.eye(1, 16, dtype=np.float32)[0]


def unit_rows(n: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(n, 16)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def add(catalog: Catalog, first: int, n: int) -> Index:
    """n documents of one chunk each."""
    with catalog.write():
        index = catalog.indexes.create(CONFIG)
        for number, vector in zip(range(first, first + n), unit_rows(n, first), strict=True):
            document = Document(f"d{number}", f"{number}.txt", f"texto {number}", metadata={"even": number % 2 == 0})
            chunk = Chunk(f"d{number}#0", document.id, document.name, 0, document.text, 0, len(document.text))
            catalog.documents.put(document, language="pt")
            catalog.vectors.put(CONFIG.model_id, [text_hash(chunk.embedded_text)], vector[None])
            catalog.vectors.renew(CONFIG.model_id, index.id, [text_hash(chunk.embedded_text)])
            catalog.chunks.put(index.id, document.id, [chunk], [document.text], "content")
    return index


def remove(catalog: Catalog, number: int) -> None:
    with catalog.write():
        catalog.chunks.delete([f"d{number}"])
        catalog.documents.delete([f"d{number}"])


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "catalog.db")


@pytest.fixture
def by_chroma(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Chroma answer for small indexes too; the threshold is a measured figure, not a rule."""
    monkeypatch.setattr(dense_module, "EXACT_UP_TO", 10)


def exact(catalog: Catalog, index: Index, limit: int) -> list[int]:
    """The oracle: every vector of the index, by brute force."""
    rows, vectors = catalog.vectors.of_rows(index.model_id, index.id, [], 10**6)
    return [rows[i] for i in np.argsort(-(vectors @ QUESTION), kind="stable")[:limit]]


def found(dense: DenseIndex, limit: int = 10, filters: tuple[Filter, ...] = ()) -> list[int]:
    index = dense.catalog.indexes.active()
    assert index is not None
    return [row for row, _score in dense.search(index, QUESTION, limit, filters)]


def test_chroma_and_the_exact_scan_find_the_same(catalog: Catalog, tmp_path: Path, by_chroma: None) -> None:
    index = add(catalog, 0, 300)
    dense = DenseIndex(catalog, tmp_path / "chroma")
    before = found(dense)
    assert dense.publish(index) == 300
    assert found(dense) == before == exact(catalog, index, 10)
    assert dense.degraded == ""


def test_what_came_after_publishing_is_found(catalog: Catalog, tmp_path: Path, by_chroma: None) -> None:
    dense = DenseIndex(catalog, tmp_path / "chroma")
    dense.publish(add(catalog, 0, 100))
    index = add(catalog, 100, 100)
    assert found(dense) == exact(catalog, index, 10)


def test_what_was_removed_after_publishing_is_not_found(catalog: Catalog, tmp_path: Path, by_chroma: None) -> None:
    dense = DenseIndex(catalog, tmp_path / "chroma")
    index = add(catalog, 0, 100)
    dense.publish(index)
    best = found(dense, 1)[0]
    remove(catalog, best - 1)
    assert best not in found(dense, 50)
    assert found(dense) == exact(catalog, index, 10)


def test_a_vector_that_comes_into_use_late_is_found(catalog: Catalog, tmp_path: Path, by_chroma: None) -> None:
    """An ingest that was killed left a vector; it was published over; then its document comes."""
    index = add(catalog, 0, 50)
    with catalog.write(visible=False):
        catalog.vectors.put(CONFIG.model_id, [text_hash("texto 999")], QUESTION[None])
    dense = DenseIndex(catalog, tmp_path / "chroma")
    dense.publish(add(catalog, 50, 50))
    document = Document("late", "late.txt", "texto 999")
    with catalog.write():
        catalog.documents.put(document, language="pt")
        catalog.vectors.renew(CONFIG.model_id, index.id, [text_hash("texto 999")])
        chunk = Chunk("late#0", "late", "late.txt", 0, document.text, 0, len(document.text))
        catalog.chunks.put(index.id, "late", [chunk], ["texto"], "content")
    assert found(dense, 1) == [101]


def test_a_second_publishing_starts_from_the_first(catalog: Catalog, tmp_path: Path, by_chroma: None) -> None:
    dense = DenseIndex(catalog, tmp_path / "chroma")
    first = add(catalog, 0, 100)
    dense.publish(first)
    add(catalog, 100, 20)
    index = catalog.indexes.active()
    assert index is not None
    assert dense.unpublished(index) == 20
    assert dense.publish(index) == 120
    assert [folder.name for folder in (tmp_path / "chroma").iterdir()] == [catalog.indexes.all()[0].published]


def test_filters_hold_for_both_ways(catalog: Catalog, tmp_path: Path, by_chroma: None) -> None:
    dense = DenseIndex(catalog, tmp_path / "chroma")
    index = add(catalog, 0, 60)
    dense.publish(index)
    even = found(dense, 100, (Filter("even", "==", True),))
    assert sorted(even) == catalog.chunks.rows(index.id, [Filter("even", "==", True)])
    assert found(dense, 5, (Filter("name", "==", "7.txt"),)) == [8]
    assert found(dense, 5, (Filter("name", "==", "none"),)) == []


@pytest.mark.parametrize("damage", ["truncate", "delete", "folder", "garbage", "sqlite"])
def test_a_torn_folder_is_noticed_and_searched_around(
    catalog: Catalog, tmp_path: Path, by_chroma: None, damage: str
) -> None:
    index = add(catalog, 0, 200)
    writer = DenseIndex(catalog, tmp_path / "chroma")
    writer.publish(index)
    published = catalog.indexes.all()[0].published
    break_folder(tmp_path / "chroma" / published, damage)
    reader = DenseIndex(catalog, tmp_path / "chroma")
    assert found(reader) == exact(catalog, index, 10)
    assert published in reader.degraded


def break_folder(folder: Path, damage: str) -> None:
    level0 = next(folder.rglob("data_level0.bin"))
    if damage == "truncate":
        os.truncate(level0, 100)
    elif damage == "delete":
        level0.unlink()
    elif damage == "garbage":
        (folder / "manifest.json").write_text("{")
    elif damage == "sqlite":
        os.truncate(folder / "chroma.sqlite3", 5_000)
    else:
        for file in sorted(folder.rglob("*"), reverse=True):
            file.rmdir() if file.is_dir() else file.unlink()
        folder.rmdir()


def test_a_build_that_fails_leaves_no_folder(tmp_path: Path) -> None:
    def batches():  # type: ignore[no-untyped-def]
        yield ["a"], unit_rows(1, 0)
        raise RuntimeError

    (tmp_path / "chroma").mkdir()
    with pytest.raises(RuntimeError):
        build(tmp_path / "chroma" / "new", batches())
    assert list((tmp_path / "chroma").iterdir()) == []


def test_a_folder_written_behind_our_back_is_torn(tmp_path: Path) -> None:
    import chromadb

    build(tmp_path / "new", [(["a", "b"], unit_rows(2, 0))])
    client = chromadb.PersistentClient(str(tmp_path / "new"))
    client.get_collection("vectors").upsert(ids=["c"], embeddings=unit_rows(1, 1))
    client.close()
    with pytest.raises(TornFolder):
        ChromaFolder(tmp_path / "new")


def test_equal_texts_share_a_vector_and_are_all_found(catalog: Catalog, tmp_path: Path) -> None:
    index = add(catalog, 0, 3)
    with catalog.write():
        twin = Document("twin", "twin.txt", "texto 1")
        catalog.documents.put(twin, language="pt")
        chunk = Chunk("twin#0", "twin", "twin.txt", 0, twin.text, 0, len(twin.text))
        catalog.chunks.put(index.id, "twin", [chunk], ["texto"], "content")
    assert sorted(found(DenseIndex(catalog, tmp_path / "chroma"))) == [1, 2, 3, 4]
