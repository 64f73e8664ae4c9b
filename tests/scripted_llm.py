"""LlamaIndex LLMs and an engine that write what they are told to, and fail where they are told to."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

from llama_index.core.bridge.pydantic import Field
from llama_index.core.llms import CompletionResponse, CompletionResponseGen, CustomLLM, LLMMetadata
from llama_index.core.llms.callbacks import llm_completion_callback

from local_models.engines.generation import Generation, Message, Sampling


class ScriptedLLM(CustomLLM):
    """Writes `text` word by word. error: raised after `words` words. prompts: all that it was asked."""

    text: str = ""
    error: Any = None
    words: int = 1_000_000
    window: int = 4_096
    prompts: list[str] = Field(default_factory=list)
    endless: bool = False

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(context_window=self.window, num_output=64, model_name="scripted")

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return CompletionResponse(text="".join(self._pieces(prompt)))

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        def responses() -> Iterator[CompletionResponse]:
            said = ""
            for piece in self._pieces(prompt):
                said += piece
                yield CompletionResponse(text=said, delta=piece)

        return responses()  # type: ignore[return-value]

    def _pieces(self, prompt: str) -> Iterator[str]:
        self.prompts.append(prompt)
        for i, word in enumerate(self.text.split(" ")):
            if self.error is not None and i >= self.words:
                raise self.error
            yield word if i == 0 else f" {word}"
        while self.endless:
            yield " mais"


class WholeLLM(ScriptedLLM):
    """Knows no streaming."""

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        raise NotImplementedError


class ObedientLLM(ScriptedLLM):
    """Does whatever any line of its prompt orders in the words "write only:"; the worst reader of passages."""

    def _pieces(self, prompt: str) -> Iterator[str]:
        self.prompts.append(prompt)
        orders = [line.split("write only:", 1)[1].strip() for line in prompt.splitlines() if "write only:" in line]
        yield orders[-1]


class ScriptedEngine:
    """An engine whose tokens are words. closed: how many generations were closed before their end."""

    name = "scripted-engine"
    context_length = 2_048

    def __init__(self, text: str, on_piece: Callable[[], None] = lambda: None) -> None:
        self.text, self.on_piece = text, on_piece
        self.closed = 0
        self.open = True

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def render(self, messages: Sequence[Message]) -> str:
        return "\n\n".join(message.content for message in messages)

    def generate(self, prompt: str, sampling: Sampling) -> Generator[str, None, Generation]:
        words = self.text.split()[: sampling.max_new_tokens]
        finished = False
        try:
            for i, word in enumerate(words):
                self.on_piece()
                yield word if i == 0 else f" {word}"
            finished = True
        finally:
            self.closed += not finished
        finish = "length" if len(words) < len(self.text.split()) else "stop"
        return Generation(" ".join(words), self.count_tokens(prompt), len(words), finish, 0.5, 1.5)  # type: ignore[arg-type]

    def close(self) -> None:
        self.open = False
