"""Answers from an OpenAI-compatible server, well and badly behaved."""

from __future__ import annotations

import asyncio
import socket
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from stub_openai import WORDS, StubOpenAI, stub_openai

from local_models.engines.generation import Generation, Message, Sampling
from local_models.remote.openai_api import OpenAIEngine
from local_models.remote.retry_policy import Breaker, Budget, Patience
from qrag_lib.errors import (
    GenerationFailed,
    ModelError,
    ModelRefused,
    ModelTooLarge,
    ModelUnavailable,
    SettingsError,
)
from qrag_lib.llamaindex.llm import QragLLM

TEXT = "".join(WORDS)
SECRET = "s3cret-key"
SHORT = Patience(connect_s=2, silence_s=0.3, asking_s=5, pause_s=0.001)
Open = Callable[..., OpenAIEngine]


@pytest.fixture
def server() -> Iterator[StubOpenAI]:
    with stub_openai() as running:
        yield running


@pytest.fixture
def engine_of(server: StubOpenAI) -> Iterator[Open]:
    opened: list[OpenAIEngine] = []

    def open_one(url: str = "", *, model: str = "tiny", key: str = "", patience: Patience = SHORT) -> OpenAIEngine:
        opened.append(OpenAIEngine(url or server.url, model=model, key=key, patience=patience))
        return opened[-1]

    yield open_one
    for engine in opened:
        engine.close()


def written(engine: OpenAIEngine, prompt: str = "What is red?", **sampling: object) -> Generation:
    pieces = engine.generate(prompt, Sampling(**sampling))  # type: ignore[arg-type]
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            assert isinstance(end.value, Generation)
            return end.value


def test_an_answer_comes_with_the_servers_counts(engine_of: Open) -> None:
    made = written(engine_of())
    assert (made.text, made.n_prompt_tokens, made.n_new_tokens, made.finish) == (TEXT, 7, 10, "stop")


def test_a_conversation_is_sent_as_it_is(server: StubOpenAI, engine_of: Open) -> None:
    engine = engine_of()
    talk = [Message("system", "Be brief."), Message("user", "Oi")]
    written(engine, engine.render(talk), temperature=0.5, seed=3, stop=("a", "b", "c", "d", "e"))
    body = server.questions()[0]
    assert body["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Oi"}]
    assert (body["seed"], body["temperature"], body["stop"]) == (3, 0.5, ["a", "b", "c", "d"])


def test_a_server_that_does_not_stream_is_read_whole(server: StubOpenAI, engine_of: Open) -> None:
    server.moods = ["whole"]
    assert written(engine_of()).text == TEXT


@pytest.mark.parametrize("bad", [["state 429 0"], ["state 500", "state 503"], ["gone"]])
def test_what_may_pass_is_asked_again(server: StubOpenAI, engine_of: Open, bad: list[str]) -> None:
    server.moods = list(bad)
    assert written(engine_of()).text == TEXT
    assert len(server.questions()) == len(bad) + 1


def test_tries_end(server: StubOpenAI, engine_of: Open) -> None:
    server.moods = ["state 500"] * 9
    with pytest.raises(ModelUnavailable, match="answers 500: state 500"):
        written(engine_of())
    assert len(server.questions()) == SHORT.tries


def test_a_wait_longer_than_the_patience_is_not_waited_for(server: StubOpenAI, engine_of: Open) -> None:
    server.moods = ["state 429 3600"]
    with pytest.raises(ModelUnavailable, match="answers 429"):
        written(engine_of())
    assert len(server.questions()) == 1


def test_the_wait_that_a_server_asks_for_is_kept(server: StubOpenAI) -> None:
    slept: list[float] = []
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=3), usegmt=True)
    server.moods = ["state 429 2", f"state 503 {soon}"]
    engine = OpenAIEngine(server.url, model="tiny", patience=SHORT, sleep=slept.append)
    assert written(engine).text == TEXT
    engine.close()
    assert slept[0] == 2
    assert 0 < slept[1] <= 3


def test_nobody_listens(engine_of: Open) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        engine = engine_of(f"http://127.0.0.1:{unused.getsockname()[1]}/v1")
        with pytest.raises(ModelUnavailable, match="no answer from http://127") as raised:
            written(engine)
    assert "see that the server runs" in str(raised.value.hint)


@pytest.mark.parametrize(
    ("mood", "message"),
    [
        ("cut 3", "broke off after 10 characters"),
        ("torn", "broke off: no answer from"),
        ("silent 3", r"broke off: .*silent for 0\.3 s"),
        ("garbled 3", "sent what is not JSON"),
    ],
)
def test_a_text_that_breaks_off_is_never_begun_anew(
    server: StubOpenAI, engine_of: Open, mood: str, message: str
) -> None:
    server.moods = [mood]
    engine, told = engine_of(), []
    with pytest.raises(GenerationFailed, match=message):
        told.extend(engine.generate("What is red?", Sampling()))
    assert "".join(told).startswith("Red")
    assert len(server.questions()) == 1
    assert written(engine).text == TEXT


def test_a_server_that_says_nothing_is_left_after_the_silence_allowed(server: StubOpenAI, engine_of: Open) -> None:
    server.moods = ["silent 0"]
    with pytest.raises(ModelUnavailable, match=r"silent for 0\.3 s"):
        written(engine_of())


def test_a_listing_that_fails_once_is_asked_again(server: StubOpenAI, engine_of: Open) -> None:
    server.busy_listings = 1
    assert written(engine_of(model="")).text == TEXT


def test_a_server_that_does_not_list_its_models_is_soon_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        engine = OpenAIEngine(
            f"http://127.0.0.1:{silent.getsockname()[1]}/v1", patience=Patience(listing_s=0.2, tries=1)
        )
        with pytest.raises(ModelUnavailable, match=r"silent for 0\.2 s"):
            written(engine)
        engine.close()


def test_a_server_that_only_keeps_the_line_open_is_left_after_the_patience(server: StubOpenAI, engine_of: Open) -> None:
    server.moods = ["pinging"]
    with pytest.raises(ModelUnavailable, match=r"keeps the line open for 0\.2 s and writes nothing"):
        written(engine_of(patience=Patience(silence_s=5, asking_s=0.2)))


@pytest.mark.parametrize(
    ("mood", "message"),
    [
        ("garbled 0", "sent what is not JSON"),
        ("html", "sent what is not JSON: b'<!doctype"),
        ("json [1, 2]", "which is no event"),
        ('json {"error": {"message": "out of memory"}}', "failed: out of memory"),
        ("json " + "[" * 100_000, "sent what is not JSON"),
        ("long", "sent a line of"),
        ("cut 0", "broke off after 0 characters"),
        ('json {"choices": "none", "usage": 3}', "broke off after 0 characters"),
        ('json {"choices": [{"delta": {"content": 5}, "finish_reason": "content_filter"}]}', "withholds the answer"),
    ],
)
def test_what_is_no_answer_is_an_error(server: StubOpenAI, engine_of: Open, mood: str, message: str) -> None:
    server.moods = [mood]
    with pytest.raises(GenerationFailed, match=message):
        written(engine_of())


def test_a_redirect_is_not_followed(server: StubOpenAI, engine_of: Open) -> None:
    with stub_openai() as other:
        server.moods = [f"elsewhere {other.url}/chat/completions"]
        with pytest.raises(ModelRefused, match="that is not followed"):
            written(engine_of(key="s3cret-key"))
        assert other.asked == []


def test_the_key_goes_to_the_server_and_into_no_message(server: StubOpenAI, engine_of: Open) -> None:
    server.key = "right"
    with pytest.raises(ModelUnavailable, match="refuses the key") as raised:
        written(engine := engine_of(key="s3cret-key"))
    assert server.asked[-1][1]["Authorization"] == "Bearer s3cret-key"
    assert "s3cret" not in f"{raised.value} {raised.value.hint} {engine.name} {engine!r}"
    assert "wrong key Bearer •••" in str(raised.value)


@pytest.mark.parametrize("before", [0, 190])
def test_a_key_that_a_server_quotes_in_its_answer_is_not_told(server: StubOpenAI, engine_of: Open, before: int) -> None:
    server.moods = ['json {"error": {"message": "' + "x" * before + SECRET + ' is no key"}}']
    with pytest.raises(GenerationFailed, match="failed") as raised:
        written(engine_of(key=SECRET))
    assert SECRET[:6] not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "chavé"])
def test_what_is_no_key_is_refused_unseen(server: StubOpenAI, engine_of: Open, key: str) -> None:
    with pytest.raises(SettingsError, match="characters that no key has") as raised:
        engine_of(key=key)
    assert key not in str(raised.value)


def test_a_model_that_is_not_there_is_named(engine_of: Open) -> None:
    with pytest.raises(ModelUnavailable, match="The model `other` does not exist"):
        written(engine_of(model="other"))


def test_the_only_model_is_taken_and_its_context_learnt(server: StubOpenAI, engine_of: Open) -> None:
    engine = engine_of(model="")
    engine.learn()
    assert (engine.context_length, written(engine).text) == (2048, TEXT)
    server.models.append({"id": "large"})
    with pytest.raises(SettingsError, match="has 2 models") as raised:
        written(engine_of(model=""))
    assert "tiny, large" in str(raised.value.hint)


def test_a_prompt_that_is_too_long_for_the_server_says_so(server: StubOpenAI, engine_of: Open) -> None:
    server.moods = ["state 400"]
    with pytest.raises(ModelUnavailable, match="answers 400"):
        written(engine_of())
    server.moods = ["context"]
    with pytest.raises(ModelTooLarge, match="maximum context length is 2048"):
        written(engine_of())


def test_more_than_was_asked_for_is_not_read(server: StubOpenAI, engine_of: Open) -> None:
    server.moods = ["endless"]
    made = written(engine_of(), max_new_tokens=5)
    assert (made.text, made.n_new_tokens, made.finish) == (" word" * 5, 5, "length")


def test_a_text_may_be_left_unfinished(server: StubOpenAI, engine_of: Open) -> None:
    server.moods = ["endless"]
    engine = engine_of()
    pieces = engine.generate("What is red?", Sampling())
    assert next(pieces) == " word"
    pieces.close()
    assert written(engine).text == TEXT


def test_stop_strings_beyond_those_the_server_takes_are_kept_too(engine_of: Open) -> None:
    made = written(engine_of(), stop=("q", "w", "x", "z", " lid"))
    assert (made.text, made.finish) == ("Red is the", "stop")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/v1", "host/v1", "http://", "http://[::1", ""])
def test_what_is_no_http_address_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="address"):
        OpenAIEngine(url)


def test_a_password_in_the_address_is_refused_unseen() -> None:
    with pytest.raises(SettingsError, match="holds a password") as raised:
        OpenAIEngine("http://me:s3cret@127.0.0.1/v1")
    assert "s3cret" not in str(raised.value)


def test_a_closed_engine_asks_no_more(server: StubOpenAI, engine_of: Open) -> None:
    engine = engine_of()
    engine.close()
    with pytest.raises(ModelUnavailable, match="is closed"):
        written(engine)
    assert server.asked == []


def test_a_task_that_is_cancelled_hangs_up(server: StubOpenAI, engine_of: Open) -> None:
    llm = QragLLM(engine_of(), sampling=Sampling(max_new_tokens=10**6))
    server.moods = ["endless"]
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(llm.acomplete("Red?"), 0.3))
    assert server.hung_up.wait(20)
    assert llm.complete("Red?").text == TEXT


# --- patience -----------------------------------------------------------------------------------


def test_a_server_that_fails_again_and_again_is_left_alone(server: StubOpenAI, engine_of: Open) -> None:
    engine = engine_of(patience=Patience(tries=1, pause_s=0.001, failures=2, rest_s=60))
    server.moods = ["state 500"] * 2
    for _question in range(2):
        with pytest.raises(ModelUnavailable, match="answers 500"):
            written(engine)
    with pytest.raises(ModelUnavailable, match="failed 2 times in a row and is left alone for"):
        written(engine)
    assert len(server.questions()) == 2


def test_prompts_that_are_too_long_do_not_count_against_the_server(server: StubOpenAI, engine_of: Open) -> None:
    engine = engine_of(patience=Patience(tries=1, pause_s=0.001, failures=2, rest_s=60))
    server.moods = ["context"] * 3
    for _question in range(3):
        with pytest.raises(ModelTooLarge):
            written(engine)
    assert written(engine).text == TEXT


def test_a_server_that_tells_nonsense_of_itself_is_asked_all_the_same(server: StubOpenAI, engine_of: Open) -> None:
    server.models = [{"id": "tiny", "meta": "large"}]
    engine = engine_of(model="")
    engine.learn()
    server.moods = ["state 503 \xb2"]
    assert (engine.context_length, written(engine).text) == (4096, TEXT)


def test_after_its_rest_one_question_tries_the_server() -> None:
    now = [0.0]
    breaker = Breaker("server", Patience(failures=2, rest_s=30), lambda: now[0])
    breaker.failed()
    breaker.check()
    breaker.failed()
    now[0] = 31
    breaker.check()
    with pytest.raises(ModelError, match="left alone for 30 s"):
        breaker.check()
    breaker.succeeded()
    breaker.check()


def test_pauses_double_and_end_with_the_budget() -> None:
    now = [0.0]
    budget = Budget(Patience(tries=9, pause_s=1, asking_s=10), lambda: now[0])
    pauses = [budget.pause() for _try in range(3)]
    assert all(2**i / 2 <= pause <= 2**i for i, pause in enumerate(pauses) if pause is not None)
    now[0] = 9.9
    assert budget.pause() is None
    assert budget.pause(0.05) == 0.05
