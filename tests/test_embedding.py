"""The embedding model: what it gives, what it refuses, and that batches do not matter."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from local_models.checkpoint.model_folder import MINILM_SHA256, find_model
from local_models.embedding.sentence_embedding import SentenceEmbedding, open_embedding
from local_models.planning.precision import has_fast_bf16
from qrag_lib.errors import ModelError

TEXTS = [
    "A lei foi criada em 1996.",
    "The rector signs the decree.",
    "",
    "Quem criou a lei?",
    *(f"parágrafo {n} " + "sobre a universidade e a pesquisa " * n for n in range(1, 8)),
    "word " * 254,  # exactly the limit
]


@pytest.fixture(scope="module")
def minilm() -> SentenceEmbedding:
    return open_embedding()


@pytest.fixture(scope="module")
def exact() -> SentenceEmbedding:
    return open_embedding(precision="float32")


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the packaged model that a test may damage."""
    return Path(shutil.copytree(find_model("minilm"), tmp_path / "model"))


def reference(texts: list[str]) -> NDArray[np.float32]:
    """Mean pooling one text at a time in fp32, with transformers alone."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = find_model("minilm")
    tokenizer, network = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    rows = []
    for text in texts:
        batch = tokenizer(text, return_tensors="pt", truncation=True, max_length=256)
        with torch.inference_mode():
            states = network(**batch).last_hidden_state[0]
        rows.append(torch.nn.functional.normalize(states.mean(0), dim=0).numpy())
    return np.stack(rows)


def test_vectors_are_those_of_plain_transformers(exact: SentenceEmbedding) -> None:
    assert np.abs(exact.encode(TEXTS) - reference(TEXTS)).max() < 1e-5


def test_the_fast_precision_stays_close_to_fp32(minilm: SentenceEmbedding, exact: SentenceEmbedding) -> None:
    assert (minilm.encode(TEXTS) * exact.encode(TEXTS)).sum(1).min() > 0.999


def test_rows_are_unit_float32_of_the_model_s_dimensions(minilm: SentenceEmbedding) -> None:
    rows = minilm.encode(TEXTS)
    assert rows.shape == (len(TEXTS), minilm.dimensions) == (len(TEXTS), 384) and rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(("precision", "apart"), [("float32", 1e-6), ("bfloat16", 5e-3)])
def test_a_vector_is_the_same_in_every_batch_and_order(precision: str, apart: float) -> None:
    model = SentenceEmbedding(precision=precision)
    rows = model.encode(TEXTS)
    order = np.random.default_rng(7).permutation(len(TEXTS))
    assert np.abs(model.encode([TEXTS[n] for n in order]) - rows[order]).max() <= apart
    assert np.abs(np.stack([model.encode([text])[0] for text in TEXTS]) - rows).max() <= apart
    assert np.array_equal(model.encode(TEXTS), rows)  # bit for bit where the batch is the same


def test_the_model_is_named_by_its_weights_in_every_precision(
    minilm: SentenceEmbedding, exact: SentenceEmbedding
) -> None:
    assert minilm.model_id == exact.model_id == f"minilm-{MINILM_SHA256[:12]}"
    assert SentenceEmbedding(query_prefix="query: ").model_id != minilm.model_id


def test_prefixes_are_put_before_questions_and_passages(minilm: SentenceEmbedding) -> None:
    e5 = SentenceEmbedding(query_prefix="query: ", passage_prefix="passage: ")
    assert np.array_equal(e5.encode(["a lei"], kind="query"), minilm.encode(["query: a lei"]))
    assert np.array_equal(e5.encode(["a lei"]), minilm.encode(["passage: a lei"]))
    assert e5.overhead_tokens == minilm.overhead_tokens + 2 == 4


@pytest.mark.parametrize("text", ["", " ", "\ud800 half a pair", "a\0b", "x" * 50_000, "🇧🇷" * 50, "\u202e\u200f"])
def test_unusual_texts_have_a_vector(minilm: SentenceEmbedding, text: str) -> None:
    assert np.linalg.norm(minilm.encode([text])[0]) == pytest.approx(1, abs=1e-5)


def test_no_text_gives_no_row(minilm: SentenceEmbedding) -> None:
    assert minilm.encode([]).shape == (0, 384)


def test_a_text_beyond_the_limit_is_cut_with_a_warning(minilm: SentenceEmbedding) -> None:
    with pytest.warns(UserWarning, match="1 text is longer than 256 word pieces"):
        rows = minilm.encode(["oi " * 400_000])
    assert np.isfinite(rows).all()


def test_progress_counts_to_the_end(minilm: SentenceEmbedding) -> None:
    seen: list[tuple[int, int]] = []
    minilm.encode(TEXTS, on_progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(TEXTS), len(TEXTS)) and seen == sorted(seen) and len(seen) > 1


def test_it_is_usable_after_an_interrupt(minilm: SentenceEmbedding) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        minilm.encode(TEXTS, on_progress=interrupt)
    assert minilm.encode(TEXTS[:1]).shape == (1, 384)


def test_threads_get_the_same_vectors(minilm: SentenceEmbedding) -> None:
    rows = minilm.encode(TEXTS)
    found: dict[int, NDArray[np.float32]] = {}
    threads = [threading.Thread(target=lambda n=n: found.update({n: minilm.encode(TEXTS)})) for n in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(found) == 4 and all(np.array_equal(each, rows) for each in found.values())


def test_a_llama_index_embedding_has_the_same_vectors(minilm: SentenceEmbedding) -> None:
    from qrag_lib.llamaindex.llama_embedding import TransformerEmbedding

    theirs, row = TransformerEmbedding(), minilm.encode(["a lei"])[0].tolist()
    assert theirs.get_text_embedding("a lei") == theirs.get_query_embedding("a lei") == row
    assert theirs.get_text_embedding_batch(["a lei", "o reitor"])[0] == row
    assert asyncio.run(theirs.aget_query_embedding("a lei")) == row
    assert pickle.loads(pickle.dumps(theirs)).get_text_embedding("a lei") == row


def test_it_can_be_copied_and_sent_to_another_process(minilm: SentenceEmbedding) -> None:
    row = minilm.encode(["a lei"])
    for other in (pickle.loads(pickle.dumps(minilm)), copy.deepcopy(minilm)):
        assert np.array_equal(other.encode(["a lei"]), row)


def test_token_spans_are_stretches_of_the_text(minilm: SentenceEmbedding) -> None:
    text = "Lei nº 5º: é a Constituição\ud800?"
    spans = minilm.token_spans(text)
    assert [text[a:b] for a, b in spans][:2] == ["Lei", "n"] and spans[-1][1] == len(text)
    assert minilm.token_spans_many([text, ""]) == [spans, []]


def test_weights_without_a_tensor_are_refused(copied: Path) -> None:
    from safetensors.numpy import load_file, save_file

    tensors = load_file(copied / "model.safetensors")
    del tensors["encoder.layer.3.output.dense.weight"]
    save_file(tensors, copied / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"1 tensor of .* encoder\.layer\.3"):
        open_embedding(str(copied))


def test_torn_weights_are_refused(copied: Path) -> None:
    data = (copied / "model.safetensors").read_bytes()
    (copied / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelError, match="cannot be read"):
        open_embedding(str(copied))


def test_weights_that_are_not_numbers_are_refused_when_used(copied: Path) -> None:
    from safetensors.numpy import load_file, save_file

    tensors = load_file(copied / "model.safetensors")
    tensors["embeddings.LayerNorm.weight"][:] = np.nan
    save_file(tensors, copied / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="not numbers"):
        open_embedding(str(copied)).encode(["a"])


def test_pickled_weights_are_refused(copied: Path) -> None:
    (copied / "model.safetensors").rename(copied / "pytorch_model.bin")
    with pytest.raises(ModelError, match="lacks the weights") as caught:
        open_embedding(str(copied))
    assert "only safetensors" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("file", "key", "value"),
    [
        ("config.json", "auto_map", {"AutoModel": "evil.Model"}),
        ("config.json", "_attn_implementation_internal", "org/kernel"),
        ("tokenizer_config.json", "auto_map", {"AutoTokenizer": ["evil.T", None]}),
    ],
)
def test_configurations_that_name_foreign_code_are_refused(copied: Path, file: str, key: str, value: object) -> None:
    path = copied / file
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(ModelError, match="code of its own"):
        open_embedding(str(copied))


def test_a_folder_s_own_recipe_is_followed(copied: Path, exact: SentenceEmbedding) -> None:
    (copied / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    (copied / "sentence_bert_config.json").write_text('{"max_seq_length": 100}')
    (copied / "config_sentence_transformers.json").write_text('{"prompts": {"query": "q: ", "document": "d: "}}')
    model = open_embedding(str(copied), precision="float32")
    assert model.max_tokens == 100 and model.model_id.startswith("model-53aa51172d14")
    assert model.overhead_tokens == 4
    assert not np.allclose(model.encode(["a lei"]), exact.encode(["d: a lei"]), atol=1e-3)
    with pytest.warns(UserWarning, match="longer than 100"):
        assert np.isfinite(model.encode(["palavra " * 200])).all()


def test_an_unknown_module_is_refused(copied: Path) -> None:
    modules = json.loads((copied / "modules.json").read_text())
    modules[2]["type"] = "sentence_transformers.models.Dense"
    (copied / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ModelError, match="module Dense"):
        open_embedding(str(copied))


@pytest.mark.parametrize("address", ["nowhere", "/no/such/folder", "org/absent-model"])
def test_an_absent_model_is_refused_without_the_network(address: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        open_embedding(address, cache_folder=str(tmp_path))


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises((ModelError, ValueError), match="precision"):
        open_embedding(precision="int3")  # type: ignore[arg-type]


def test_bf16_is_chosen_by_the_processor_s_flags(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    for flags, fast in (("fpu amx_bf16 avx2", True), ("avx512_bf16", True), ("avx2 avx512f", False)):
        info.write_text(f"processor : 0\nflags\t\t: {flags}\n")
        assert has_fast_bf16(info) is fast
    assert has_fast_bf16(tmp_path / "absent") is False
