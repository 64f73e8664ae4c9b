"""What every model that writes text is asked and gives back; the one seam behind `open_llm`."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

Finish = Literal["stop", "length"]
Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to write: greedy at temperature 0; `seed` repeats a sampled text; `stop` strings end it and are left out."""

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens is {self.max_new_tokens}; it must be at least 1")
        if self.temperature < 0 or not 0 < self.top_p <= 1:
            raise ValueError(f"temperature {self.temperature} or top_p {self.top_p} is out of range")
        if any(not text for text in self.stop):
            raise ValueError("a stop string is empty")


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Generation:
    """A finished text with what it cost.

    seconds_to_first: until the first new token; seconds: in all.
    details: figures of the engine alone, such as bytes_read or draft_tokens_accepted.
    """

    text: str
    n_prompt_tokens: int
    n_new_tokens: int
    finish: Finish
    seconds_to_first: float
    seconds: float
    details: dict[str, float] = field(default_factory=dict)


def estimated_tokens(text: str) -> int:
    """Tokens of a text where the tokenizer is somebody else's: one for every three bytes, rather too many."""
    return -(-len(text.encode("utf-8", "replace")) // 3)


@runtime_checkable
class Engine(Protocol):
    """A model that writes. Every kind of address is one of these, in this process or in a worker.

    `generate` yields the new text piece by piece, as it is made, and returns the finished Generation
    (the value of its StopIteration). Closing the iterator, or an exception thrown into it, ends the
    generation and leaves the engine usable. One text at a time: a second caller waits.
    """

    name: str
    context_length: int

    def count_tokens(self, text: str) -> int:
        """Tokens of a text, special tokens left out."""
        ...

    def render(self, messages: Sequence[Message]) -> str:
        """The prompt of a conversation, in the model's own chat format, ready for its next turn."""
        ...

    def generate(self, prompt: str, sampling: Sampling) -> Generator[str, None, Generation]:
        """The continuation of the prompt, piece by piece; a generator whose return value is a Generation."""
        ...

    def close(self) -> None:
        """Free its memory; a closed engine opens no more."""
        ...
