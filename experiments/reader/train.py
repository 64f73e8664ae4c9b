"""Train the reader: `python experiments/reader/train.py CACHE`, once `prepare.py DATA CACHE` has made the examples."""

from __future__ import annotations

import argparse
import json
import pickle
import random
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from examples import Example, Posed, draw
from network import SpanNetwork
from torch.nn import functional

from local_models.embedding.e5 import build_network, build_tokenizer
from local_models.embedding.e5_file import find_e5, read_e5

SEED: Final = 7
LONGEST: Final = 240  # tokens of question and passage
QUESTION: Final = 48
BATCH: Final = 3600  # tokens
RATE: Final = 1.2e-4  # at its highest
HELD_OUT: Final = ("natural-train",)
WARM: Final = 0.05  # share of the steps in which it rises


@dataclass(frozen=True)
class Encoded:
    """An example as token ids. starts, ends: of the answers, in tokens of the whole."""

    ids: list[int]
    passage: int  # where it begins
    starts: list[int]
    ends: list[int]


def encode(example: Example, tokenizer: Any, rng: random.Random) -> Encoded:
    """Question, headings and passage; of a passage that is too long a window, around an answer if there is one."""
    question = [*tokenizer.encode("query: " + example.question).ids[: QUESTION - 1], 2]
    headings = tokenizer.encode("passage: " + example.headings, add_special_tokens=False).ids[:40]
    body = tokenizer.encode(example.text, add_special_tokens=False)
    room = LONGEST - len(question) - len(headings) - 2
    spans = [(body.char_to_token(a), body.char_to_token(b - 1)) for a, b in example.spans]
    spans = [(a, b) for a, b in spans if a is not None and b is not None]
    first = 0
    if len(body.ids) > room:
        anchor = rng.choice(spans)[0] if spans else rng.randrange(len(body.ids))
        first = min(max(0, anchor - rng.randrange(room)), len(body.ids) - room)
    kept = body.ids[first : first + room]
    before = len(question) + 1 + len(headings)
    inside = [(a - first + before, b - first + before) for a, b in spans if first <= a and b < first + len(kept)]
    ids = [*question, 2, *headings, *kept, 2]
    return Encoded(ids, len(question) + 1, [a for a, _b in inside], [b for _a, b in inside])


def batches(examples: Sequence[Encoded], rng: random.Random) -> list[list[Encoded]]:
    """Batches of about BATCH tokens, of like lengths, in random order."""
    order = sorted(examples, key=lambda e: (len(e.ids) // 16, rng.random()))
    made: list[list[Encoded]] = [[]]
    for example in order:
        if (len(made[-1]) + 1) * len(example.ids) > BATCH:
            made.append([])
        made[-1].append(example)
    rng.shuffle(made)
    return made


def tensors(batch: Sequence[Encoded]) -> tuple[torch.Tensor, ...]:
    """ids, mask, types (n, t), starts and ends (n, t) as 0 or 1, answered (n,)."""
    width = -(-max(len(e.ids) for e in batch) // 16) * 16
    ids = np.ones((len(batch), width), np.int64)  # 1 pads
    mask, types = np.zeros_like(ids), np.zeros_like(ids)
    marks = np.zeros((2, len(batch), width), np.float32)
    for row, e in enumerate(batch):
        ids[row, : len(e.ids)] = e.ids
        mask[row, : len(e.ids)] = 1
        types[row, e.passage : len(e.ids)] = 1
        marks[0, row, e.starts] = 1
        marks[1, row, e.ends] = 1
    answered = np.array([float(bool(e.starts)) for e in batch], np.float32)
    return tuple(map(torch.from_numpy, (ids, mask, types, marks[0], marks[1], answered)))


def loss_of(network: SpanNetwork, batch: Sequence[Encoded]) -> torch.Tensor:
    """Cross-entropy of "answered", and of where answers begin and end (marginal over all gold spans)."""
    ids, mask, types, starts, ends, answered = tensors(batch)
    with torch.autocast("cpu", torch.bfloat16):
        spans, answers = network(ids, mask, types)
    loss = functional.binary_cross_entropy_with_logits(answers, answered)
    if answered.any():
        open_to = (types * mask).bool()
        for n, gold in enumerate((starts, ends)):
            logits = spans[:, :, n].masked_fill(~open_to, -1e4)
            log_p = logits.log_softmax(1) + torch.where(gold > 0, 0.0, -1e4)
            loss = loss - 0.5 * (log_p.logsumexp(1) * answered).sum() / answered.sum() * answered.mean()
    return loss


def epoch(posed: dict[str, list[Posed]], plan: dict[str, tuple[float, int]], rng: random.Random) -> Iterator[Example]:
    """Examples of an epoch. plan: for each set the share of its questions (above 1: repeated) and wrong passages."""
    for name, (share, n_wrong) in plan.items():
        pool = [p for p in posed[name] if name not in HELD_OUT or not is_held_out(p)]
        chosen = [p for _n in range(int(share)) for p in pool]
        chosen += rng.sample(pool, round((share - int(share)) * len(pool)))
        for each in chosen:
            yield from draw(each, n_wrong, rng)


def is_held_out(posed: Posed) -> bool:
    """One document in three of a set that calibration needs, by the hash of its name."""
    return zlib.crc32(posed.document.encode()) % 3 == 0


def new_network(frozen: int) -> tuple[SpanNetwork, Any]:
    """The reader before training, its table of words and first layers fixed, and its tokenizer."""
    file = read_e5(find_e5())
    torch.manual_seed(SEED)
    encoder = build_network(file, torch.float32)
    for part in encoder.modules():  # one pass over the data needs no dropout, and it takes a third of the time
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
        if hasattr(part, "dropout_prob"):
            part.dropout_prob = 0.0
    encoder.set_attn_implementation("eager")  # backward through flash attention takes twice as long on a CPU
    network = SpanNetwork(encoder, file.shape.hidden)
    for part in (
        encoder.embeddings.word_embeddings,
        encoder.embeddings.position_embeddings,
        *encoder.encoder.layer[:frozen],
    ):
        part.requires_grad_(False)
    return network, build_tokenizer(file)


def train(network: SpanNetwork, made: Sequence[Sequence[Encoded]], rate: float, log: Path, save: Path) -> None:
    """One pass over the batches with AdamW, the rate rising, then falling to a tenth of it."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.01, betas=(0.9, 0.98), fused=True)
    started, seen, total = time.time(), 0, 0.0
    for step, batch in enumerate(made):
        at = step / len(made)
        for group in optimizer.param_groups:
            group["lr"] = rate * (at / WARM if at < WARM else 0.1 + 0.9 * (1 - at) / (1 - WARM))
        loss = loss_of(network, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seen += sum(len(e.ids) for e in batch)
        total += float(loss.detach())
        if step % 50 == 49:
            row = {
                "step": step + 1,
                "of": len(made),
                "loss": round(total / 50, 4),
                "tokens_s": round(seen / (time.time() - started)),
            }
            with log.open("a") as file:
                file.write(json.dumps(row) + "\n")
            total = 0.0
        if step % 400 == 399:
            torch.save(network.state_dict(), save)
    torch.save(network.state_dict(), save)


def main() -> None:
    """Train by a plan: {"epochs": [{set: [share, wrong]}, ...], "rate": ...}."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cache", type=Path)
    parser.add_argument("plan", type=json.loads)
    parser.add_argument("--start", type=Path)
    parser.add_argument("--save", default="reader.pt")
    options = parser.parse_args()
    rng = random.Random(options.plan.get("seed", SEED))
    posed: dict[str, list[Posed]] = {}
    for path in sorted(options.cache.glob("*.pkl")):
        posed |= pickle.loads(path.read_bytes())
    network, tokenizer = new_network(options.plan.get("frozen", 0))
    if options.start:
        network.load_state_dict(torch.load(options.start))
    network.train()
    made: list[list[Encoded]] = []
    for plan in options.plan["epochs"]:
        made += batches([encode(e, tokenizer, rng) for e in epoch(posed, plan, rng)], rng)
    print(
        len(made), "batches", sum(len(b) for b in made), "examples", sum(len(e.ids) for b in made for e in b), "tokens"
    )
    train(
        network,
        made,
        options.plan.get("rate", RATE),
        options.cache / (options.save + ".log"),
        options.cache / options.save,
    )


if __name__ == "__main__":
    main()
