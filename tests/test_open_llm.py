"""Opening a model by its address, the extractive one, and what a LlamaIndex LLM of ours makes of messages."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, MessageRole
from stub_openai import stub_openai

import qrag_lib
from local_models.engines.generation import Sampling
from qrag_lib.answer.written.extractive import ExtractiveEngine, answer_from
from qrag_lib.errors import SettingsError
from qrag_lib.llamaindex.llm import QragLLM
from qrag_lib.llamaindex.open_llm import open_llm
from qrag_lib.settings import Settings

PROMPT = "The lid is red, or so they said at noon. The box is blue.\nWhat is the colour of the red lid?"


def test_roles_are_those_that_models_know() -> None:
    llm = QragLLM(ExtractiveEngine())
    roles = (MessageRole.DEVELOPER, MessageRole.USER, MessageRole.CHATBOT, MessageRole.TOOL)
    prompt = llm._rendered([ChatMessage(str(i), role=role) for i, role in enumerate(roles)])
    assert prompt == "0\n\nUser: 1\n\nAssistant: 2User: 3\n\nAssistant:"


def test_what_is_no_text_is_refused_by_name() -> None:
    llm = QragLLM(ExtractiveEngine())
    with pytest.raises(TypeError, match="reads text only, and the message holds image"):
        llm.chat([ChatMessage(blocks=[ImageBlock(image=b"x")])])
    with pytest.raises(ValueError, match="needs a message"):
        llm.chat([])


@pytest.fixture
def own_loop() -> Iterator[None]:
    """An event loop for LlamaIndex, which makes one where there is none and leaves it open."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.close()
    asyncio.set_event_loop(None)


def test_a_llama_index_query_engine_takes_it(own_loop: None) -> None:
    from llama_index.core.response_synthesizers import get_response_synthesizer
    from llama_index.core.schema import NodeWithScore, TextNode

    nodes = [NodeWithScore(node=TextNode(text="O prazo é de trinta dias. O gato dorme na caixa."), score=1.0)]
    answer = get_response_synthesizer(llm=open_llm("extractive:")).synthesize("Qual é o prazo?", nodes)
    assert str(answer) == "O prazo é de trinta dias."


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("The lid is red. The box is blue.\nWhat is red?", ["The lid is red."]),
        ('Rules.\n<passage n="1">\n| A lei é de 1990.\n</passage>\nPergunta: De quando é a lei?', ["A lei é de 1990."]),
        ("O gato dorme.\nQual é o prazo da lei?", ["Os documentos não dizem."]),
        ("The cat sleeps.\nWho wrote the constitution?", ["The documents do not say."]),
        ("", ["The documents do not say."]),
    ],
)
def test_an_extractive_answer_is_sentences_of_the_prompt(prompt: str, expected: list[str]) -> None:
    assert answer_from(prompt) == expected


def test_an_address_opens_a_model_with_its_sampling() -> None:
    llm = qrag_lib.open_llm("extractive:", max_new_tokens=3, stop="noon")
    assert (llm.address, llm.sampling) == ("extractive:", Sampling(max_new_tokens=3, stop=("noon",)))
    assert llm.complete(PROMPT).text == "The lid is"


@pytest.mark.parametrize("address", ["extractive", "deepseek:7b", "http://host/v1", "/models/x.gguf", ":"])
def test_an_address_of_no_known_kind_lists_the_kinds(address: str) -> None:
    with pytest.raises(SettingsError, match="no address of a language model") as raised:
        open_llm(address, settings=Settings())
    assert "offload:, gguf:, openai:" in str(raised.value.hint)


def test_auto_answers_from_quotes_where_nothing_else_is(tmp_path: Path) -> None:
    llm = open_llm(settings=Settings(models_cache=tmp_path))
    assert (llm.engine.name, llm.address) == ("extractive", "extractive:")
    assert llm.reason == f"there is no language model in {tmp_path}"


def test_auto_takes_the_server_that_the_settings_name(tmp_path: Path) -> None:
    with stub_openai() as server:
        server.key = "right"
        llm = open_llm(settings=Settings(models_cache=tmp_path, openai_url=server.url, openai_api_key="right"))
        assert llm.complete(PROMPT).text.startswith("Red is the lid")
        assert llm.metadata.context_window == 2048
        llm.close()


@pytest.mark.parametrize(
    ("opened", "absent"),
    [
        ("qrag_lib.open_llm('extractive:').complete('Red?')", {"torch", "transformers", "chromadb", "mlflow"}),
        ("list(open_engine('extractive:', Settings()).generate('Red?', Sampling()))", {"torch", "llama_index"}),
    ],
)
def test_a_model_is_opened_without_libraries_that_it_does_not_need(opened: str, absent: set[str]) -> None:
    script = (
        "import sys, qrag_lib\nfrom qrag_lib.settings import Settings\n"
        "from local_models.engines.generation import Sampling\n"
        f"from qrag_lib.answer.written.engines import open_engine; {opened}; print(*{absent} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
