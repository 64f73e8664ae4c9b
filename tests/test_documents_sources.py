"""Records, LlamaIndex documents and the ATT&CK bundle as documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from qrag_lib.documents import Reader, from_llama_index, from_records, from_stix, looks_like_stix
from qrag_lib.documents.stix import KINDS
from qrag_lib.errors import DocumentRefused, SourceError
from qrag_lib.types import Document, Refusal


def test_records_become_documents_and_bad_lines_are_refused_one_by_one() -> None:
    lines = ['{"id": "a", "text": "um", "metadata": {"ano": 2024}}', "{quebrado", '{"id": "b"}', "",
             '{"text": "x"}', '{"id": "c", "text": " "}', "[1]",
             '{"id": "a", "text": "outra"}', '{"id": 7, "text": "sete"}']  # fmt: skip
    items = list(from_records(lines, source="notas"))
    documents = [item for item in items if isinstance(item, Document)]
    assert [(d.id, d.text, d.source) for d in documents] == [("a", "um", "notas"), ("7", "sete", "notas")]
    assert documents[0].metadata == {"ano": 2024}
    refused = {item.name: item.reason for item in items if isinstance(item, Refusal)}
    assert refused == {"line 2": "broken", "line 3": "broken", "line 5": "broken", "line 6": "empty",
                       "line 7": "broken", "line 8": "broken"}  # fmt: skip


def test_records_with_surrogates_and_controls_can_be_written() -> None:
    (document,) = from_records(['{"id": "a\\u0000", "text": "x\\ud800y", "metadata": {"k\\ud800": ["\\udfff"]}}'])
    assert isinstance(document, Document)
    json.dumps([document.id, document.text, dict(document.metadata)], ensure_ascii=False).encode("utf-8")


def test_a_record_nested_too_deep_is_refused() -> None:
    (refusal,) = from_records(['{"id": ' + "[" * 100_000])
    assert isinstance(refusal, Refusal) and refusal.reason == "broken"


def test_llama_index_documents_come_and_go() -> None:
    from llama_index.core.schema import Document as LlamaDocument

    from qrag_lib.llamaindex.llama_reader import to_llama_index

    given = [
        LlamaDocument(text="olá", id_="1", metadata={"file_name": "a.txt", "tags": ["x", "y"]}),
        LlamaDocument(text=" "),
    ]
    (document,) = from_llama_index(given, source="programa")
    assert (document.id, document.name, document.text, document.source) == ("1", "a.txt", "olá", "programa")
    assert document.metadata["tags"] == "x, y"
    assert to_llama_index(document).get_content() == "olá"


def test_our_reader_serves_a_llama_index_program(tmp_path: Path) -> None:
    from llama_index.core import SimpleDirectoryReader
    from llama_index.core.schema import MetadataMode

    from qrag_lib.llamaindex.llama_reader import QragReader

    (tmp_path / "a.html").write_bytes("<script>x()</script><h1>Ação</h1><p>texto</p>".encode("latin-1"))
    files = SimpleDirectoryReader(str(tmp_path), file_extractor={".html": QragReader()}, raise_on_error=True)
    (document,) = files.load_data()
    assert document.get_content(MetadataMode.EMBED) == "Ação\n\ntexto"
    assert document.metadata["sections"] == [("heading", "Ação", 0, 11, 1)]


def test_a_llama_index_reader_takes_the_place_of_ours(tmp_path: Path) -> None:
    from llama_index.core.readers.base import BaseReader
    from llama_index.core.schema import Document as LlamaDocument

    class Upper(BaseReader):
        def load_data(self, file: Path, **_kwargs: Any) -> list[LlamaDocument]:
            text = file.read_text()
            return [LlamaDocument(text=text.upper(), metadata={"page_label": str(n)}) for n in (1, 2)] if text else []

    (tmp_path / "a.up").write_text("texto")
    (tmp_path / "b.up").write_text("")
    with Reader(readers={".UP": Upper()}) as reader:
        document = reader.read(tmp_path / "a.up")
        with pytest.raises(DocumentRefused, match="no text"):
            reader.read(tmp_path / "b.up")
    assert document.text == "TEXTO\n\nTEXTO" and document.n_pages == 2


def test_an_error_in_a_readers_code_refuses_the_file(tmp_path: Path) -> None:
    from llama_index.core.readers.base import BaseReader

    class Broken(BaseReader):
        def load_data(self, *_args: Any, **_kwargs: Any) -> Any:
            raise ZeroDivisionError("não")

    (tmp_path / "a.up").write_text("texto")
    with Reader(readers={".up": Broken()}) as reader, pytest.raises(DocumentRefused, match="Broken failed: não"):
        reader.read(tmp_path / "a.up")


# -- ATT&CK ------------------------------------------------------------------------------------


def bundle(shared_data: Path, version: str, **options: Any) -> tuple[str, dict[str, Document]]:
    source, documents = from_stix(shared_data / "attack-mobile" / f"mobile-attack-{version}.json", **options)
    return source, {document.id: document for document in documents}


def test_a_new_release_changes_one_text(shared_data: Path) -> None:
    (old_source, old), (source, new) = bundle(shared_data, "17.0"), bundle(shared_data, "17.1")
    assert old_source == source and list(old) == list(new) and len(new) == 1850
    assert sum(old[known].text != new[known].text for known in new) == 1


def test_a_new_release_with_deprecated_software_changes_one_text_and_deletes_two(shared_data: Path) -> None:
    # The two objects that 17.1 dropped were deprecated in 17.0: they only count where these are asked for.
    options = {"include": ("techniques", "mitigations", "relations", "software"), "deprecated": True}
    (_, old), (_, new) = bundle(shared_data, "17.0", **options), bundle(shared_data, "17.1", **options)
    assert sorted(old[known].name for known in old.keys() - new.keys()) == [
        "M1008 Use Device-Provided Credential Storage",
        "S0296 Android Overlay Malware",
    ]
    assert new.keys() <= old.keys() and sum(old[known].text != new[known].text for known in new) == 1


def test_revoked_and_deprecated_are_skipped_and_relations_to_them(shared_data: Path) -> None:
    objects = json.loads((shared_data / "attack-mobile" / "mobile-attack-17.1.json").read_bytes())["objects"]
    dead = {o["id"] for o in objects if o.get("revoked") or o.get("x_mitre_deprecated")}
    _, documents = bundle(shared_data, "17.1", include=tuple(KINDS))
    assert len(dead) == 73 and not dead & documents.keys()
    ends = {d.metadata.get(end) for d in documents.values() for end in ("source_id", "target_id")}
    assert not dead & ends and len(ends) > 100


def test_a_technique_says_what_it_is_and_carries_the_notice(shared_data: Path) -> None:
    _, documents = bundle(shared_data, "17.1", include=("techniques",))
    document = next(d for d in documents.values() if d.metadata["external_id"] == "T1603")
    assert document.text.startswith(
        "T1603 Scheduled Task/Job\n\nTactics: execution, persistence\nPlatforms: Android, iOS"
    )
    assert document.metadata["url"] == "https://attack.mitre.org/techniques/T1603"
    assert "Citation" not in document.text and "The MITRE Corporation" in str(document.metadata["notice"])


def test_limit_takes_the_first_ones_and_unknown_kinds_are_named(shared_data: Path) -> None:
    _, documents = bundle(shared_data, "17.1", limit=5)
    assert list(documents) == list(bundle(shared_data, "17.1")[1])[:5]
    with pytest.raises(SourceError, match="unknown kinds: malwares; known: techniques"):
        bundle(shared_data, "17.1", include=("malwares",))


def test_a_bundle_is_told_by_its_content(tmp_path: Path, shared_data: Path) -> None:
    (tmp_path / "a.json").write_text('{"type": "outra", "objects": []}')
    (tmp_path / "b.json").write_text("[]")
    assert looks_like_stix(shared_data / "attack-mobile" / "mobile-attack-17.0.json")
    assert not any(map(looks_like_stix, (tmp_path / "a.json", tmp_path / "b.json", tmp_path / "nada.json")))
    with pytest.raises(SourceError, match="not a STIX bundle"):
        from_stix(tmp_path / "b.json")
