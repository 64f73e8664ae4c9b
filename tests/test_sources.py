"""What can be ingested, as one stream of items under one name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qrag_lib.documents import FoundFile
from qrag_lib.errors import SourceError
from qrag_lib.ingest.sources import document_id, open_source
from qrag_lib.types import Document, Refusal


def test_a_folder_is_whole_and_named_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    source = open_source(tmp_path)
    assert (source.key, source.whole, source.n_items) == (str(tmp_path.resolve()), True, 1)
    assert [type(item) for item in source.items] == [FoundFile]


def test_a_file_alone_is_no_whole_source(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    source = open_source(tmp_path / "a.txt")
    assert (source.key, source.whole, source.n_items) == (str(tmp_path.resolve()), False, 1)


def test_a_limit_makes_a_source_partial(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_text("x")
    source = open_source(tmp_path, limit=2)
    assert (source.whole, source.n_items, len(list(source.items))) == (False, 2, 2)


def test_records_come_from_a_file_or_from_a_program(tmp_path: Path) -> None:
    records = [{"id": 1, "text": "O rei."}, {"id": 2}]
    (tmp_path / "r.jsonl").write_text("\ufeff" + "\n".join(map(json.dumps, records)))
    for given, key in ((tmp_path / "r.jsonl", str(tmp_path / "r.jsonl")), (records, "records")):
        first, second = open_source(given).items
        assert isinstance(first, Document) and (first.id, first.source) == ("1", key)
        assert isinstance(second, Refusal) and second.reason == "broken"


def test_a_single_record_and_an_empty_list_are_sources() -> None:
    assert [d.id for d in open_source({"id": "a", "text": "x"}).items] == ["a"]
    assert list(open_source([]).items) == []


def test_a_bundle_of_attack_is_known_by_its_collection(shared_data: Path) -> None:
    folder = shared_data / "attack-mobile"
    older, newer = (open_source(folder / f"mobile-attack-17.{n}.json") for n in (0, 1))
    assert older.key == newer.key and older.key.startswith("stix:")
    assert older.whole
    part = open_source(folder / "mobile-attack-17.1.json", include=["techniques"], limit=3)
    assert (part.whole, len(list(part.items))) == (False, 3)


def test_what_is_no_source_names_what_is(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no file or folder") as missing:
        open_source(tmp_path / "nothing")
    assert "relative paths start at" in str(missing.value.hint)
    with pytest.raises(SourceError, match="float cannot be ingested"):
        open_source(3.5)


def test_an_id_belongs_to_one_source_and_one_name() -> None:
    assert document_id("a", "b") == document_id("a", "b")
    assert len({document_id("a", "b"), document_id("ab", ""), document_id("", "ab"), document_id("a\\0", "b")}) == 4
