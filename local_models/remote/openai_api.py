"""An OpenAI-compatible server as an engine: vLLM, llama-server, Ollama, OpenAI itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any

import httpx

from local_models.engines.chat_template import render_chat
from local_models.engines.generation import Generation, Message, Sampling, estimated_tokens
from local_models.errors import GenerationFailed, ModelError, ModelTooLarge, ModelUnavailable, SettingsError
from local_models.interface.messages import _, ngettext
from local_models.remote.openai_wire import Event, TryAgain, Writing, bounded, event_of, events, lines, raise_for_state
from local_models.remote.retry_policy import Breaker, Budget, Patience

if TYPE_CHECKING:
    from httpx import Client, Response

CONTEXT = 4096  # tokens, where neither the caller nor the server says
MOST_STOPS = 4  # that the interface takes; further ones are applied here
_PASSING = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.RemoteProtocolError, httpx.ReadError,
            httpx.WriteError)  # fmt: skip


class Turns(str):
    """A prompt that remembers its messages, for servers that take a conversation and render it themselves."""

    messages: tuple[Message, ...] = ()


class OpenAIEngine:
    """A model on a server as an `Engine`. Tokens are estimated, rather too many, before the server counts them.

    url: as `http://host:8000/v1`; model: "" takes the server's only one. context: tokens that it reads.
    Nothing is asked before the first text. Redirects are not followed, proxies not used; the key goes to
    this address alone and into no message. Questions to the server may run side by side.
    """

    def __init__(
        self,
        url: str,
        *,
        model: str = "",
        key: str = "",
        context: int | None = None,
        patience: Patience | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url, self._key, self._model = checked_url(url), checked_key(key), model
        self._patience = patience or Patience()
        self._sleep = sleep
        self._breaker = Breaker(self._url, self._patience)
        self._lock = threading.Lock()
        self._client: Client | None = self._connected()
        self.name = f"{model or 'openai'}@{httpx.URL(self._url).host}"
        self._context = context
        self.context_length = context or CONTEXT

    def count_tokens(self, text: str) -> int:
        """Tokens of a text, estimated: one for every three bytes, more than common tokenizers make of prose."""
        return estimated_tokens(text)

    def render(self, messages: Sequence[Message]) -> str:
        """The conversation as text; `generate` sends its messages and lets the server render them."""
        prompt = Turns(render_chat(messages))
        prompt.messages = tuple(messages)
        return prompt

    def generate(self, prompt: str, sampling: Sampling) -> Generator[str, None, Generation]:
        """The continuation, piece by piece; returns the Generation.

        Asks again while nothing was written yet and the patience lasts; a text that is cut is
        GenerationFailed, never begun anew.
        """
        writing = Writing(self.count_tokens(prompt), sampling)
        with self._counted_failures():
            with self._answering(prompt, sampling) as answer:
                for event in answer:
                    if piece := writing.push(event):
                        yield piece
                    if writing.ended:
                        break
            if piece := writing.finish(self.name):
                yield piece
        return writing.done()

    def learn(self) -> None:
        """Ask the server for its model and its context, where they are not known; one that is down is told later."""
        try:
            listed = self._listed() if not (self._model and self._context) else []
        except (TryAgain, ModelError):
            return
        if not self._model and len(listed) == 1:
            self._model = str(listed[0].get("id", ""))
        mine = next((entry for entry in listed if entry.get("id") == self._model), {})
        meta = mine.get("meta")
        found = mine.get("max_model_len") or (meta.get("n_ctx") if isinstance(meta, dict) else None)
        if self._context is None and isinstance(found, int) and found > 0:
            self._context = self.context_length = found

    def close(self) -> None:
        """Drop the connections; a closed engine asks no more."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _connected(self) -> Client:
        return httpx.Client(
            headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
            follow_redirects=False,
            trust_env=False,
        )

    @contextmanager
    def _counted_failures(self) -> Iterator[None]:
        self._breaker.check()
        try:
            yield
        except ModelError as error:
            if not isinstance(error, ModelTooLarge):  # which is the question's fault
                self._breaker.failed()
            if self._key and self._key in error.message:  # a server that quotes what it was sent
                raise type(error)(error.message.replace(self._key, "•••"), hint=error.hint) from None
            raise
        self._breaker.succeeded()

    @contextmanager
    def _answering(self, prompt: str, sampling: Sampling) -> Iterator[Iterator[Event]]:
        """The events of the answer, the first already there; asks again where that fails and may pass."""
        budget = Budget(self._patience)
        while True:
            try:
                answer = self._events(self._body(prompt, sampling), budget)
                first = next(answer, None)
                break
            except TryAgain as failed:
                pause = budget.pause(failed.wait_s)
                if pause is None:
                    raise failed.error from failed
                self._sleep(pause)
        try:
            yield chain([] if first is None else [first], answer)
        except (TryAgain, ModelUnavailable) as failed:
            why = failed.error.message if isinstance(failed, TryAgain) else failed.message
            message = _("{name} broke off: {why}").format(name=self.name, why=why)
            raise GenerationFailed(message, hint=_("ask again")) from failed
        finally:
            answer.close()

    def _events(self, body: dict[str, Any], budget: Budget) -> Generator[Event, None, None]:
        begun = False

        def check() -> None:
            if not begun and not budget.left_s():
                message = _("{name} keeps the line open for {s:g} s and writes nothing")
                raise ModelUnavailable(message.format(name=self.name, s=self._patience.asking_s))

        with self._asked("POST", "/chat/completions", body) as response:
            if "text/event-stream" in response.headers.get("content-type", ""):
                for event in events(lines(response, self.name, check), self.name, self._key):
                    begun = begun or bool(event.text)
                    yield event
            else:  # a server that does not stream, or something else altogether
                yield event_of(bounded(response, self.name), self.name, self._key)

    @contextmanager
    def _asked(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, silence_s: float | None = None
    ) -> Iterator[Response]:
        client, silence = self._client, silence_s or self._patience.silence_s
        if client is None:
            raise ModelUnavailable(_("{name} is closed").format(name=self.name), hint=_("open it again"))
        try:
            patience = httpx.Timeout(silence, connect=self._patience.connect_s)
            with client.stream(method, self._url + path, json=body, timeout=patience) as response:
                raise_for_state(response, self.name, self._key)
                yield response
        except _PASSING as error:
            raise TryAgain(self._unreachable(error, silence)) from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise self._unreachable(error, silence) from error

    def _unreachable(self, error: Exception, silence_s: float) -> ModelUnavailable:
        silent = isinstance(error, httpx.ReadTimeout)
        why = _("silent for {s:g} s").format(s=silence_s) if silent else str(error) or type(error).__name__
        return ModelUnavailable(
            _("no answer from {url}: {why}").format(url=self._url, why=why.replace(self._key or "\0", "•••")),
            hint=_("see that the server runs and that the address is right"),
        )

    def _body(self, prompt: str, sampling: Sampling) -> dict[str, Any]:
        messages = prompt.messages if isinstance(prompt, Turns) else (Message("user", prompt),)
        body: dict[str, Any] = {
            "model": self._chosen(),
            "messages": [{"role": m.role, "content": _whole(m.content)} for m in messages],
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if sampling.temperature > 0:
            body["top_p"] = sampling.top_p
        if sampling.seed is not None:
            body["seed"] = sampling.seed
        if sampling.stop:
            body["stop"] = list(sampling.stop[:MOST_STOPS])
        return body

    def _chosen(self) -> str:
        """The model that was named, or else the server's only one."""
        if not self._model:
            names = [str(entry.get("id", "")) for entry in self._listed()]
            if len(names) != 1:
                raise SettingsError(
                    ngettext(
                        "{url} has {n} model, and none was named",
                        "{url} has {n} models, and none was named",
                        len(names),
                    ).format(url=self._url, n=len(names)),
                    hint=_("name one after #, of: {names}").format(names=", ".join(names[:20]) or "-"),
                )
            self._model = names[0]
        return self._model

    def _listed(self) -> list[dict[str, Any]]:
        import json

        with self._asked("GET", "/models", silence_s=self._patience.listing_s) as response:
            body = bounded(response, self.name)
        try:
            listed = json.loads(body)["data"]
            return [entry for entry in listed if isinstance(entry, dict)]
        except (ValueError, KeyError, TypeError) as error:
            raise ModelUnavailable(
                _("{url} does not list its models").format(url=self._url), hint=_("name the model after #")
            ) from error


def checked_url(url: str) -> str:
    """The address without what does not belong there. Raises SettingsError where it is no http address."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise SettingsError(_("{url} is no address: {error}").format(url=url, error=error)) from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise SettingsError(
            _("{url} is no http address").format(url=url), hint=_("such as openai:http://127.0.0.1:8000/v1#model")
        )
    if parsed.userinfo:
        raise SettingsError(
            _("the address holds a password"), hint=_("set OPENAI_API_KEY instead, and give the address without it")
        )
    return str(parsed.copy_with(fragment=None)).rstrip("/")


def checked_key(key: str) -> str:
    """The key without space around it. Raises SettingsError, without showing it, where it can be no key."""
    if not all("!" <= letter <= "~" for letter in key.strip()):
        raise SettingsError(
            _("the key for the server holds characters that no key has"), hint=_("set OPENAI_API_KEY to the key alone")
        )
    return key.strip()


def _whole(text: str) -> str:
    """The text as JSON can carry it: lone surrogates replaced."""
    return text.encode("utf-8", "replace").decode("utf-8")
