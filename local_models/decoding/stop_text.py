"""A text as its tokens come: decoded, cut before the first stop string, ended by an end token or the limit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from time import perf_counter
from typing import Protocol

from local_models.engines.generation import Finish, Generation, Message


class Decoder(Protocol):
    """Ids to text as they come."""

    def push(self, token: int) -> str:
        """The text that is certain now."""
        ...

    def flush(self) -> str:
        """What is left at the end."""
        ...


class TextCoder(Protocol):
    """What an engine asks of a tokenizer; `local_models.engines.tokenizer.Tokenizer` is one."""

    eos_ids: tuple[int, ...]

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        """The ids of a text; special: of a prompt, with its control tokens and BOS."""
        ...

    def stream(self) -> Decoder:
        """A decoder for ids that come one by one."""
        ...

    def render(self, messages: Sequence[Message]) -> str:
        """The prompt of a conversation."""
        ...


class StopText:
    """Takes pieces of a text and gives those that no stop string can reach back into.

    >>> text = StopText(["END"])
    >>> text.push("a E"), text.push("N"), text.push("d EN"), text.push("D b"), text.ended
    ('a ', '', 'ENd ', '', True)
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self.stops, self.ended, self._held = tuple(stops), False, ""

    def push(self, piece: str) -> str:
        """The text that is certain now; `ended` is true once a stop string was seen."""
        if self.ended:
            return ""
        self._held += piece
        found = [place for stop in self.stops if (place := self._held.find(stop)) >= 0]
        if found:
            self.ended = True
            return self._take(min(found))
        return self._take(len(self._held) - max(map(self._begun, self.stops), default=0))

    def flush(self) -> str:
        """What was held back, at the end of the text; "" after a stop string."""
        return "" if self.ended else self._take(len(self._held))

    def _begun(self, stop: str) -> int:
        """How many letters at the end of the held text may begin this stop string."""
        longest = min(len(stop) - 1, len(self._held))
        return next((n for n in range(longest, 0, -1) if self._held.endswith(stop[:n])), 0)

    def _take(self, n: int) -> str:
        taken, self._held = self._held[:n], self._held[n:]
        return taken


def until_stop(pieces: Iterable[str], stops: StopText) -> Iterator[str]:
    """The pieces up to the first stop string, none of them empty."""
    for piece in pieces:
        if told := stops.push(piece):
            yield told
        if stops.ended:
            return
    if told := stops.flush():
        yield told


class Writing:
    """One text while it is written. `finish` is None until it ends; n: new tokens, an end token left out."""

    def __init__(self, tokenizer: TextCoder, n_new: int, stops: Sequence[str]) -> None:
        self.text, self.n, self.first = "", 0, 0.0
        self.finish: Finish | None = None
        self._limit, self._ends = n_new, frozenset(tokenizer.eos_ids)
        self._decoder, self._stops = tokenizer.stream(), StopText(stops)

    def push(self, token: int) -> str:
        """Take the next token; the piece of text that is certain now, "" after the end."""
        if self.finish:
            return ""
        self.first = self.first or perf_counter()
        ended = token in self._ends
        self.n += not ended
        piece = "" if ended else self._stops.push(self._decoder.push(token))
        if ended or self._stops.ended:
            self.finish = "stop"
        elif self.n >= self._limit:
            self.finish = "length"
        if self.finish:
            piece += self._stops.push(self._decoder.flush()) + self._stops.flush()
            self.finish = "stop" if self._stops.ended else self.finish
        self.text += piece
        return piece

    def done(self, n_prompt: int, began: float, details: dict[str, float]) -> Generation:
        """The finished text. began: by `perf_counter`."""
        finish: Finish = self.finish or "length"
        now = perf_counter()
        return Generation(self.text, n_prompt, self.n, finish, (self.first or now) - began, now - began, details)
