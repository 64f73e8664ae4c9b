"""BERT without transformers: the same bits, the same word pieces; what is not plain BERT is left alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from local_models.checkpoint.model_folder import find_model
from local_models.embedding.bert import Bert
from local_models.embedding.bert_folder import read_bert, read_tokenizer

CPU = torch.device("cpu")
TEXTS = [
    "Lei nº 5º: é a Constituição",
    "a [SEP] b [MASK]",
    "",
    " \t\u3000",
    "日本語 ﬁ ÀÉ",
    "x" * 300,
    "naïve 1,5%\x00\u200d",
]


def rewritten(folder: Path, name: str, **values: Any) -> Path:
    path = folder / name
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | values), "utf-8")
    return folder


@pytest.fixture
def copied(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("padded", [False, True])
def test_states_are_those_of_transformers_bit_for_bit(dtype: torch.dtype, padded: bool) -> None:
    from transformers import AutoModel

    folder = find_model("minilm")
    theirs, ours = AutoModel.from_pretrained(folder, dtype=dtype).eval(), read_bert(folder, dtype, CPU)
    assert isinstance(ours, Bert)
    ids = torch.randint(0, 30_000, (3, 48), generator=torch.Generator().manual_seed(7))
    mask, types = torch.ones_like(ids), (torch.arange(48) > 20).long().expand(3, -1)
    if padded:
        mask[1, 30:] = 0
    with torch.inference_mode():
        for named in ({}, {"token_type_ids": types}):
            expected = theirs(input_ids=ids, attention_mask=mask, **named).last_hidden_state
            assert torch.equal(ours(ids, mask, **named).last_hidden_state, expected)


@pytest.mark.parametrize("of", ["minilm", "tiny"])
def test_word_pieces_are_those_of_transformers(of: str, tiny_model: Path) -> None:
    from transformers import AutoTokenizer

    folder = find_model("minilm") if of == "minilm" else tiny_model
    theirs, found = AutoTokenizer.from_pretrained(folder), read_tokenizer(folder)
    assert found and found[1] == theirs.pad_token_id
    for text in TEXTS:
        expected = theirs(text, return_offsets_mapping=True, truncation=False)
        assert (found[0].encode(text).ids, found[0].encode(text).offsets) == (
            expected["input_ids"],
            expected["offset_mapping"],
        )
    pair = theirs("a lei", "o rei")
    assert (found[0].encode("a lei", "o rei").ids, found[0].encode("a lei", "o rei").type_ids) == (
        pair["input_ids"],
        pair["token_type_ids"],
    )


@pytest.mark.parametrize("change", [{"do_lower_case": False}, {"tokenizer_class": "RobertaTokenizer"}])
def test_word_pieces_that_transformers_would_make_anew_are_left_to_it(copied: Path, change: dict[str, Any]) -> None:
    assert read_tokenizer(rewritten(copied, "tokenizer_config.json", **change)) is None


@pytest.mark.parametrize(
    "change",
    [
        {"model_type": "roberta"},
        {"hidden_act": "relu"},
        {"position_embedding_type": "relative_key"},
        {"hidden_size": 48},
    ],
)
def test_what_is_not_plain_bert_is_left_to_transformers(copied: Path, change: dict[str, Any]) -> None:
    assert read_bert(copied, torch.float32, CPU) is not None
    assert read_bert(rewritten(copied, "config.json", **change), torch.float32, CPU) is None


def test_a_checkpoint_with_a_head_is_read(copied: Path) -> None:
    from safetensors.numpy import load_file, save_file

    tensors = {f"bert.{name}": tensor for name, tensor in load_file(copied / "model.safetensors").items()}
    plain = read_bert(copied, torch.float32, CPU)
    save_file(tensors, copied / "model.safetensors")
    prefixed = read_bert(copied, torch.float32, CPU)
    assert plain and prefixed
    assert all(torch.equal(prefixed.tensors[name], tensor) for name, tensor in plain.tensors.items())


def test_another_encoder_goes_through_transformers(copied: Path) -> None:
    from transformers import DistilBertConfig, DistilBertModel

    from local_models.embedding.sentence_embedding import open_embedding

    vocabulary = json.loads((copied / "config.json").read_text("utf-8"))["vocab_size"]
    config = DistilBertConfig(vocab_size=vocabulary, dim=32, n_layers=1, n_heads=2, hidden_dim=64)
    DistilBertModel(config).save_pretrained(copied)
    rows = open_embedding(str(copied)).encode(["um prazo de trinta dias", "a"])
    assert rows.shape == (2, 32) and (rows**2).sum(1) == pytest.approx(1, abs=1e-5)
