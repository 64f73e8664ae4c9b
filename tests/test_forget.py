"""What is forgotten leaves no byte in any file of the workspace, and a receipt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from qrag_lib.errors import NotFound
from qrag_lib.language import terms
from qrag_lib.settings import Settings
from qrag_lib.workspace import Workspace

PHRASE = "O ornitorrinco zarolho mastigava jabuticabas."


@pytest.fixture
def workspace(tmp_path: Path, tiny_model: Path) -> Iterator[Workspace]:
    """Three documents, one of them among the workspace's own uploads."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("O prazo é de trinta dias.")
    (tmp_path / "docs" / "b.txt").write_text(PHRASE)
    settings = Settings(workspace=tmp_path / "w", embedding_model=str(tiny_model))
    with Workspace.open(tmp_path / "w", settings=settings) as opened:
        (tmp_path / "w" / "uploads").mkdir()
        (tmp_path / "w" / "uploads" / "c.txt").write_text("A roupa do rei.")
        opened.ingest(tmp_path / "docs")
        opened.ingest(tmp_path / "w" / "uploads")
        yield opened


def files_with(folder: Path, wanted: bytes) -> list[str]:
    return [file.name for file in folder.rglob("*") if file.is_file() and wanted in file.read_bytes()]


def test_no_byte_of_text_terms_or_vector_is_left(workspace: Workspace) -> None:
    index = workspace.catalog.indexes.active()
    assert index
    (found,) = [h for h in workspace.search(PHRASE) if h.chunk.text == PHRASE]
    vector = workspace.embedders.of(index).encode([found.chunk.embedded_text])[0]
    traces = [PHRASE.encode(), vector.astype("<f2").tobytes(), vector.astype("<f4").tobytes()[:64]]
    traces += [term.encode() for term in terms(PHRASE, "pt")]
    before = [files_with(workspace.path, trace) for trace in traces]
    assert "catalog.db" in before[0] + before[1] and all(before[:2])
    workspace.forget("b.txt")
    assert [files_with(workspace.path, trace) for trace in traces] == [[]] * len(traces)
    assert workspace.doctor().healthy


def test_the_receipt_says_what_went_and_that_nothing_names_it(workspace: Workspace) -> None:
    receipt = workspace.forget(["b.txt", "c.txt", "b.txt"])
    assert [name for _id, name in receipt.documents] == ["b.txt", "c.txt"]
    assert (receipt.n_chunks, receipt.n_vectors) == (2, 2)
    assert receipt.files == (str(workspace.path / "uploads" / "c.txt"),)
    assert [Path(path).name for path in receipt.left] == ["b.txt"]
    assert set(receipt.remaining.values()) == {0}
    assert not (workspace.path / "uploads" / "c.txt").exists()
    assert "b.txt" in str(receipt)


def test_a_text_that_another_document_has_keeps_its_vector(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "docs" / "twin.txt").write_text(PHRASE)
    assert workspace.ingest(tmp_path / "docs").n_embedded == 0
    assert workspace.forget("b.txt").n_vectors == 0
    assert [h.chunk.document_name for h in workspace.search(PHRASE, 1)] == ["twin.txt"]


def test_an_unknown_name_removes_nothing(workspace: Workspace) -> None:
    with pytest.raises(NotFound, match=r"d\.txt"):
        workspace.forget(["a.txt", "d.txt"])
    assert len(workspace.documents()) == 3


def test_a_forget_that_was_stopped_is_finished_by_the_next_writer(workspace: Workspace, tmp_path: Path) -> None:
    """What a kill between its commit and its purge leaves."""
    catalog, stored = workspace.catalog, workspace.catalog.documents.find("b.txt")
    with catalog.write():
        catalog.chunks.delete([stored.id])
        catalog.documents.delete([stored.id])
        catalog.vectors.delete_unused()
        catalog.owe(purge=True)
    assert "unused" in [f.code for f in workspace.doctor().findings]
    (tmp_path / "docs" / "b.txt").unlink()
    workspace.ingest(tmp_path / "docs")
    assert not catalog.owes_purge()
    assert files_with(workspace.path, b"ornitorrinc") == []


def test_a_removed_document_can_come_back(workspace: Workspace, tmp_path: Path) -> None:
    workspace.forget("b.txt")
    assert workspace.ingest(tmp_path / "docs").added == ("b.txt",)
    assert workspace.search(PHRASE, 1)[0].chunk.text == PHRASE
    assert np.isfinite(workspace.search(PHRASE, 1)[0].score)
