"""A worker of the tests' own: the product's program with engines that can be made to wait, grow and fail."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

from local_models.clients.start import Program
from local_models.engines.generation import Generation, Message, Sampling
from local_models.worker.factories import Built, Factory
from local_models.worker.protocol import MAX_LINE
from local_models.worker.server import main
from qrag_lib import errors

FACTORIES = {"words": Factory("worker_engines:build", "worker_engines:smaller")}
PROGRAM = Program("worker_engines", Path(__file__).parent, FACTORIES)


class Words:
    """Writes the words of its prompt over and over, one a token.

    pause_s: before each word. grow_mib: memory taken before each, and kept. sign: a file written at the first.
    steep: one long computation in Python before the first word.
    """

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self.name = "words"
        self.context_length = 64
        self.arguments = arguments
        self._kept: list[bytes] = []

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def render(self, messages: Sequence[Message]) -> str:
        return "\n".join(f"{message.role}: {message.content}" for message in messages)

    def generate(self, prompt: str, sampling: Sampling) -> Generator[str, None, Generation]:
        words, began = prompt.split(), time.monotonic()
        if len(words) > self.context_length:
            raise ValueError(f"{len(words)} words; the limit is {self.context_length}")
        if sign := self.arguments.get("sign"):
            Path(sign).write_text(str(os.getpid()))
        for n in range(sampling.max_new_tokens):
            self._fault(n, words[n % len(words)])
            yield words[n % len(words)] + " "
        seconds = time.monotonic() - began
        return Generation("", len(words), sampling.max_new_tokens, "length", 0.0, seconds, {"pid": os.getpid()})

    def generate_batch(self, prompts: Sequence[str], sampling: Sampling) -> list[Generation]:
        return [Generation(p, len(p.split()), 1, "stop", 0.0, 0.0) for p in prompts]

    def close(self) -> None:
        pass

    def _fault(self, n: int, word: str) -> None:
        time.sleep(self.arguments.get("pause_s", 0))
        self._kept.append(b"x" * (self.arguments.get("grow_mib", 0) << 20))
        if word == "STEEP":
            while True:
                sum(range(1000))
        if word == "CRASH":
            ctypes.string_at(0)
        if word == "MEMORY":
            raise MemoryError("no more")
        if word == "MAP" and self.arguments.get("map") != "disk":
            raise ValueError("Please provide an `offload_folder`")
        if word == "LONG":
            raise ValueError("x" * MAX_LINE)
        if word == "BUG":
            raise KeyError("a bug")


def build(arguments: Mapping[str, Any]) -> Built:
    if refused := arguments.get("refused"):
        raise getattr(errors, refused)(f"{refused} told", hint="do this")
    time.sleep(arguments.get("load_s", 0))
    held = b"x" * (arguments.get("load_mib", 0) << 20)
    assert held is not None
    return Words(arguments), {"grow_mib": arguments.get("grow_mib", 0)}


def smaller(arguments: Mapping[str, Any], reason: str) -> Mapping[str, Any] | None:
    if reason == "device map":
        return {**arguments, "map": "disk"} if arguments.get("map") != "disk" else None
    taken = {name: arguments[name] // 8 for name in ("grow_mib", "load_mib") if arguments.get(name)}
    return {**arguments, **taken} if any(taken.values()) else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], FACTORIES))
