"""Chunks: exact spans, whole coverage, within the embedder's limit, cut where a reader would."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_models.embedding.sentence_embedding import SentenceEmbedding, open_embedding
from qrag_lib.chunking.chunker import chunk, chunk_many
from qrag_lib.chunking.outline import fit_headings, shorten
from qrag_lib.errors import SettingsError
from qrag_lib.types import Chunk, Document, IndexConfig, Section


class Words:
    """An embedder's tokenizer that is easy to count: a word is a piece, and each ten characters of a long one."""

    def __init__(self, max_tokens: int = 32) -> None:
        self.max_tokens = max_tokens
        self.overhead_tokens = 2

    def token_spans_many(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        return [[m.span() for m in re.finditer(r"\S{1,10}", text)] for text in texts]


@pytest.fixture(scope="module")
def minilm() -> SentenceEmbedding:
    return open_embedding()


def config(size: int = 20, overlap: int = 0, unit: str = "tokens") -> IndexConfig:
    return IndexConfig("m", "m", size, overlap, unit)  # type: ignore[arg-type]


def document(text: str, *sections: Section) -> Document:
    return Document("d", "d.txt", text, sections)


def check(doc: Document, chunks: Sequence[Chunk], embedder: Words) -> None:
    """What holds for the chunks of any document."""
    covered = bytearray(len(doc.text))
    for n, each in enumerate(chunks):
        assert each.text == doc.text[each.start : each.end] and each.id == f"d#{n}" and each.ordinal == n
        covered[each.start : each.end] = b"\1" * (each.end - each.start)
        assert len(embedder.token_spans_many([each.embedded_text])[0]) <= embedder.max_tokens - embedder.overhead_tokens
    assert all(inside or doc.text[n].isspace() for n, inside in enumerate(covered))


def numbered(n: int, words: int = 4) -> str:
    return " ".join(f"Frase {k} " + "muito " * (words - 3) + "fim." for k in range(n))


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["Olá mundo. ", "x" * 47, " ", "\n", "\n\n", "# T\n", "| a |\n", "```\n", "é. B ", "- i\n", "。"]
        ),
        max_size=60,
    ),
    st.integers(1, 40),
    st.integers(0, 39),
    st.sampled_from(["tokens", "characters"]),
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300), st.integers(0, 6), st.text(max_size=60)), max_size=4),
)
def test_every_character_is_in_a_chunk_that_fits(
    parts: list[str], size: int, overlap: int, unit: str, marks: list[tuple[int, int, int, str]]
) -> None:
    sections = [
        Section("heading" if level else "page", label, start, start + length, level)
        for start, length, level, label in marks
    ]
    doc, embedder = document("".join(parts), *sections), Words()
    check(doc, chunk(doc, embedder, config(size, min(overlap, size - 1), unit)), embedder)


def test_chunks_end_with_sentences_and_hold_no_more_than_their_size() -> None:
    chunks = chunk(document(numbered(40)), Words(), config(20))
    assert all(each.text.endswith("fim.") for each in chunks)
    assert all(len(each.text.split()) <= 20 for each in chunks) and len(chunks) == 8


def test_overlap_is_whole_sentences_within_its_size() -> None:
    chunks = chunk(document(numbered(40)), Words(), config(20, 9))
    for before, after in pairwise(chunks):
        shared = before.end - after.start
        assert shared > 0 and after.text.startswith("Frase")
        assert len(after.text[:shared].split()) == 8


def test_characters_are_a_unit_of_size_too() -> None:
    chunks = chunk(document(numbered(40)), Words(), config(80, 25, "characters"))
    assert all(len(each.text) <= 80 for each in chunks)
    assert max(len(each.text) for each in chunks) > 60 and chunks[1].start < chunks[0].end


def test_paragraphs_are_preferred_as_ends() -> None:
    first, second = numbered(3), numbered(4)
    assert [c.text for c in chunk(document(f"{first}\n\n{second}"), Words(), config(20))] == [first, second]


def test_a_heading_begins_a_chunk_and_is_carried_by_the_next_ones() -> None:
    text = f"{numbered(4)}\n\n# Prazo\n\n{numbered(8)}"
    at = text.index("# Prazo")
    chunks = chunk(document(text, Section("heading", "Prazo", at, len(text), 1)), Words(), config(20))
    assert chunks[1].start == at and chunks[1].headings == () and chunks[2].headings == ("Prazo",)
    assert chunks[2].embedded_text.startswith("Prazo\nFrase")


def test_tiny_sections_are_merged() -> None:
    text = "# A\n\nUm.\n\n# B\n\nDois.\n\n# C\n\nTrês."
    sections = [Section("heading", label, text.index(f"# {label}"), len(text), 1) for label in "ABC"]
    assert len(chunk(document(text, *sections), Words(), config(24))) == 1


def test_sheets_are_not_crossed_and_pages_may_be() -> None:
    text = f"{numbered(3)}\n{numbered(3)}"
    half = text.index("\n") + 1
    for kind, expected in (("sheet", [0, half]), ("page", [0])):
        sections = [Section(kind, "1", 0, half), Section(kind, "2", half, len(text))]  # type: ignore[arg-type]
        chunks = chunk(document(text, *sections), Words(), config(28))
        assert [c.start for c in chunks] == expected and chunks[-1].page == ("2" if kind == "sheet" else "1")


def test_a_table_and_a_code_block_stay_whole_where_they_fit() -> None:
    table = "\n".join(["| a | b |"] * 3)
    code = "```\nx = 1\n\ny = 2\n```"
    chunks = [c.text for c in chunk(document(f"{numbered(3)}\n\n{table}\n\n{code}"), Words(), config(20))]
    assert any(table in text for text in chunks) and any(code in text for text in chunks)


def test_one_huge_sentence_is_split_between_words() -> None:
    text = "palavra " * 60
    chunks = chunk(document(text), Words(), config(20))
    assert len(chunks) == 3 and all(each.text.split() == ["palavra"] * 20 for each in chunks)


def test_a_megabyte_in_one_word_is_split() -> None:
    doc = document("x" * 1_000_000)
    embedder = Words(256)
    check(doc, chunk(doc, embedder, config(200, 40)), embedder)


def test_long_headings_are_shortened_so_that_the_text_has_room() -> None:
    text = numbered(20)
    sections = [Section("heading", f"{n} " + "título muito longo " * 30, 0, len(text), n) for n in (1, 2, 3)]
    doc, embedder = document(text, *(replace(s, start=0) for s in sections)), Words()
    chunks = chunk(doc, embedder, config(30))
    check(doc, chunks, embedder)
    assert all(len(" > ".join(c.headings).split()) <= 7 for c in chunks) and chunks[-1].headings


def test_the_nearest_heading_is_the_last_to_go() -> None:
    assert fit_headings(("one two", "three four"), 3, lambda text: len(text.split())) == ("three four",)
    assert fit_headings(("one two three four five",), 3, lambda text: len(text.split()))[0].endswith("…")
    assert shorten("a  b\nc") == "a b c" and len(shorten("word " * 99)) <= 120


def test_a_chunk_has_the_language_of_its_text_or_of_its_document() -> None:
    portuguese = "A lei foi criada para os alunos que ainda não têm bolsa nesta universidade. " * 3
    english = "The rector is the person who signs all of the decrees of this university. " * 3
    chunks = chunk(document(portuguese + "\n\n" + english + "\n\n" + portuguese), Words(64), config(48))
    assert [c.language for c in chunks] == ["pt", "en", "pt"]
    assert chunk(document(portuguese + "\n\n1 2 3"), Words(), config(20))[-1].language == "pt"


@pytest.mark.parametrize(("size", "overlap"), [(0, 0), (10, 10), (10, -1)])
def test_sizes_without_sense_are_refused(size: int, overlap: int) -> None:
    with pytest.raises(SettingsError, match=f"chunk_size {size}"):
        chunk(document("a"), Words(), config(size, overlap))


def test_an_empty_document_has_no_chunk() -> None:
    assert chunk(document(" \n\n "), Words(), config()) == []


def test_many_documents_give_what_each_gives_alone() -> None:
    docs = [document(numbered(n)) for n in (3, 0, 30)]
    assert list(chunk_many(docs, Words(), config(20, 5))) == [chunk(d, Words(), config(20, 5)) for d in docs]


def test_real_documents_are_covered_and_fit_the_real_model(shared_data: Path, minilm: SentenceEmbedding) -> None:
    folder = shared_data / "docs" / "constituicao-pt"
    texts = [path.read_text()[:60_000] for path in sorted(folder.glob("*.md"))]
    docs = [document(text, Section("heading", "Constituição", 0, len(text), 1)) for text in texts]
    for doc, chunks in zip(docs, chunk_many(docs, minilm, config(200, 40)), strict=True):
        check(doc, chunks, minilm)  # type: ignore[arg-type]
        assert {c.language for c in chunks} == {"pt"}


def test_a_word_cut_in_pieces_still_fits_the_real_model(minilm: SentenceEmbedding) -> None:
    doc = document("abcde1f2_" * 3_000 + " fim " + "ção" * 4_000)
    check(doc, chunk(doc, minilm, config(254, 0)), minilm)  # type: ignore[arg-type]


def test_our_chunker_is_a_llama_index_node_parser() -> None:
    from llama_index.core.ingestion import IngestionPipeline
    from llama_index.core.schema import Document as LlamaDocument

    from qrag_lib.llamaindex.node_parser import SentenceChunker

    text = "Eco. " * 60
    parser = SentenceChunker(embedding=Words(), chunk_size=20, chunk_overlap=4)
    nodes = IngestionPipeline(transformations=[parser]).run(documents=[LlamaDocument(text=text, id_="d")])
    expected = chunk(document(text), Words(), config(20, 4))
    assert [(n.start_char_idx, n.end_char_idx) for n in nodes] == [(c.start, c.end) for c in expected]
    assert all(node.ref_doc_id == "d" for node in nodes)


def test_another_node_parser_can_take_its_place() -> None:
    from llama_index.core.node_parser import SentenceSplitter

    doc, embedder = document(numbered(60)), Words()
    chunks = chunk(doc, embedder, config(), SentenceSplitter(chunk_size=60, chunk_overlap=0))
    check(doc, chunks, embedder)
    assert len(chunks) > 3


def test_a_parser_that_rewrites_the_text_is_refused() -> None:
    from llama_index.core.node_parser import NodeParser
    from llama_index.core.schema import TextNode

    class Shouting(NodeParser):
        def _parse_nodes(self, nodes, show_progress=False, **kwargs):  # type: ignore[no-untyped-def]
            return [TextNode(text=node.get_content().upper()) for node in nodes]

    with pytest.raises(SettingsError, match="Shouting made a node that is not in the text of d"):
        chunk(document("uma frase"), Words(), config(), Shouting())
