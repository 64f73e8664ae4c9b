"""The catalogue: documents, chunks, vectors and terms in one SQLite file."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from qrag_lib.catalog import Catalog, Index
from qrag_lib.errors import NotFound, QragError, WorkspaceDamaged, WorkspaceReadOnly
from qrag_lib.types import Chunk, Document, Filter, IndexConfig, Refusal, Section, text_hash

CONFIG = IndexConfig("tiny", "tiny-1", 200, 40)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "catalog.db")


def put(catalog: Catalog, document: Document, terms: str = "", vector: list[float] | None = None) -> Index:
    """One chunk over the whole document."""
    whole = Chunk(f"{document.id}#0", document.id, document.name, 0, document.text, 0, len(document.text))
    with catalog.write():
        index = catalog.indexes.create(CONFIG)
        catalog.documents.put(document, language="pt")
        catalog.chunks.put(index.id, document.id, [whole], [terms or document.text], "content")
        if vector:
            catalog.vectors.put(CONFIG.model_id, [text_hash(whole.embedded_text)], np.array([vector], np.float32))
    return index


def test_a_document_comes_back_as_it_was_put(catalog: Catalog) -> None:
    document = Document(
        "a", "lei.txt", "Título\n\nO prazo é de 30 dias. 🙂", (Section("heading", "Título", 0, 6, 1),), {"ano": 1988}
    )
    put(catalog, document)
    assert catalog.documents.load("a") == document


def test_a_write_that_fails_leaves_nothing(catalog: Catalog) -> None:
    with pytest.raises(RuntimeError), catalog.write():
        catalog.documents.put(Document("a", "a", "x"), language="pt")
        raise RuntimeError
    assert catalog.documents.get("a") is None
    assert catalog.generation() == 0


def test_each_visible_write_is_one_generation(catalog: Catalog) -> None:
    with catalog.write(), catalog.write():
        catalog.documents.put(Document("a", "a", "x"), language="pt")
    with catalog.write(visible=False):
        catalog.documents.renew("a", name="a", source="", stamp="s")
    assert catalog.generation() == 1


def test_another_connection_sees_a_commit_at_once(catalog: Catalog) -> None:
    reader = Catalog(catalog.database.path, read_only=True)
    assert reader.documents.count() == 0
    put(catalog, Document("a", "a", "x"))
    assert (reader.documents.count(), reader.generation()) == (1, 1)


def test_a_snapshot_does_not_see_what_others_commit(catalog: Catalog) -> None:
    reader = Catalog(catalog.database.path, read_only=True)
    with reader.snapshot():
        assert reader.documents.count() == 0
        put(catalog, Document("a", "a", "x"))
        assert reader.documents.count() == 0
    assert reader.documents.count() == 1


@pytest.mark.parametrize("term", ["t1437.001", "os.environ", "c++", "r$", "ação", '"', "naïve-bayes", "🙂"])
def test_any_term_between_spaces_is_found_whole(catalog: Catalog, term: str) -> None:
    index = put(catalog, Document("a", "a", "x"), terms=f"one {term} two")
    put(catalog, Document("b", "b", "y"), terms="one two")
    assert [row for row, _ in catalog.chunks.match(index.id, [term], 5)] == [1]


def test_rarer_terms_weigh_more(catalog: Catalog) -> None:
    for n in range(20):
        index = put(catalog, Document(f"d{n}", f"d{n}", f"t{n}"), terms="comum" + (" raro" if n == 7 else ""))
    rows = catalog.chunks.match(index.id, ["comum", "raro"], 3)
    assert catalog.chunks.get([rows[0][0]])[rows[0][0]].document_id == "d7"


# as front matter gives it: text
OLD = {"grade": "9", "day": "2023-12-31", "open": "true", "tags": ["law", "tax"], "price": "1.234,56"}
NEW = {"grade": "10", "day": "01/03/2024", "open": "false", "tags": ["tax"], "price": "999,90"}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (Filter("year", "==", 1988), ["a"]),
        (Filter("year", ">", 1988), ["b"]),
        (Filter("year", "in", (1988, 2000)), ["a", "b"]),
        (Filter("year", "nin", (1988,)), ["b"]),
        (Filter("kind", "contains", "le"), ["a"]),
        (Filter("name", "==", "b.txt"), ["b"]),
        (Filter("nothing", "==", None), ["a", "b"]),
        (Filter("grade", ">", 9), ["b"]),
        (Filter("grade", "==", 9), ["a"]),
        (Filter("day", ">=", 2024), ["b"]),
        (Filter("open", "==", True), ["a"]),
        (Filter("tags", "==", "law"), ["a"]),
        (Filter("price", ">", 1000), ["a"]),
        (Filter("year' OR 1=1 --", "==", 1), []),
    ],
)
def test_filters_are_conditions_on_metadata(catalog: Catalog, given: Filter, found: list[str]) -> None:
    put(catalog, Document("a", "a.txt", "x", metadata={**OLD, "year": 1988, "kind": "lei"}))
    index = put(catalog, Document("b", "b.txt", "y", metadata={**NEW, "year": 2000}))
    chunks = catalog.chunks.get(catalog.chunks.rows(index.id, [given]))
    assert sorted(chunk.document_id for chunk in chunks.values()) == found


def test_pages_compare_as_numbers(catalog: Catalog) -> None:
    index = put(catalog, Document("a", "a", "x"))
    catalog.database.run("UPDATE chunks SET page = '10'")
    assert catalog.chunks.count(index.id, [Filter("page", ">", 9)]) == 1
    assert catalog.chunks.count(index.id, [Filter("page", "<", "9")]) == 0


def test_an_unknown_operator_names_the_known_ones(catalog: Catalog) -> None:
    index = put(catalog, Document("a", "a", "x"))
    with pytest.raises(QragError, match=r"unknown operator ~ .* ==, !=, >"):
        catalog.chunks.count(index.id, [Filter("year", "~", 1)])  # type: ignore[arg-type]


def test_a_name_that_is_not_there_suggests_a_near_one(catalog: Catalog) -> None:
    put(catalog, Document("a", "contrato.pdf", "x"))
    with pytest.raises(NotFound) as caught:
        catalog.documents.find("contarto.pdf")
    assert "contrato.pdf" in (caught.value.hint or "")


def test_a_name_that_two_documents_have_asks_for_the_id(catalog: Catalog) -> None:
    put(catalog, Document("a", "ata.txt", "x"))
    put(catalog, Document("b", "ata.txt", "y"))
    with pytest.raises(NotFound, match=r"2 documents are named ata\.txt"):
        catalog.documents.find("ata.txt")


def test_a_refusal_leaves_the_version_before_it(catalog: Catalog) -> None:
    put(catalog, Document("a", "a.pdf", "texto"))
    with catalog.write():
        refusal = Refusal("a.pdf", "broken", "cut")
        catalog.documents.put_refusal("a", refusal, source="s", path=None, stamp="2")
    stored = catalog.documents.get("a")
    assert stored is not None
    assert (stored.version, stored.reason) == (1, "broken")
    assert catalog.documents.text("a") == "texto"


def test_a_vector_that_is_not_a_number_is_refused(catalog: Catalog) -> None:
    with pytest.raises(ValueError, match="NaN"), catalog.write():
        catalog.vectors.put("m", ["h"], np.array([[np.nan, 1]], np.float32))


def test_a_file_that_is_no_catalogue_is_refused(tmp_path: Path) -> None:
    (tmp_path / "catalog.db").write_bytes(b"this is not a database" * 100)
    with pytest.raises(WorkspaceDamaged, match="cannot be read as a catalogue"):
        Catalog(tmp_path / "catalog.db")


def test_a_catalogue_of_a_later_version_is_left_alone(catalog: Catalog) -> None:
    with catalog.write():
        catalog.database.run("UPDATE meta SET value = 99 WHERE key = 'schema'")
    catalog.close()
    with pytest.raises(WorkspaceDamaged, match="version 99"):
        Catalog(catalog.database.path)


def test_a_catalogue_opened_to_read_refuses_to_write(catalog: Catalog) -> None:
    reader = Catalog(catalog.database.path, read_only=True)
    with pytest.raises(WorkspaceReadOnly), reader.write():
        pass


def test_a_copy_without_its_wal_cut_short_still_opens(catalog: Catalog, tmp_path: Path) -> None:
    """What a crash leaves: the WAL ends in the middle of a commit; everything before it is there."""
    put(catalog, Document("a", "a", "x"))
    catalog.database.checkpoint()
    put(catalog, Document("b", "b", "y" * 20_000))
    copy = tmp_path / "copy.db"
    wal = catalog.database.path.with_name("catalog.db-wal").read_bytes()
    shutil.copyfile(catalog.database.path, copy)
    copy.with_name("copy.db-wal").write_bytes(wal[: len(wal) // 2])
    survivor = Catalog(copy)
    assert (survivor.documents.get("a") is not None, survivor.documents.get("b")) == (True, None)
    assert survivor.database.problems() == []


def test_a_flipped_page_is_told(catalog: Catalog) -> None:
    for n in range(50):
        put(catalog, Document(f"d{n}", f"d{n}", "palavra " * 500))
    catalog.close()
    with catalog.database.path.open("r+b") as file:
        file.seek(40_000)
        file.write(b"\xff" * 20_000)
    with pytest.raises((WorkspaceDamaged, AssertionError)):  # either at once or by the check
        assert Catalog(catalog.database.path).database.problems() == []


def test_deleted_text_is_overwritten(catalog: Catalog) -> None:
    index = put(catalog, Document("a", "a", "abracadabra"), vector=[1.0, 0.0])
    put(catalog, Document("b", "b", "outro"), vector=[0.0, 1.0])
    with catalog.write():
        catalog.chunks.delete(["a"])
        catalog.documents.delete(["a"])
        assert catalog.vectors.delete_unused() == 1
    catalog.chunks.purge(index.id)
    catalog.database.checkpoint()
    assert b"abracadabra" not in catalog.database.path.read_bytes()
    assert catalog.documents.rows_naming(["a"]) == {"documents": 0, "texts": 0, "chunks": 0, "indexed": 0}


def test_the_sqlite_here_has_fts5() -> None:
    assert sqlite3.connect(":memory:").execute("SELECT sqlite_compileoption_used('ENABLE_FTS5')").fetchone() == (1,)
