"""The reader: which words of a passage answer a question, and whether any do."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from local_models.embedding.e5 import PASSAGE, QUERY
from local_models.embedding.transformer import load_e5

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from local_models.embedding.bert import Bert

QUESTION_TOKENS: Final = 48
HEADING_TOKENS: Final = 40
LONGEST: Final = 384  # tokens of question, headings and passage; what goes beyond is not read
BATCH_TOKENS: Final = 2048
BUCKET: Final = 16  # lengths are padded to a multiple


@dataclass(frozen=True, slots=True)
class Passage:
    """What is read: headings may be ""; they are read before the text, and answer nothing."""

    headings: str
    text: str


@dataclass(frozen=True)
class Reading:
    """What a reader makes of one passage.

    answers: log odds that it answers. spans: (t, 2) characters of each token of the text that was read.
    begins, ends: (t,) log probability that the answer, if there is one, begins or ends with the token.
    """

    answers: float
    spans: NDArray[np.int32]
    begins: NDArray[np.float32]
    ends: NDArray[np.float32]


class SpanReader(Protocol):
    """A model that reads passages for a question."""

    def read(self, question: str, passages: Sequence[Passage]) -> list[Reading]:
        """A reading of each passage, in their order."""
        ...


@dataclass(frozen=True)
class Input:
    """Token ids of a question and a passage. first: where the text begins; spans: (t, 2) of its tokens."""

    ids: list[int]
    passage: int
    first: int
    spans: NDArray[np.int32]


@dataclass(frozen=True)
class Heads:
    """Two linear layers on the encoder's states: where an answer begins and ends, and whether there is one."""

    span: tuple[torch.Tensor, torch.Tensor]  # (2, d) and (2,)
    answers: tuple[torch.Tensor, torch.Tensor]  # (1, d) and (1,)


class E5Reader:
    """The packaged reader, loaded; made by `open_reader`.

    A cross-encoder as in Devlin et al. (NAACL 2019), section 4.3; whether a passage answers has a head of its
    own, as in Zhang et al. (AAAI 2021), in place of the score of an empty span.
    """

    def __init__(self, bert: Bert, heads: Heads, tokenizer: Any, pad_id: int, eos_id: int) -> None:
        self._bert, self._heads, self._tokenizer, self._pad, self._eos = bert, heads, tokenizer, pad_id, eos_id

    def read(self, question: str, passages: Sequence[Passage]) -> list[Reading]:
        """A reading of each passage, in their order."""
        inputs = [encode(self._tokenizer, self._eos, question, each) for each in passages]
        readings: dict[int, Reading] = {}
        for batch in _batches([len(each.ids) for each in inputs]):
            for n, reading in zip(batch, self._forward([inputs[n] for n in batch]), strict=True):
                readings[n] = reading
        return [readings[n] for n in range(len(passages))]

    def _forward(self, batch: Sequence[Input]) -> Iterator[Reading]:
        import torch
        from torch.nn.functional import linear

        width = _width(max(len(each.ids) for each in batch))
        ids = np.full((len(batch), width), self._pad, np.int64)
        mask, types = np.zeros_like(ids), np.zeros_like(ids)
        for row, each in enumerate(batch):
            ids[row, : len(each.ids)], mask[row, : len(each.ids)] = each.ids, 1
            types[row, each.passage : len(each.ids)] = 1
        with torch.inference_mode():
            given = (torch.from_numpy(each).to(self._bert.device) for each in (ids, mask, types))
            states = self._bert(*given).last_hidden_state  # (n, t, d)
            spans = linear(states, *self._heads.span).float()  # (n, t, 2)
            answers = linear(states[:, 0], *self._heads.answers).float()  # (n, 1)
        for row, each in enumerate(batch):
            n = len(each.spans)
            logits = spans[row, each.first : each.first + n].double().log_softmax(0).float().cpu().numpy()  # (t, 2)
            yield Reading(float(answers[row]), each.spans, logits[:, 0], logits[:, 1])


def open_reader() -> E5Reader:
    """The packaged reader on this machine. Raises ModelError where its weights or E5's cannot be used."""
    from local_models.embedding.bert import Bert
    from local_models.reading.span_weights import read_weights

    e5 = load_e5()
    shape, tensors = e5.network.shape, e5.network.tensors
    like = next(iter(tensors.values()))
    trained = {name: tensor.to(like.device, like.dtype) for name, tensor in read_weights().items()}
    own = {name.removeprefix("encoder."): t for name, t in trained.items() if name.startswith("encoder.")}
    span, answers = ((trained[f"{head}.weight"], trained[f"{head}.bias"]) for head in ("span", "answers"))
    eos_id = e5.tokenizer.encode("").ids[-1]
    return E5Reader(Bert(shape, {**tensors, **own}), Heads(span, answers), e5.tokenizer, e5.pad_id, eos_id)


@lru_cache(maxsize=1)
def load_reader() -> E5Reader:
    """The packaged reader, opened once a process."""
    return open_reader()


def packed(reading: Reading) -> dict[str, Any]:
    """A reading as a worker sends it: its arrays little-endian in base64."""
    arrays = (reading.spans.astype("<i4"), reading.begins.astype("<f4"), reading.ends.astype("<f4"))
    spans, begins, ends = (base64.b64encode(each.tobytes()).decode() for each in arrays)
    return {"answers": reading.answers, "spans": spans, "begins": begins, "ends": ends}


def unpacked(told: Mapping[str, Any]) -> Reading:
    """The reading that was packed."""
    spans, begins, ends = (base64.b64decode(told[name]) for name in ("spans", "begins", "ends"))
    places = np.frombuffer(spans, "<i4").reshape(-1, 2)
    return Reading(float(told["answers"]), places, np.frombuffer(begins, "<f4"), np.frombuffer(ends, "<f4"))


def encode(tokenizer: Any, eos: int, question: str, passage: Passage) -> Input:
    """`<s> query: ... </s> </s> headings text </s>`, the question and the headings cut, the text cut at the end."""
    asked = [*tokenizer.encode(QUERY + question).ids[: QUESTION_TOKENS - 1], eos]
    headings = tokenizer.encode(PASSAGE + passage.headings, add_special_tokens=False).ids[:HEADING_TOKENS]
    body = tokenizer.encode(passage.text, add_special_tokens=False)
    room = LONGEST - len(asked) - len(headings) - 2
    ids = [*asked, eos, *headings, *body.ids[:room], eos]
    spans = np.array(body.offsets[:room], np.int32).reshape(-1, 2)
    return Input(ids, len(asked) + 1, len(asked) + 1 + len(headings), spans)


def _width(n: int) -> int:
    return -(-n // BUCKET) * BUCKET


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Numbers of the inputs of each batch: of one padded length, at most BATCH_TOKENS together."""
    batch: list[int] = []
    for n in sorted(range(len(lengths)), key=lambda n: -_width(lengths[n])):
        width = _width(lengths[n])
        if batch and (_width(lengths[batch[0]]) != width or (len(batch) + 1) * width > BATCH_TOKENS):
            yield batch
            batch = []
        batch.append(n)
    if batch:
        yield batch
