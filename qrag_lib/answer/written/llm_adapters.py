"""One face for whatever can write an answer: an engine of ours, or any LlamaIndex LLM."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from local_models.engines.generation import Engine, Generation, Message, Sampling
from qrag_lib.answer.written.prompting import estimate
from qrag_lib.errors import SettingsError
from qrag_lib.i18n import _
from qrag_lib.types import Writing

if TYPE_CHECKING:
    from llama_index.core.llms import LLM

    from qrag_lib.settings import Settings

ROOM: Final = 256  # tokens of an answer, where the model does not say
UNKNOWN_CONTEXT: Final = 2_048  # tokens that a model reads, where it does not say


class Writer(Protocol):
    """A model as answers use it. room: tokens kept free for its answer; counted: tokens are its own count."""

    name: str
    context_length: int
    room: int
    counted: bool

    def count_tokens(self, text: str) -> int:
        """Tokens of a text, or an estimate that is rather too high."""
        ...

    def write(self, messages: Sequence[Message]) -> Generator[str, None, Writing]:
        """The answer piece by piece; a generator whose return value says what it cost."""
        ...


class EngineWriter:
    """An `Engine` as a writer: greedy, at most a quarter of its context for the answer."""

    counted = True

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.name = engine.name
        self.context_length = engine.context_length
        self.room = min(ROOM, engine.context_length // 4)

    def count_tokens(self, text: str) -> int:
        """Tokens of a text."""
        return self._engine.count_tokens(text)

    def write(self, messages: Sequence[Message]) -> Generator[str, None, Writing]:
        """The answer piece by piece."""
        prompt = self._engine.render(messages)
        made = yield from self._engine.generate(prompt, Sampling(max_new_tokens=self.room))
        return self._cost(made)

    def write_together(self, conversations: Sequence[Sequence[Message]]) -> list[tuple[str, Writing]] | None:
        """The whole answers to several conversations, in one pass over the weights; None where the engine cannot."""
        batch = getattr(self._engine, "generate_batch", None)
        if batch is None:
            return None
        prompts = [self._engine.render(messages) for messages in conversations]
        return [(made.text, self._cost(made)) for made in batch(prompts, Sampling(max_new_tokens=self.room))]

    def _cost(self, made: Generation) -> Writing:
        cut = made.finish == "length"
        return Writing(self.name, made.n_prompt_tokens, made.n_new_tokens, made.seconds_to_first, made.seconds, cut)


class LlamaIndexWriter:
    """Any LlamaIndex `LLM` as a writer, with the sampling that it was made with."""

    def __init__(self, llm: LLM) -> None:
        self._llm = llm
        known = _metadata(llm)
        self.name = str(getattr(known, "model_name", "") or type(llm).__name__)
        if self.name == "unknown":
            self.name = type(llm).__name__
        self.context_length = _positive(getattr(known, "context_window", 0)) or UNKNOWN_CONTEXT
        wanted = _positive(getattr(known, "num_output", 0)) or ROOM
        self.room = min(wanted, self.context_length // 2)
        ours = isinstance(getattr(llm, "engine", None), Engine)  # what other LLMs call this option is not known
        self._options = {"max_tokens": self.room} if ours else {}
        counter = _counter(llm)
        self.counted = counter is not None
        self._count = counter or estimate
        self._role = getattr(known, "system_role", "system")

    def count_tokens(self, text: str) -> int:
        """Tokens of a text; an estimate where the LLM shows no tokenizer."""
        return self._count(text)

    def write(self, messages: Sequence[Message]) -> Generator[str, None, Writing]:
        """The answer piece by piece; in one piece where the LLM does not stream."""
        from llama_index.core.llms import ChatMessage

        roles = {"system": self._role}
        asked = [ChatMessage(role=roles.get(each.role, each.role), content=each.content) for each in messages]
        began = time.perf_counter()
        first, text, last = 0.0, "", None
        for last in self._responses(asked):
            piece = _piece(last, text)
            if piece:
                first = first or time.perf_counter() - began
                text += piece
                yield piece
        n_prompt, n_new, cut = _cost(last)
        counted = self.counted or bool(n_new)
        n_prompt = n_prompt or sum(self.count_tokens(each.content) for each in messages)
        n_new = n_new or (self.count_tokens(text) if text else 0)
        return Writing(self.name, n_prompt, n_new, first, time.perf_counter() - began, cut, counted)

    def _responses(self, asked: list[Any]) -> Iterator[Any]:
        try:
            stream: Iterator[Any] = iter(self._llm.stream_chat(asked, **self._options))
            first = next(stream, None)
        except NotImplementedError:  # the LLM does not stream
            yield self._llm.chat(asked, **self._options)
            return
        try:
            if first is not None:
                yield first
                yield from stream
        finally:
            if close := getattr(stream, "close", None):
                close()


class Writers:
    """The models that a workspace has opened by address, each once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opened: dict[str, Engine] = {}
        self._reasons: dict[str, str] = {}

    def check(self, llm: object) -> None:
        """Raise SettingsError or NotFound for an address that means nothing here, before any work is done for it."""
        if isinstance(llm, str) and llm not in self._opened:
            from qrag_lib.answer.written.engines import check_address

            check_address(llm, self._settings)

    def of(self, llm: object) -> Writer | None:
        """The writer of an address, an engine or a LlamaIndex LLM; None for an address that comes to `extractive:`.

        Raises ModelError where an address cannot be opened, SettingsError for what is no model at all.
        """
        if isinstance(llm, str):
            engine = self._open(llm)
            return None if _quotes(engine) else EngineWriter(engine)
        if isinstance(llm, Engine):
            return EngineWriter(llm)
        if callable(getattr(llm, "stream_chat", None)) and hasattr(llm, "metadata"):
            return LlamaIndexWriter(llm)  # type: ignore[arg-type]
        raise SettingsError(
            _("{kind} is not a model that writes").format(kind=type(llm).__name__),
            hint=_("give an address such as offload:FOLDER, or a LlamaIndex LLM"),
        )

    def reason(self, llm: object) -> str:
        """Why an address that was opened stands for what it does; "" for one that names its model."""
        return self._reasons.get(llm, "") if isinstance(llm, str) else ""

    def close(self) -> None:
        """Close the models that were opened here; those that were given stay open."""
        while self._opened:
            _address, engine = self._opened.popitem()
            engine.close()

    def _open(self, address: str) -> Engine:
        from qrag_lib.answer.written.engines import (  # without LlamaIndex around it, which takes 100 MB
            open_engine,
            resolved,
        )

        if address not in self._opened:
            found, self._reasons[address] = resolved(address, self._settings)
            self._opened[address] = open_engine(found, self._settings)
        return self._opened[address]


def _quotes(engine: Engine) -> bool:
    """True for the engine without a model, which `auto:` takes where there is none: our own quotes do better."""
    from qrag_lib.answer.written.extractive import ExtractiveEngine

    return isinstance(engine, ExtractiveEngine)


def _metadata(llm: Any) -> Any:
    """What the LLM says of itself; None where it does not know its own model (an OpenAI name of another server)."""
    try:
        return llm.metadata
    except Exception:
        return None


def _positive(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _counter(llm: Any) -> Callable[[str], int] | None:
    """What counts tokens as the LLM does: its own method, or the tokenizer it holds; None where it shows neither."""
    own = getattr(llm, "count_tokens", None)
    tokenizer = getattr(llm, "_tokenizer", None) or getattr(llm, "tokenizer", None)
    encode = getattr(tokenizer, "encode", None) or (tokenizer if callable(tokenizer) else None)
    for counter in (own, (lambda text: len(encode(text))) if encode else None):
        try:
            if counter is not None and isinstance(counter("one two"), int):
                return counter
        except Exception:  # it counts something else, or needs a file that is not here
            continue
    return None


def _piece(response: Any, before: str) -> str:
    """What a response adds to the text; `delta`, or what its message has grown by."""
    if response.delta:
        return str(response.delta)
    whole = response.message.content or ""
    return whole[len(before) :] if whole.startswith(before) else ""


def _cost(response: Any) -> tuple[int, int, bool]:
    """(prompt tokens, new tokens, cut by length) as the last response tells them; zeros where it does not."""
    raw = getattr(response, "raw", None)
    choices = _of(raw, "choices") or [None]
    places = (raw, _of(raw, "usage"), getattr(response, "additional_kwargs", None), choices[0])

    def told(*names: str) -> Any:
        return next((found for place in places for name in names if (found := _of(place, name)) is not None), None)

    n_prompt, n_new = told("prompt_tokens", "n_prompt_tokens"), told("completion_tokens", "n_new_tokens")
    return _positive(n_prompt), _positive(n_new), told("finish", "finish_reason") == "length"


def _of(place: Any, name: str) -> Any:
    return place.get(name) if isinstance(place, dict) else getattr(place, name, None)
