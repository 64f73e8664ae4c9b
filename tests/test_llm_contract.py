"""What every language model of ours promises as an engine, and as a LlamaIndex LLM; one battery over all."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from stub_openai import stub_openai
from tiny_llm import make_tiny_llm

from local_models.clients.registry import running, stop_workers
from local_models.engines.generation import Engine, Generation, Message, Sampling
from qrag_lib.answer.written.extractive import ExtractiveEngine
from qrag_lib.errors import ModelError, ModelTooLarge
from qrag_lib.llamaindex.llm import QragLLM
from qrag_lib.llamaindex.open_llm import open_llm
from qrag_lib.settings import Settings

PROMPT = (
    "The lid is red, or so they said at noon. The box is blue and has a lid.\n"
    "A lid of this red is worn by every box. The lamp is green and is on the box.\nWhat is the colour of the red lid?"
)
TALK = [Message("system", "Answer."), Message("user", PROMPT)]
KINDS = ("extractive", "openai", "memory", "streamed", "int8", "worker", "gguf", "simple")
Make = Callable[[str], Engine]


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Yard]:
    with stub_openai() as server:
        made = _Yard(tmp_path_factory.mktemp("contract"), server.url)
        yield made
        made.close()


@pytest.fixture(scope="module")
def make(yard: _Yard) -> Make:
    """Opens an engine of a kind; what was opened is closed with the last test of this file."""
    return lambda kind: getattr(yard, kind)()


class _Yard:
    """Makes engines, and closes them."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.opened: list[Engine] = []
        self.settings = Settings(models_cache=folder / "cache", prefix_cache_mib=1, worker_idle_s=60)

    def close(self) -> None:
        for engine in self.opened:
            engine.close()
        if self.settings.models_folder.is_dir():
            stop_workers(self.settings.models_folder)

    def checkpoint(self) -> Path:
        folder = self.folder / "tiny-llm"
        return folder if folder.is_dir() else make_tiny_llm(folder, layers=2)

    def kept(self, engine: Engine) -> Engine:
        self.opened.append(engine)
        return engine

    def extractive(self) -> Engine:
        return self.kept(ExtractiveEngine())

    def openai(self) -> Engine:
        from local_models.remote.openai_api import OpenAIEngine

        return self.kept(OpenAIEngine(self.url, model="tiny"))

    def memory(self) -> Engine:
        from transformers import AutoModelForCausalLM

        return self.on_tokenizer(AutoModelForCausalLM.from_pretrained(self.checkpoint(), dtype="auto"))

    def streamed(self) -> Engine:
        from local_models.streaming.load_streamed import load_streamed

        return self.on_tokenizer(load_streamed(self.checkpoint()))

    def int8(self) -> Engine:
        from local_models.int8.int8_store import quantize
        from local_models.streaming.load_streamed import load_streamed

        store = self.folder / "tiny-int8"
        if not store.is_dir():
            quantize(self.checkpoint(), store)
        return self.on_tokenizer(load_streamed(store))

    def on_tokenizer(self, model: Any) -> Engine:
        from local_models.decoding.write import StreamedEngine
        from local_models.engines.tokenizer import load_tokenizer

        return self.kept(StreamedEngine(model, load_tokenizer(self.checkpoint()), name="tiny-llm"))

    def worker(self) -> Engine:
        from local_models.clients.open_worker import open_hosted

        told: list[str] = []  # a text that was left may still be ending when the next is asked for
        return self.kept(open_hosted(self.checkpoint(), self.settings.engine, tell=told.append))

    def gguf(self) -> Engine:
        from gguf_file import NEEDS_LLAMA_CPP, write_tiny_gguf

        from local_models.llama_cpp.gguf import GgufEngine

        if find_spec("llama_cpp") is None:
            pytest.skip(NEEDS_LLAMA_CPP)
        return self.kept(GgufEngine(write_tiny_gguf(self.folder / "tiny.gguf")))

    def simple(self) -> Engine:
        from gguf_file import write_tiny_gguf
        from stub_llama_simple import make_program

        from local_models.llama_cpp.llama_simple import LlamaSimpleEngine

        return self.kept(LlamaSimpleEngine(make_program(self.folder), write_tiny_gguf(self.folder / "tiny.gguf")))


@pytest.fixture(params=KINDS)
def engine(request: pytest.FixtureRequest, make: Make) -> Engine:
    return make(request.param)


@pytest.fixture
def llm(engine: Engine) -> QragLLM:
    return QragLLM(engine, sampling=Sampling(max_new_tokens=12))


def written(engine: Engine, prompt: str = PROMPT, **sampling: Any) -> tuple[list[str], Generation]:
    pieces, generation = [], engine.generate(prompt, Sampling(**{"max_new_tokens": 12, **sampling}))
    while True:
        try:
            pieces.append(next(generation))
        except StopIteration as end:
            return pieces, end.value


# --- as an engine -------------------------------------------------------------------------------


def test_it_is_an_engine_with_a_name_and_a_context(engine: Engine) -> None:
    assert isinstance(engine, Engine)
    assert engine.name
    assert engine.context_length >= 16


def test_the_pieces_are_the_text(engine: Engine) -> None:
    pieces, made = written(engine)
    assert "".join(pieces) == made.text
    assert made.text
    assert made.n_prompt_tokens > 0
    assert 0 < made.n_new_tokens <= 12
    assert 0 <= made.seconds_to_first <= made.seconds


def test_greedy_writing_repeats_itself(engine: Engine) -> None:
    assert written(engine)[1].text == written(engine)[1].text


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "simple"])  # it knows no temperature, and says so
def test_a_seed_repeats_a_sampled_text(make: Make, kind: str) -> None:
    engine = make(kind)
    first, second = (written(engine, temperature=1.5, seed=3)[1].text for _time in range(2))
    assert first == second


def test_the_limit_of_new_tokens_holds(engine: Engine) -> None:
    made = written(engine, max_new_tokens=2)[1]
    assert (made.n_new_tokens, made.finish) == (2, "length")


def test_a_stop_string_ends_the_text_and_is_left_out(engine: Engine) -> None:
    whole = written(engine)[1].text
    stop = whole[len(whole) // 2 : len(whole) // 2 + 2]
    pieces, made = written(engine, stop=(stop, "never written"))
    assert made.text == whole.split(stop)[0] == "".join(pieces)
    assert made.finish == "stop"


def test_a_text_may_be_left_in_the_middle(engine: Engine) -> None:
    text = engine.generate(PROMPT, Sampling(max_new_tokens=12))
    first = next(text)
    text.close()
    assert written(engine)[1].text.startswith(first)


def test_an_interrupt_leaves_it_usable(engine: Engine) -> None:
    text = engine.generate(PROMPT, Sampling(max_new_tokens=12))
    next(text)
    with pytest.raises(KeyboardInterrupt):
        text.throw(KeyboardInterrupt())
    assert written(engine)[1].text


def test_two_threads_get_their_texts(engine: Engine) -> None:
    expected, made = written(engine)[1].text, []
    threads = [threading.Thread(target=lambda: made.append(written(engine)[1].text)) for _i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [expected, expected]


def test_tokens_are_counted(engine: Engine) -> None:
    assert engine.count_tokens("") == 0
    assert 0 < engine.count_tokens("a lid") < engine.count_tokens("a lid and a box, ação e coração")


def test_a_conversation_becomes_a_prompt(engine: Engine) -> None:
    prompt = engine.render(TALK)
    assert PROMPT in prompt
    assert written(engine, prompt)[1].text


@pytest.mark.parametrize("text", ["", " ", "\ud800", "</s><s>", "a\0b", "ação 🦙"])
def test_any_prompt_is_answered(engine: Engine, text: str) -> None:
    assert isinstance(written(engine, text, max_new_tokens=3)[1].text, str)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "openai"])
def test_a_prompt_beyond_the_context_is_refused_with_the_numbers(make: Make, kind: str) -> None:
    engine = make(kind)
    with pytest.raises(ModelTooLarge, match=rf"the prompt has \d+ .* reads {engine.context_length}"):
        written(engine, "lid " * (engine.context_length + 1))
    assert written(engine)[1].text


@pytest.mark.parametrize("kind", KINDS)
def test_a_closed_engine_writes_no_more(make: Make, kind: str) -> None:
    engine = make(kind)
    engine.close()
    engine.close()
    with pytest.raises(ModelError, match="closed"):
        written(engine)


# --- as a LlamaIndex LLM ------------------------------------------------------------------------


def test_every_way_to_ask_gives_the_same_text(llm: QragLLM) -> None:
    talk = [ChatMessage(PROMPT)]
    text, said = llm.complete(PROMPT).text, llm.chat(talk).message.content
    assert "".join(part.delta or "" for part in llm.stream_complete(PROMPT)) == text
    assert "".join(part.delta or "" for part in llm.stream_chat(talk)) == said
    assert list(llm.stream_chat(talk))[-1].message.content == said

    async def asked() -> list[str | None]:
        streams = [await llm.astream_complete(PROMPT), await llm.astream_chat(talk)]
        streamed = [await _joined(stream) for stream in streams]
        return [(await llm.acomplete(PROMPT)).text, (await llm.achat(talk)).message.content, *streamed]

    assert asyncio.run(asked()) == [text, said, text, said]


def test_token_counts_are_where_llama_index_looks(llm: QragLLM) -> None:
    from llama_index.core.callbacks.token_counting import get_tokens_from_response

    response = llm.chat([ChatMessage(PROMPT)])
    prompt, new = get_tokens_from_response(response)
    assert prompt > 0 and 0 < new <= 12
    assert response.message.additional_kwargs["total_tokens"] == prompt + new
    assert response.raw["finish_reason"] in ("stop", "length")
    assert list(llm.stream_complete(PROMPT))[-1].raw["usage"]["completion_tokens"] > 0


def test_what_llama_index_asks_of_a_model_is_known(llm: QragLLM) -> None:
    assert llm.metadata.model_name == llm.engine.name
    assert llm.metadata.context_window == llm.engine.context_length
    assert (llm.metadata.num_output, llm.metadata.is_chat_model) == (12, True)


def test_a_call_may_change_the_sampling(llm: QragLLM) -> None:
    text = llm.complete(PROMPT).text
    assert llm.complete(PROMPT, max_tokens=2).raw["usage"]["completion_tokens"] == 2
    assert llm.complete(PROMPT, stop=text[1:3]).text == text.split(text[1:3])[0]
    assert llm.complete(PROMPT, stop=None, temperature=0.0, seed=1).text == text


def test_an_option_that_is_none_is_an_error_at_once(llm: QragLLM) -> None:
    with pytest.raises(TypeError, match="top_kk is no option; the options are max_new_tokens"):
        llm.stream_complete(PROMPT, top_kk=3)
    with pytest.raises(ValueError, match="max_new_tokens is 0"):
        llm.complete(PROMPT, max_new_tokens=0)


def test_a_streaming_answer_may_be_left(llm: QragLLM) -> None:
    stream = llm.stream_chat([ChatMessage(PROMPT)])
    next(stream)
    stream.close()
    assert llm.complete(PROMPT).text


def test_a_cancelled_task_leaves_the_model_usable(llm: QragLLM) -> None:
    async def left() -> str:
        stream: AsyncIterator[Any] = await llm.astream_complete(PROMPT)
        async for _part in stream:
            break
        await stream.aclose()  # type: ignore[attr-defined]
        return (await llm.acomplete(PROMPT)).text

    assert asyncio.run(left()) == llm.complete(PROMPT).text


def test_the_event_loop_goes_on_while_a_text_is_written(llm: QragLLM) -> None:
    async def beside() -> list[str]:
        order: list[str] = []

        async def tick() -> None:
            order.append("tick")

        async with asyncio.TaskGroup() as group:
            group.create_task(_noted(llm.acomplete(PROMPT), order))
            group.create_task(tick())
        return order

    assert asyncio.run(beside()) == ["tick", "text"]


def test_an_address_of_a_folder_opens_what_other_kernels_hold(yard: _Yard) -> None:
    hosted = yard.worker()
    llm = open_llm(f"offload:{yard.checkpoint()}", settings=yard.settings, max_new_tokens=12)
    assert llm.complete(PROMPT).text == written(hosted)[1].text
    assert len(running(yard.settings.models_folder)) == 1


async def _joined(stream: AsyncIterator[Any]) -> str:
    return "".join([part.delta or "" async for part in stream])


async def _noted(answer: Any, order: list[str]) -> None:
    await answer
    order.append("text")
