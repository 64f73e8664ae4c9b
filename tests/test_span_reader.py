"""The packaged reader: which words of a passage answer, whether any do, and its weights, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from local_models.embedding.sentence_embedding import open_embedding
from local_models.reading import span_weights
from local_models.reading.span_reader import E5Reader, Passage, Reading, open_reader
from local_models.reading.span_weights import FILE, pack, read_weights
from qrag_lib.answer.open_reader import reader_of
from qrag_lib.answer.quoted.spans import ANSWERED, FIRST, UNREAD, best_span, look_up
from qrag_lib.answer.quoted.spans import read as read_spans
from qrag_lib.answer.sentences.sentence_scoring import candidates
from qrag_lib.errors import ModelDamaged
from qrag_lib.settings import Settings
from qrag_lib.types import Chunk, Hit

LIBRARY = Passage("Biblioteca", "Cada leitor pode levar cinco livros por quinze dias. A multa é de dois reais por dia.")
RAIN = Passage("", "Amanhã chove no litoral, e as praias ficam vazias. O mar sobe um metro.")


@pytest.fixture(scope="module")
def reader() -> E5Reader:
    return open_reader()


def test_a_reader_shares_what_was_not_trained_with_the_embedder_in_memory() -> None:
    embedding, name = open_embedding("e5-pt-en"), "embeddings.word_embeddings.weight"
    assert open_reader()._bert.tensors[name] is embedding.loaded.network.tensors[name]


def answer(reader: E5Reader, question: str, passage: Passage) -> str:
    [reading] = reader.read(question, [passage])
    first, last = best_span(reading.begins, reading.ends)
    return passage.text[reading.spans[first, 0] : reading.spans[last, 1]]


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("quantos livros dá pra pegar de uma vez?", "cinco"),
        ("quanto eu pago se atrasar a devolução?", "dois reais"),
        ("how much is the fine for late books?", "dois reais"),
    ],
)
def test_the_words_that_answer_are_found(reader: E5Reader, question: str, words: str) -> None:
    assert words in answer(reader, question, LIBRARY)


def test_a_passage_that_answers_scores_above_one_that_does_not(reader: E5Reader) -> None:
    right, wrong = reader.read("quantos livros dá pra pegar de uma vez?", [LIBRARY, RAIN])
    assert right.answers > wrong.answers + 2


def test_a_reading_does_not_depend_on_what_else_is_read(reader: E5Reader) -> None:
    question = "quantos livros dá pra pegar?"
    [alone] = reader.read(question, [LIBRARY])
    together = reader.read(question, [RAIN, LIBRARY, Passage("x", LIBRARY.text * 3)])[1]
    assert alone.answers == pytest.approx(together.answers, abs=0.05)
    assert np.abs(alone.begins - together.begins).max() < 0.3  # bf16


def test_a_passage_without_words_and_one_far_too_long_can_be_read(reader: E5Reader) -> None:
    nothing, long = reader.read("quantos?" * 200, [Passage("", ""), Passage("título " * 90, "palavra " * 2000)])
    assert len(nothing.begins) == 0 and 0 < len(long.begins) < 400


def test_a_sentence_is_looked_up_by_its_characters() -> None:
    spans = np.array([[0, 3], [4, 8], [10, 12]], np.int32)
    reading = Reading(1.5, spans, np.log(np.float32([0.1, 0.7, 0.2])), np.log(np.float32([0.1, 0.6, 0.3])))
    found = look_up(reading, 0, 9, at=100)
    assert (found.answers, found.answer) == (1.5, (104, 108))
    assert found.begins == pytest.approx(np.log(0.8), abs=1e-3)
    assert look_up(reading, 20, 30).begins == UNREAD and look_up(reading, 20, 30).answer is None


@pytest.mark.parametrize(("odds", "n_read"), [(ANSWERED + 1, FIRST), (ANSWERED - 1, FIRST + 2)])
def test_the_rest_is_read_only_where_none_of_the_first_answers(odds: float, n_read: int) -> None:
    asked: list[Passage] = []

    class Counting:
        def read(self, _question: str, passages: Sequence[Passage]) -> list[Reading]:
            asked.extend(passages)
            none = np.zeros(0, np.float32)
            return [Reading(odds, none.reshape(0, 2).astype(np.int32), none, none) for _each in passages]

    hits = [Hit(Chunk(f"d#{n}", "d", "d", n, "Uma frase.", 0, 10), 1.0) for n in range(FIRST + 2)]
    found = candidates(hits, lambda _document: "Uma frase.", "pt")
    spread = [replace(found[0], hit=hit, rank=rank) for rank, hit in enumerate(hits)]
    spans = read_spans("O quê?", hits, spread, lambda _document: "Uma frase.", Counting())
    assert len(asked) == n_read and len(spans) == len(hits)


def test_weights_lose_little_in_eight_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = {"a": torch.randn(40, 30), "b": torch.randn(30)}
    save_file(pack(state), tmp_path / "w.safetensors")
    import hashlib

    digest = hashlib.sha256((tmp_path / "w.safetensors").read_bytes()).hexdigest()
    back = read_weights(tmp_path / "w.safetensors", digest)
    assert set(back) == {"a", "b"} and torch.equal(back["b"], state["b"])
    assert (back["a"] - state["a"]).abs().max() <= state["a"].abs().max() / 127


def test_other_weights_than_ours_are_refused(tmp_path: Path) -> None:
    torn = tmp_path / "w.safetensors"
    torn.write_bytes(FILE.read_bytes()[:-1])
    with pytest.raises(ModelDamaged, match="SHA-256"):
        read_weights(torn)
    with pytest.raises(ModelDamaged, match="cannot be used"):
        read_weights(tmp_path / "gone.safetensors")


def test_the_weights_fit_into_thirty_megabytes() -> None:
    assert FILE.stat().st_size < 30_000_000


def test_there_is_no_reader_where_none_is_wanted_or_its_weights_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reader_of(Settings(reader="none")) is None
    monkeypatch.setattr("qrag_lib.answer.open_reader.FILE", tmp_path / "gone")
    assert reader_of(Settings()) is None
    assert span_weights.FILE.is_file()
