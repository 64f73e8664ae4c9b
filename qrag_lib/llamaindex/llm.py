"""Any engine as a LlamaIndex LLM."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from dataclasses import fields, replace
from functools import partial
from typing import Any

from llama_index.core.base.llms.generic_utils import (
    astream_completion_response_to_chat_response,
    completion_response_to_chat_response,
    stream_completion_response_to_chat_response,
)
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
    MessageRole,
    TextBlock,
)
from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.custom import CustomLLM

from local_models.engines.generation import Engine, Generation, Message, Role, Sampling

_ROLES: dict[str, Role] = {
    MessageRole.SYSTEM: "system",
    MessageRole.DEVELOPER: "system",
    MessageRole.ASSISTANT: "assistant",
    MessageRole.CHATBOT: "assistant",
    MessageRole.MODEL: "assistant",
}
_OPTIONS = (*(f.name for f in fields(Sampling)), "max_tokens")
_END = object()


class QragLLM(CustomLLM):
    """A LlamaIndex LLM over an engine of ours.

    `complete` continues a prompt as it is; `chat` renders the conversation in the model's own format.
    Each call may change the sampling: max_new_tokens (or max_tokens), temperature, top_p, seed, stop;
    other options are a TypeError. Each response, the last of a stream, has tokens, seconds and the
    engine's own figures in `raw`, and the token counts in `additional_kwargs`.
    """

    address: str = Field(default="", description="what the engine was opened by")
    reason: str = Field(default="", description="why `auto:` chose that address")
    sampling: Sampling = Field(default_factory=Sampling, description="how it writes where a call says nothing else")
    _engine: Engine = PrivateAttr()

    def __init__(self, engine: Engine, *, sampling: Sampling | None = None, address: str = "", **options: Any) -> None:
        super().__init__(address=address or engine.name, sampling=sampling or Sampling(), **options)
        self._engine = engine

    @classmethod
    def class_name(cls) -> str:
        """Name in LlamaIndex's serialisation."""
        return "QragLLM"

    @property
    def engine(self) -> Engine:
        """What writes."""
        return self._engine

    @property
    def metadata(self) -> LLMMetadata:
        """What LlamaIndex asks of a model."""
        return LLMMetadata(
            context_window=self._engine.context_length,
            num_output=min(self.sampling.max_new_tokens, self._engine.context_length),
            is_chat_model=True,
            model_name=self._engine.name,
        )

    def count_tokens(self, text: str) -> int:
        """Tokens of a text, special tokens left out."""
        return self._engine.count_tokens(text)

    def close(self) -> None:
        """Free the model's memory."""
        self._engine.close()

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """The continuation of a prompt."""
        return _last(self._completions(self._prompt(prompt, formatted), kwargs))

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """The continuation, piece by piece."""
        return self._completions(self._prompt(prompt, formatted), kwargs)

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """The next turn of a conversation."""
        return completion_response_to_chat_response(_last(self._completions(self._rendered(messages), kwargs)))

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """The next turn, piece by piece."""
        return stream_completion_response_to_chat_response(self._completions(self._rendered(messages), kwargs))

    @llm_completion_callback()
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """The continuation of a prompt, written in a thread."""
        return await _alast(self._acompletions(partial(self._prompt, prompt, formatted), kwargs))

    @llm_completion_callback()
    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:
        """The continuation, piece by piece, written in a thread."""
        return self._acompletions(partial(self._prompt, prompt, formatted), kwargs)

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """The next turn of a conversation, written in a thread."""
        response = await _alast(self._acompletions(partial(self._rendered, messages), kwargs))
        return completion_response_to_chat_response(response)

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """The next turn, piece by piece, written in a thread."""
        return astream_completion_response_to_chat_response(
            self._acompletions(partial(self._rendered, messages), kwargs)
        )

    def _prompt(self, prompt: str, formatted: bool) -> str:
        convert = self.completion_to_prompt
        return prompt if formatted or convert is None else convert(prompt)

    def _rendered(self, messages: Sequence[ChatMessage]) -> str:
        if not messages:
            raise ValueError("a conversation needs a message")
        return self._engine.render([_turn(message) for message in messages])

    def _asked(self, options: dict[str, Any]) -> Sampling:
        if unknown := options.keys() - set(_OPTIONS):
            raise TypeError(f"{', '.join(sorted(unknown))} is no option; the options are {', '.join(_OPTIONS)}")
        given = {"max_new_tokens" if name == "max_tokens" else name: value for name, value in options.items()}
        if "stop" in given:
            given["stop"] = as_stops(given["stop"])
        return replace(self.sampling, **given)

    def _completions(self, prompt: str, options: dict[str, Any]) -> Generator[CompletionResponse, None, None]:
        sampling = self._asked(options)  # a wrong option is an error now, not at the first piece
        return _responses(self._engine.generate(prompt, sampling))

    async def _acompletions(
        self, prompt: Callable[[], str], options: dict[str, Any]
    ) -> AsyncGenerator[CompletionResponse, None]:
        """The responses, made in one thread: torch keeps its modes by thread. Cancelling ends the text."""
        self._asked(options)
        async with _own_thread() as thread:
            loop = asyncio.get_running_loop()
            made = await loop.run_in_executor(thread, lambda: self._completions(prompt(), options))
            try:
                while (response := await loop.run_in_executor(thread, next, made, _END)) is not _END:
                    yield response  # type: ignore[misc]
            finally:
                thread.submit(made.close)


def as_stops(value: str | Sequence[str] | None) -> tuple[str, ...]:
    """Stop strings as Sampling takes them: LlamaIndex gives one, several or None."""
    return () if value is None else (value,) if isinstance(value, str) else tuple(value)


def _responses(pieces: Generator[str, None, Generation]) -> Generator[CompletionResponse, None, None]:
    """A response for each piece, then one with the whole text and what it cost."""
    text = ""
    with closing(pieces):
        while True:
            try:
                piece = next(pieces)
            except StopIteration as end:
                made: Generation = end.value
                break
            text += piece
            if piece:
                yield CompletionResponse(text=text, delta=piece)
    usage = {"prompt_tokens": made.n_prompt_tokens, "completion_tokens": made.n_new_tokens}
    usage["total_tokens"] = sum(usage.values())
    raw = {
        "usage": usage,
        "finish_reason": made.finish,
        "seconds_to_first": made.seconds_to_first,
        "seconds": made.seconds,
        "details": made.details,
    }
    yield CompletionResponse(text=made.text, delta="", raw=raw, additional_kwargs=dict(usage))


def _last(responses: Iterator[CompletionResponse]) -> CompletionResponse:
    *_before, last = responses
    return last


async def _alast(responses: AsyncIterator[CompletionResponse]) -> CompletionResponse:
    return [response async for response in responses][-1]


@asynccontextmanager
async def _own_thread() -> AsyncIterator[ThreadPoolExecutor]:
    thread = ThreadPoolExecutor(1, "qrag-llm")
    try:
        yield thread
    finally:
        thread.shutdown(wait=False)


def _turn(message: ChatMessage) -> Message:
    if any(not isinstance(block, TextBlock) for block in message.blocks):
        kinds = sorted({block.block_type for block in message.blocks if not isinstance(block, TextBlock)})
        raise TypeError(f"this model reads text only, and the message holds {', '.join(kinds)}")
    return Message(_ROLES.get(message.role, "user"), message.content or "")
