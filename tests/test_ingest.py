"""What ingest takes, keeps, replaces and deletes; what has not changed costs nothing."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from local_models.embedding.sentence_embedding import open_embedding
from qrag_lib.catalog.stored_documents import SOURCES
from qrag_lib.chunking.chunker import chunk
from qrag_lib.documents import Reader, from_stix
from qrag_lib.errors import NothingRead, SourceError
from qrag_lib.ingest.sources import Source
from qrag_lib.settings import Settings
from qrag_lib.types import Document, IndexConfig, IngestReport
from qrag_lib.workspace import Workspace

Open = Callable[..., Workspace]


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    (folder / "sub").mkdir(parents=True)
    for name, text in {
        "a.txt": "O prazo é de trinta dias.",
        "b.md": "# Lei\n\nO rei.",
        "sub/c.txt": "A roupa.",
    }.items():
        (folder / name).write_text(text)
        age(folder / name)
    return folder


def age(path: Path) -> None:
    """Make a file's times some seconds old: one that was written just now is looked at again."""
    subprocess.run(["touch", "-d", "2020-01-01", str(path)], check=True)


@pytest.fixture
def open_workspace(tmp_path: Path, tiny_model: Path) -> Iterator[Open]:
    opened = []

    def open_one(**settings: Any) -> Workspace:
        values = {"embedding_model": str(tiny_model), "workspace": tmp_path / "w"} | settings
        opened.append(Workspace.open(values["workspace"], settings=Settings(**values)))
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


@pytest.fixture
def workspace(open_workspace: Open) -> Workspace:
    return open_workspace()


def names(workspace: Workspace) -> list[str]:
    return [row.name for row in workspace.documents()]


def states(workspace: Workspace) -> dict[str, str]:
    return {row.name: row.state for row in workspace.documents()}


def texts(workspace: Workspace) -> set[str]:
    """Everything that a search can find."""
    return {hit.chunk.text for hit in workspace.search("prazo rei roupa", 1000)}


def quiet(*_told: object) -> None:
    pass


def test_all_good_files_of_a_folder_are_found(workspace: Workspace, docs: Path) -> None:
    report = workspace.ingest(docs)
    assert report.added == ("a.txt", "b.md", "sub/c.txt")
    assert report.n_embedded == report.n_chunks == 3
    assert texts(workspace) == {"O prazo é de trinta dias.", "# Lei\n\nO rei.", "A roupa."}


def test_what_has_not_changed_does_not_even_load_the_model(
    workspace: Workspace, open_workspace: Open, docs: Path
) -> None:
    workspace.ingest(docs)
    again = open_workspace()
    report = again.ingest(docs)
    assert (report.unchanged, report.n_embedded, report.added) == (3, 0, ())
    assert again.embedders._loaded == {}


def test_a_touched_file_is_read_and_found_unchanged(workspace: Workspace, docs: Path) -> None:
    workspace.ingest(docs)
    os.utime(docs / "a.txt")
    report = workspace.ingest(docs)
    assert (report.unchanged, report.n_embedded, report.changed) == (3, 0, ())


def test_a_change_within_one_tick_of_the_clock_is_seen(workspace: Workspace, docs: Path) -> None:
    for number in range(5):
        (docs / "a.txt").write_text(f"O prazo é de {number} dias.")
        workspace.ingest(docs)
    assert f"O prazo é de {number} dias." in texts(workspace)


def test_the_old_version_answers_until_the_new_one_is_committed(
    workspace: Workspace, open_workspace: Open, docs: Path
) -> None:
    workspace.ingest(docs)
    other, seen = open_workspace(), []
    (docs / "a.txt").write_text("O prazo é de sessenta dias.")

    def tell(stage: str, done: int, *_rest: object) -> None:
        seen.append(
            (stage, done, "O prazo é de trinta dias." in texts(other), "O prazo é de sessenta dias." in texts(other))
        )

    report = workspace.ingest(docs, on_progress=tell)
    assert report.changed == ("a.txt",)
    assert {(old, new) for stage, done, old, new in seen if (stage, done) != ("store", 1)} == {(True, False)}
    assert seen[-1][2:] == (False, True)


def test_a_deleted_file_vanishes_everywhere(workspace: Workspace, docs: Path) -> None:
    workspace.ingest(docs)
    (docs / "sub" / "c.txt").unlink()
    report = workspace.ingest(docs)
    assert report.deleted == ("sub/c.txt",)
    assert names(workspace) == ["a.txt", "b.md"]
    assert "A roupa." not in texts(workspace)
    assert workspace.doctor().healthy


def test_an_emptied_folder_does_not_wipe_the_workspace(workspace: Workspace, docs: Path) -> None:
    workspace.ingest(docs)
    for file in list(docs.rglob("*.*")):
        file.unlink()
    with pytest.raises(NothingRead, match="there is nothing to read in") as caught:
        workspace.ingest(docs)
    assert "3 documents of it were kept" in str(caught.value.hint)
    assert len(names(workspace)) == 3


@pytest.mark.parametrize("options", [{"limit": 1}, {"delete_missing": False}])
def test_a_part_of_a_source_deletes_nothing(workspace: Workspace, docs: Path, options: dict[str, Any]) -> None:
    workspace.ingest(docs)
    (docs / "b.md").unlink()
    assert workspace.ingest(docs, **options).deleted == ()
    assert len(names(workspace)) == 3


def test_a_refused_new_version_leaves_the_old_one_answering(workspace: Workspace, docs: Path) -> None:
    workspace.ingest(docs)
    (docs / "a.txt").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 9)
    report = workspace.ingest(docs)
    assert [r.name for r in report.refused] == ["a.txt"]
    assert states(workspace)["a.txt"] == "stale"
    assert "O prazo é de trinta dias." in texts(workspace)
    (docs / "a.txt").write_text("O prazo é de trinta dias.")
    assert workspace.ingest(docs).refused == ()
    assert states(workspace)["a.txt"] == "ready"


def test_a_file_that_became_a_link_keeps_its_last_version(workspace: Workspace, docs: Path) -> None:
    workspace.ingest(docs)
    (docs / "a.txt").unlink()
    (docs / "a.txt").symlink_to("/etc/hostname")
    workspace.ingest(docs)
    assert states(workspace)["a.txt"] == "stale"


def test_a_refused_file_is_tried_again_under_other_limits(open_workspace: Open, docs: Path) -> None:
    tight = open_workspace(max_file_mib=0.00001)
    assert len(tight.ingest(docs).refused) == 2  # two of the three are longer than 10 bytes
    tight.close()
    report = open_workspace().ingest(docs)
    assert (len(report.added), report.refused) == (2, ())


def test_a_file_and_its_folder_give_one_document(workspace: Workspace, docs: Path, monkeypatch: Any) -> None:
    workspace.ingest(docs / "a.txt")
    workspace.ingest(docs)
    monkeypatch.chdir(docs / "sub")
    report = workspace.ingest(["../a.txt", docs / "a.txt", docs])
    assert (report.added, report.refused, report.unchanged) == ((), (), 3)
    assert names(workspace) == ["a.txt", "b.md", "sub/c.txt"]


def test_a_folder_behind_a_link_is_the_same_folder(workspace: Workspace, docs: Path, tmp_path: Path) -> None:
    workspace.ingest(docs)
    (tmp_path / "link").symlink_to(docs)
    assert workspace.ingest(tmp_path / "link").unchanged == 3
    assert len(names(workspace)) == 3


def test_what_is_no_file_is_refused_and_nothing_waits_for_it(workspace: Workspace, docs: Path) -> None:
    os.mkfifo(docs / "pipe")
    (docs / "loop").symlink_to(docs)
    (docs / "dangling").symlink_to("nowhere")
    (docs / ".hidden").write_text("segredo")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(docs / "socket"))
    report = workspace.ingest(docs)
    listener.close()
    assert {(r.name, r.reason) for r in report.refused} == {
        (name, "not_a_file") for name in ("pipe", "loop", "dangling", "socket")
    }
    assert len(report.added) == 3
    assert states(workspace)["loop"] == "refused"


def test_names_of_all_kinds_are_ingested_shown_and_forgotten(
    workspace: Workspace, shared_data: Path, tmp_path: Path
) -> None:
    hostile = json.loads((shared_data / "files" / "hostile-filenames.json").read_text())
    folder = tmp_path / "names"
    folder.mkdir()
    wanted = [n for n in hostile if "/" not in n and "\0" not in n and len(n.encode()) < 256 and not n.startswith(".")]
    raw = [*map(os.fsencode, wanted), b"byte\xe7\xff.txt", b"back\\slash.txt"]
    for number, name in enumerate(raw):
        (folder / os.fsdecode(name)).write_text(f"Documento de número {number}.")
    report = workspace.ingest(folder)
    assert (len(report.added), report.refused) == (len(raw), ())
    shown = [(row.id, row.name) for row in workspace.documents()]
    assert len({name for _id, name in shown}) == len(raw)
    for identity, name in shown:
        assert workspace.show(identity).name == name
        assert name.encode() and name.isprintable() | (not name.isascii())
    assert workspace.doctor().findings == ()
    assert workspace.ingest(folder).unchanged == len(raw)
    assert len(workspace.forget([name for _id, name in shown]).left) == len(raw)


def test_a_folder_with_an_undecodable_name_is_a_source(workspace: Workspace, tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/pasta\xe7"))
    folder.mkdir()
    (folder / "a.txt").write_text("O rei.")
    (folder / "b.txt").write_text("A roupa.")
    workspace.ingest(folder)
    (folder / "b.txt").unlink()
    assert workspace.ingest(folder).deleted == ("b.txt",)


def test_a_deep_tree_is_walked_to_its_end(workspace: Workspace, tmp_path: Path) -> None:
    deep = tmp_path / "deep" / "/".join("d" * 60)
    deep.mkdir(parents=True)
    (deep / "a.txt").write_text("O rei de Roma.")
    assert workspace.ingest(tmp_path / "deep").added == ("/".join("d" * 60) + "/a.txt",)


def test_documents_behind_a_folder_that_cannot_be_opened_are_kept(
    open_workspace: Open, docs: Path, tmp_path: Path, tiny_model: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("root may become another user, whom permissions hold")
    open_workspace().ingest(docs)
    for path in [tmp_path, *tmp_path.parents][:3]:
        path.chmod(0o755)
    subprocess.run(["chmod", "-R", "a+rwX", str(tmp_path)], check=True)
    (docs / "sub").chmod(0)
    report = as_nobody(tmp_path / "w", docs, tiny_model)
    assert report == {"deleted": [], "refused": [["sub", "unreadable"]], "unchanged": 2, "kept": True}


def as_nobody(workspace: Path, source: Path, model: Path) -> Any:
    """What an ingest by a user without rights reports."""
    code = """
import json, os, sys
from qrag_lib.settings import Settings
from qrag_lib.workspace import Workspace
w = Workspace.open(sys.argv[1], settings=Settings(workspace=sys.argv[1], embedding_model=sys.argv[3]))
w.ingest(sys.argv[2]), w.documents()  # root may read the libraries, and every folder
w.close()
os.setgid(65534)
os.setuid(65534)
w = Workspace.open(sys.argv[1], settings=Settings(workspace=sys.argv[1], embedding_model=sys.argv[3]))
r = w.ingest(sys.argv[2])
kept = "sub/c.txt" in [row.name for row in w.documents() if row.state == "ready"]
refused = [(x.name, x.reason) for x in r.refused]
print(json.dumps({"deleted": r.deleted, "refused": refused, "unchanged": r.unchanged, "kept": kept}))
"""
    command = [sys.executable, "-c", code, str(workspace), str(source), str(model)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_no_statement_of_an_ingest_walks_through_a_whole_table(workspace: Workspace) -> None:
    records = [{"id": f"r{n}", "text": f"O rio {n} corre para o mar."} for n in range(5)]
    statements: set[str] = set()
    database = workspace.catalog.database
    connection, reading = database._writer, database._readers.connection()
    assert connection is not None
    connection.set_trace_callback(statements.add)
    reading.set_trace_callback(statements.add)
    workspace.ingest(records)
    workspace.ingest([{"id": "r1", "text": "O rio secou."}, *records[2:]])
    connection.set_trace_callback(None)
    reading.set_trace_callback(None)
    asked = [sql for sql in statements if sql.startswith(("SELECT", "INSERT", "UPDATE", "DELETE"))]
    asked.remove(SOURCES)  # once, at the end
    asked.remove("DELETE FROM vectors WHERE text_hash NOT IN (SELECT text_hash FROM chunks)")  # once, at the end
    plans = {sql: [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}")] for sql in asked}
    growing = ("SCAN documents", "SCAN chunks", "SCAN indexed", "SCAN texts", "SCAN vectors")
    assert len(plans) > 10
    assert [sql for sql, plan in plans.items() if any(step in growing for step in plan)] == []


def test_records_are_added_changed_renamed_and_deleted(workspace: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"

    def ingest(*records: dict[str, Any]) -> IngestReport:
        file.write_text("\n".join(json.dumps(record) for record in records))
        return workspace.ingest(file)

    assert len(ingest({"id": "1", "text": "O rei."}, {"id": "2", "text": "A roupa."}).added) == 2
    report = ingest({"id": "1", "text": "O rei de Roma."}, {"id": "3", "text": "O rato."})
    assert (report.changed, report.added, report.deleted) == (("1",), ("3",), ("2",))
    report = ingest({"id": "1", "text": "O rei de Roma.", "title": "Rei"}, {"id": "3", "text": "O rato."})
    assert (report.added, report.deleted, report.refused) == ((), (), ())
    assert names(workspace) == ["3", "Rei"]


def test_a_line_that_cannot_be_read_deletes_nothing(workspace: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    file.write_text('{"id": "1", "text": "O rei."}\n{"id": "2", "text": "A roupa."}')
    workspace.ingest(file)
    file.write_text('{"id": "1", "text": "O rei."}\n{"id": "2", "te')
    report = workspace.ingest(file)
    assert (report.deleted, len(report.refused)) == ((), 1)
    assert "1 document was kept" in report.notes[0]


def test_two_sources_with_the_same_ids_do_not_replace_each_other(workspace: Workspace, tmp_path: Path) -> None:
    for name, text in (("a.jsonl", "O rei."), ("b.jsonl", "A roupa.")):
        (tmp_path / name).write_text(json.dumps({"id": "1", "text": text}))
    workspace.ingest(tmp_path / "a.jsonl")
    with pytest.raises(NothingRead) as caught:
        workspace.ingest(tmp_path / "b.jsonl")
    report = caught.value.report
    assert isinstance(report, IngestReport)
    assert "belongs to a document of" in report.refused[0].message
    assert texts(workspace) == {"O rei."}
    (tmp_path / "a.jsonl").rename(tmp_path / "c.jsonl")  # the same records under another name are no conflict
    assert workspace.ingest(tmp_path / "c.jsonl").unchanged == 1


def test_llama_index_documents_are_ingested_once(workspace: Workspace) -> None:
    from llama_index.core import Document as LlamaDocument

    given = [LlamaDocument(text="O rei de Roma.", id_="rei", metadata={"ano": 1988})]
    assert workspace.ingest(given).added == ("rei",)
    assert workspace.ingest(given).unchanged == 1
    assert workspace.show("rei").metadata["ano"] == 1988


def test_documents_that_cannot_be_stored_as_they_are(workspace: Workspace) -> None:
    report = workspace.ingest([Document("a", "a", "lone \ud800 surrogate"), Document("b", "b", " \n")])
    assert (report.added, [r.reason for r in report.refused]) == (("a",), ["empty"])
    assert workspace.show("a").text == "lone \ufffd surrogate"


def test_what_is_no_source_is_told(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no file or folder"):
        workspace.ingest(tmp_path / "nothing")
    with pytest.raises(SourceError, match="int cannot be ingested"):
        workspace.ingest(3)


@pytest.mark.parametrize("change", [{"chunk_size": 20, "chunk_overlap": 4}, {"embedding_model": "other"}])
def test_new_settings_make_a_new_index_and_the_old_ones_take_it_back(
    open_workspace: Open, docs: Path, tmp_path: Path, tiny_model: Path, change: dict[str, Any]
) -> None:
    if "embedding_model" in change:
        from tiny_model import make_tiny_model

        change = {"embedding_model": str(make_tiny_model(tmp_path / "other", seed=1))}
    first = open_workspace()
    first.ingest(docs)
    before = first.catalog.indexes.active()
    second = open_workspace(**change)
    assert texts(second) == texts(first)  # what answers goes by its own model and sizes
    second.ingest(docs)
    after = second.catalog.indexes.active()
    assert before and after and before.id != after.id
    report = open_workspace().reindex()
    assert report.n_embedded == 0
    assert first.catalog.indexes.active() == replace(before, active=True, fit=before.fit)


def test_a_third_index_leaves_nothing_of_the_first(open_workspace: Open, docs: Path) -> None:
    for size in (200, 20, 12):
        workspace = open_workspace(chunk_size=size, chunk_overlap=4)
        workspace.ingest(docs)
    assert len(workspace.catalog.indexes.all()) == 2
    assert workspace.doctor().findings == ()


def test_attack_17_1_embeds_the_one_text_that_changed(workspace: Workspace, shared_data: Path) -> None:
    """Most documents of a release, and the two objects that 17.1 has dropped: MITRE had deprecated both."""
    key, kinds = "stix:mobile", ("mitigations", "software", "relations")

    def ingest(version: str) -> IngestReport:
        path = shared_data / "attack-mobile" / f"mobile-attack-{version}.json"
        _key, found = from_stix(path, kinds, deprecated=True)
        kept = [replace(d, source=key) for d in found if "relation" not in d.metadata or "Endpoint" in d.name]
        with Reader() as reader:
            return workspace._indexer.ingest(Source(key, iter(kept), whole=True), reader, quiet, delete_missing=True)

    ingest("17.0")
    report = ingest("17.1")
    assert report.changed == ("LightSpy uses Endpoint Denial of Service",)
    assert len(report.deleted) == 2
    assert report.n_embedded <= report.n_chunks <= 2  # one passage for the packaged model, two for the tiny one
    text = workspace.show(report.changed[0])
    minilm = open_embedding()
    assert len(chunk(text, minilm, IndexConfig("minilm", minilm.model_id, 200, 40))) == 1
