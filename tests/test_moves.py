"""A file or folder with another name or place is known again by its content, and answers once."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qrag_lib.errors import NotFound, SourceError
from qrag_lib.settings import Settings
from qrag_lib.workspace import Workspace

NORTH, SOUTH, EAST = (f"O relatório do {where} cita poços.\n" for where in ("norte", "sul", "leste"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {"a/relatorio.txt": NORTH, "b/relatorio.txt": SOUTH, "c.txt": EAST}.items():
        (tmp_path / "fs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fs" / name).write_text(text, "utf-8")
    return tmp_path / "fs"


@pytest.fixture
def workspace(tmp_path: Path, tiny_model: Path, folder: Path) -> Iterator[Workspace]:
    settings = Settings(workspace=tmp_path / "w", embedding_model=str(tiny_model))
    with Workspace.open(settings.workspace, settings=settings) as opened:
        opened.ingest(folder)
        yield opened


def names(workspace: Workspace) -> list[str]:
    return [document.name for document in workspace.catalog.documents]


def found(workspace: Workspace, question: str) -> list[str]:
    return [hit.chunk.text.strip() for hit in workspace.search(question, k=20, mode="lexical")]


def test_a_renamed_folder_moves_its_documents(workspace: Workspace, folder: Path) -> None:
    before = workspace.catalog.chunks.count(workspace.catalog.indexes.active().id)  # type: ignore[union-attr]
    renamed = folder.rename(folder.parent / "fs2")
    report = workspace.ingest(renamed)
    assert (len(report.moved), report.added, report.n_embedded, report.notes) == (3, (), 0, ())
    assert all(
        (d.path or "").startswith(f"{renamed}/") and d.source == str(renamed) for d in workspace.catalog.documents
    )
    assert len(names(workspace)) == before == 3 and workspace.doctor().findings == ()
    assert workspace.ingest(renamed).unchanged == 3


def test_what_was_edited_in_a_renamed_folder_replaces_its_old_text(workspace: Workspace, folder: Path) -> None:
    renamed = folder.rename(folder.parent / "fs2")
    (renamed / "b" / "relatorio.txt").write_text(SOUTH.replace("cita", "não cita"), "utf-8")
    report = workspace.ingest(renamed)
    assert (report.added, report.changed, len(report.moved)) == ((), ("b/relatorio.txt",), 2)
    assert found(workspace, "sul") == ["O relatório do sul não cita poços."]
    assert len(workspace.forget("b/relatorio.txt").documents) == 1


def test_a_moved_file_keeps_its_document(workspace: Workspace, folder: Path) -> None:
    (folder / "c.txt").rename(folder / "d.txt")
    report = workspace.ingest(folder)
    assert (report.moved, report.added, report.deleted, report.unchanged) == (("d.txt",), (), (), 2)
    (folder / "c.txt").write_text("Outro texto no lugar de antes.", "utf-8")
    assert workspace.ingest(folder).added == ("c.txt",)


def test_a_folder_moved_below_another_is_known_again(workspace: Workspace, folder: Path) -> None:
    above = folder.parent / "archive"
    above.mkdir()
    shutil.move(folder, above / "fs")
    (above / "fs" / "c.txt").write_text(EAST.replace("cita", "conta"), "utf-8")
    report = workspace.ingest(above)
    assert (len(report.moved), report.changed, len(names(workspace))) == (2, ("fs/c.txt",), 3)


def test_two_copies_stay_listed_and_answer_once(workspace: Workspace, folder: Path) -> None:
    shutil.copytree(folder, folder.parent / "copy")
    report = workspace.ingest(folder.parent / "copy")
    assert (len(report.added), report.moved, len(names(workspace))) == (3, (), 6)
    assert found(workspace, "sul").count(SOUTH.strip()) == 1


def test_a_file_that_is_gone_from_a_renamed_folder_is_named(workspace: Workspace, folder: Path) -> None:
    renamed = folder.rename(folder.parent / "fs2")
    (renamed / "c.txt").unlink()
    report = workspace.ingest(renamed)
    assert len(report.notes) == 1 and f"{folder} is gone; 1 document of it still answers" in report.notes[0]


def test_ingest_and_doctor_say_the_same_of_a_folder_that_is_gone(
    workspace: Workspace, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QRAG_LANG", "en")
    shutil.rmtree(folder)
    with pytest.raises(SourceError, match="is gone; 3 documents of it still answer") as refused:
        workspace.ingest(folder)
    (finding,) = workspace.doctor().findings
    assert (finding.message, finding.hint) == (refused.value.message, refused.value.hint)
    written = finding.hint.partition("qrag ")[2]
    done = subprocess.run(
        [sys.executable, "-m", "qrag_lib", *shlex.split(written)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert names(workspace) == [] and workspace.doctor().findings == ()


def test_a_folder_that_never_was_is_not_found(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no file or folder"):
        workspace.ingest(tmp_path / "nothing")
    with pytest.raises(NotFound):
        workspace.forget(str(tmp_path / "nothing"))
