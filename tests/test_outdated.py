"""A workspace that an earlier version made goes on answering as it did, says so, and is renewed by `reindex`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from qrag_lib.language import ANALYZER
from qrag_lib.settings import Settings
from qrag_lib.types import IndexConfig
from qrag_lib.workspace import Workspace

RECORD = {"id": "aviso", "text": "Aviso da licitação: o CNPJ 11.222.333/0001-81 foi habilitado."}
QUESTION = "11222333000181"


@pytest.fixture
def old(tmp_path: Path, tiny_model: Path) -> Iterator[Workspace]:
    """A workspace with an index of before, and one document."""
    settings = Settings(embedding_model=str(tiny_model), workspace=tmp_path / "w")
    with Workspace.open(settings.workspace, settings=settings) as workspace:
        model_id = workspace.embedders.load(settings.embedding_model, "", "").model_id
        sizes = (settings.chunk_size, settings.chunk_overlap, settings.chunk_unit)
        with workspace.catalog.write():
            workspace.catalog.indexes.create(
                IndexConfig(settings.embedding_model, model_id, *sizes, analyzer="snowball-1", parser="sentences-1")
            )
        workspace.ingest([RECORD])
        yield workspace


def test_it_answers_as_before_whatever_is_ingested(old: Workspace) -> None:
    old.ingest([RECORD, {"id": "outro", "text": "Outro aviso."}])
    active = old.catalog.indexes.active()
    assert active and active.config.analyzer == "snowball-1"
    assert old.search("licitação", mode="lexical")[0].chunk.document_id == "aviso"
    assert not old.search(QUESTION, mode="lexical")


def test_doctor_and_status_tell_it(old: Workspace) -> None:
    diagnosis = old.doctor()
    assert [(each.code, each.hint) for each in diagnosis.findings] == [
        ("outdated", "qrag reindex makes it anew from the stored text")
    ]
    assert diagnosis.healthy and old.doctor(repair=True).healthy
    assert "an earlier version: qrag reindex renews it" in str(old.status())


def test_its_terms_are_mended_as_they_were(old: Workspace) -> None:
    index = old.catalog.indexes.active()
    assert index
    with old.catalog.write():
        old.catalog.database.run(f"DELETE FROM terms_{index.id}")
    assert "terms" in {each.code for each in old.doctor(repair=True).findings}
    assert old.search("licitação", mode="lexical") and not old.search(QUESTION, mode="lexical")


def test_reindex_renews_it_without_embedding_anything(old: Workspace) -> None:
    assert old.reindex().n_embedded == 0
    assert old.search(QUESTION, mode="lexical")[0].chunk.document_id == "aviso"
    assert not old.doctor().findings
    assert "this version" in str(old.status())


def test_what_is_new_is_made_by_this_version() -> None:
    assert IndexConfig("", "", 1, 0).analyzer == ANALYZER and not IndexConfig("", "", 1, 0).outdated


def test_an_index_that_was_cut_otherwise_is_of_before_and_is_not_cut_anew_by_an_ingest(
    tmp_path: Path, tiny_model: Path
) -> None:
    settings = Settings(embedding_model=str(tiny_model), workspace=tmp_path / "w")
    with Workspace.open(settings.workspace, settings=settings) as workspace:
        workspace.ingest([RECORD])
        made = workspace.catalog.indexes.active()
        assert made
        before = replace(made.config, parser="sentences-1")
        with workspace.catalog.write():
            workspace.catalog.indexes.activate(workspace.catalog.indexes.create(before).id)
        assert workspace.ingest([RECORD, {"id": "outro", "text": "Outro aviso."}]).n_embedded == 1
        assert workspace.catalog.indexes.active().config == before
        assert "outdated" in {each.code for each in workspace.doctor().findings}
        assert workspace.reindex().n_embedded == 0
        assert workspace.catalog.indexes.active().config == made.config


def test_a_parser_of_the_users_is_no_version_of_ours() -> None:
    ours, theirs = (
        IndexConfig("", "", 1, 0, parser="sentences-1"),
        IndexConfig("", "", 1, 0, parser="SentenceSplitter-1"),
    )
    assert ours.outdated and ours.cut_by_ours and not theirs.outdated and not theirs.cut_by_ours
    assert IndexConfig("", "", 1, 0).with_ways_of(ours).parser == "sentences-1"
    assert IndexConfig("", "", 1, 0).with_ways_of(theirs).parser == IndexConfig("", "", 1, 0).parser
