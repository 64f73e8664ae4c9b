"""A workspace as a whole: opened by many, right after every sequence of changes."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from crew import Crew
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from qrag_lib.errors import NotFound, QragError, WorkspaceDamaged, WorkspaceNotFound
from qrag_lib.settings import Settings
from qrag_lib.types import Document, text_hash
from qrag_lib.workspace import Workspace

TEXTS = [
    "O rato roeu a roupa do rei de Roma. O prazo é de trinta dias.",
    "The quick brown fox jumps over the lazy dog.",
    "A lei número dez. O rei de Roma. A roupa do rato.",
    "Prazo de trinta dias. " * 12,
    "rei",
]


def settings_for(folder: Path, model: Path, **values: object) -> Settings:
    return Settings(workspace=folder, embedding_model=str(model), **values)  # type: ignore[arg-type]


@pytest.fixture
def workspace(tmp_path: Path, tiny_model: Path):  # type: ignore[no-untyped-def]
    with Workspace.open(tmp_path / "w", settings=settings_for(tmp_path / "w", tiny_model)) as opened:
        opened.ingest([Document(f"d{n}", f"{n}.txt", text) for n, text in enumerate(TEXTS)])
        yield opened


def test_a_workspace_that_is_not_there_is_not_made_unasked(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceNotFound, match="there is no workspace"):
        Workspace.open(tmp_path / "w", create=False)
    (tmp_path / "file").write_text("x")
    with pytest.raises(WorkspaceNotFound, match="no workspace can be made"):
        Workspace.open(tmp_path / "file" / "w")


def test_an_empty_workspace_says_what_to_do(tmp_path: Path) -> None:
    with Workspace.open(tmp_path / "w", settings=Settings(workspace=tmp_path / "w")) as empty:
        for question in (empty.search, empty.ask):
            with pytest.raises(NotFound, match="holds no documents") as told:
                question("Quem é o rei?")
            assert "qrag ingest FOLDER" in str(told.value.hint)
        assert list(empty.documents()) == []
        assert empty.doctor().healthy
        assert empty.status().n_documents == 0


def test_many_processes_open_a_new_workspace_at_once(crew: Crew, tmp_path: Path) -> None:
    hands = [crew.start("look", tmp_path / "w") for _ in range(8)]
    assert [hand.wait().get("names") for hand in hands] == [[]] * 8


def test_a_passage_is_what_a_hit_quotes(workspace: Workspace) -> None:
    for hit in workspace.search("prazo de trinta dias"):
        assert workspace.passage(hit.chunk.document_id, hit.chunk.start, hit.chunk.end) == hit.chunk.text


def test_the_state_is_shown_in_figures(workspace: Workspace) -> None:
    state = workspace.status()
    assert (state.n_documents, state.n_refused, state.writer, state.chroma) == (5, 0, "", "")
    assert state.bytes["catalog.db"] > 10_000
    assert "5" in str(state)


def test_a_document_that_was_refused_is_not_shown(workspace: Workspace) -> None:
    workspace.ingest([Document("empty", "empty.txt", " ")])
    with pytest.raises(NotFound, match="was refused"):
        workspace.show("empty")


def test_threads_search_while_one_writes(workspace: Workspace) -> None:
    errors: list[BaseException] = []

    def search() -> None:
        try:
            for _ in range(20):
                assert workspace.search("rei de Roma", 3)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    workspace.ingest([Document(f"more{n}", f"more{n}", f"Mais um rei, o de número {n}.") for n in range(30)])
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_file_in_the_place_of_the_catalogue_is_told(tmp_path: Path) -> None:
    (tmp_path / "catalog.db").write_text("not a database " * 500)
    with pytest.raises(WorkspaceDamaged, match="cannot be read as a catalogue"):
        Workspace.open(tmp_path, settings=Settings(workspace=tmp_path))


class AnySequence(RuleBasedStateMachine):
    """Add, change, remove, forget, reindex in any order: what is found is the truth, by brute force."""

    model: Path
    ids = st.sampled_from([f"d{n}" for n in range(6)])

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.truth: dict[str, str] = {}
        self.sizes = (48, 8)
        self.open()

    def open(self) -> None:
        folder = Path(self.folder.name)
        made = settings_for(folder, self.model, chunk_size=self.sizes[0], chunk_overlap=self.sizes[1])
        self.workspace = Workspace.open(folder, settings=made)

    @rule(documents=st.dictionaries(ids, st.sampled_from(TEXTS), min_size=1))
    def put(self, documents: dict[str, str]) -> None:
        before = dict(self.truth)
        self.truth |= documents
        report = self.workspace.ingest([Document(name, name, text) for name, text in documents.items()])
        assert set(report.added) == documents.keys() - before.keys()
        assert set(report.changed) == {
            name for name in documents.keys() & before.keys() if before[name] != documents[name]
        }

    @rule(name=ids)
    def forget(self, name: str) -> None:
        if self.truth.pop(name, None) is None:
            with pytest.raises(NotFound):
                self.workspace.forget(name)
        else:
            assert sum(self.workspace.forget(name).remaining.values()) == 0

    @rule(sizes=st.sampled_from([(48, 8), (24, 4), (200, 40)]))
    def reindex(self, sizes: tuple[int, int]) -> None:
        self.workspace.close()
        self.sizes = sizes
        self.open()
        self.workspace.reindex()

    @rule()
    def open_again(self) -> None:
        self.workspace.close()
        self.open()

    @invariant()
    def what_is_found_is_the_truth(self) -> None:
        catalog = self.workspace.catalog
        index = catalog.indexes.active()
        assert {row.id for row in self.workspace.documents()} == self.truth.keys()
        if index is None or not self.truth:
            return
        embedding = self.workspace.embedders.of(index)
        chunks = catalog.chunks.get(catalog.chunks.rows(index.id))
        assert {c.document_id for c in chunks.values()} == self.truth.keys()
        assert all(self.truth[c.document_id][c.start : c.end] == c.text for c in chunks.values())
        question = embedding.encode(["rei de Roma"], kind="query")[0]
        vectors = embedding.encode([c.embedded_text for c in chunks.values()])
        expected = sorted(zip((vectors @ question).tolist(), chunks, strict=True), reverse=True)
        found = self.workspace.dense.search(index, question, len(chunks))
        assert {row for row, _score in found} == set(chunks)
        assert np.allclose([score for _row, score in found], [score for score, _row in expected], atol=2e-3)
        known = catalog.vectors.known(index.model_id, [text_hash(c.embedded_text) for c in chunks.values()])
        assert len(known) == len({c.embedded_text for c in chunks.values()})

    def teardown(self) -> None:
        if hasattr(self, "workspace"):
            assert self.workspace.doctor().healthy, str(self.workspace.doctor())
            self.workspace.close()
            self.folder.cleanup()


def test_any_sequence_of_changes_ends_in_the_truth(tiny_model: Path) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    AnySequence.model = tiny_model
    bounds = settings(max_examples=12, stateful_step_count=8, deadline=None, derandomize=True, database=None,
                      suppress_health_check=list(HealthCheck))  # fmt: skip
    run_state_machine_as_test(AnySequence, settings=bounds)


def test_an_index_answers_with_its_own_prefixes_until_the_new_one_is_built(
    workspace: Workspace, tiny_model: Path
) -> None:
    before = [hit.chunk.id for hit in workspace.search("rei de Roma", 3)]
    changed = settings_for(workspace.path, tiny_model, embedding_query_prefix="query: ")
    with Workspace.open(workspace.path, settings=changed) as other:
        assert [hit.chunk.id for hit in other.search("rei de Roma", 3)] == before
        other.reindex()
        index = other.catalog.indexes.active()
        assert index is not None and index.config.query_prefix == "query: "
    assert len(workspace.search("rei de Roma", 3)) == 3


def test_no_passages_at_all_is_refused_and_not_taken_for_the_default(workspace: Workspace) -> None:
    for verb in (workspace.search, workspace.ask):
        with pytest.raises(QragError, match="0"):
            verb("rei de Roma", 0)


@pytest.mark.parametrize("questions", ["Quem é o rei?", ["Quem é o rei?", 3]])
def test_questions_that_are_no_list_of_texts_are_refused(questions: Any, workspace: Workspace) -> None:
    with pytest.raises(QragError, match="the questions are not a list of texts"):
        workspace.ask_many(questions)
