"""What an OpenAI-compatible server sends, read with suspicion: lines, events, errors."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NoReturn

from local_models.decoding.stop_text import StopText
from local_models.engines.generation import Finish, Generation, Sampling
from local_models.errors import GenerationFailed, ModelError, ModelRefused, ModelTooLarge, ModelUnavailable
from local_models.interface.messages import _, ngettext

if TYPE_CHECKING:
    from httpx import Response

LONGEST_LINE = 2**20  # characters of one event
LONGEST_BODY = 16 * 2**20  # bytes of an answer that comes whole
PASSING = (408, 425, 429, 500, 502, 503, 504)  # states that may pass


class TryAgain(Exception):
    """This try failed, the next may not. error: raised when there is no next; wait_s: what the server asks for."""

    def __init__(self, error: ModelError, wait_s: float | None = None) -> None:
        super().__init__(error.message)
        self.error, self.wait_s = error, wait_s


@dataclass(frozen=True, slots=True)
class Event:
    """A part of an answer. finish: the server's word for why it ended; n_prompt, n_new: tokens, where it tells."""

    text: str = ""
    finish: str = ""
    n_prompt: int | None = None
    n_new: int | None = None


class Writing:
    """An answer as its events come; what a server writes beyond the limit that it was given is left out."""

    def __init__(self, n_prompt: int, sampling: Sampling) -> None:
        self._began, self._first = time.perf_counter(), 0.0
        self._stops, self._text = StopText(sampling.stop), ""
        self._n_prompt, self._n_new, self._pieces = n_prompt, 0, 0
        self._limit, self._over, self._finish = sampling.max_new_tokens, False, ""

    @property
    def ended(self) -> bool:
        """True once a stop string was seen, or more than was asked for; what comes after is not read."""
        return self._stops.ended or self._over

    def push(self, event: Event) -> str:
        """The text that is certain now."""
        self._n_prompt = self._n_prompt if event.n_prompt is None else event.n_prompt
        self._n_new = self._n_new if event.n_new is None else event.n_new
        self._finish = event.finish or self._finish
        self._pieces += bool(event.text)  # of a token or more each
        if self._pieces > self._limit:
            self._pieces, self._finish = self._limit, "length"
            self._over = True
            return ""
        return self._told(self._stops.push(event.text))

    def finish(self, name: str) -> str:
        """The rest. Raises GenerationFailed where the server never said that it was done."""
        if not self._finish and not self.ended:
            raise GenerationFailed(
                ngettext(
                    "{name} broke off after {n} character", "{name} broke off after {n} characters", len(self._text)
                ).format(name=name, n=len(self._text)),
                hint=_("ask again"),
            )
        if self._finish == "content_filter":
            raise GenerationFailed(_("{name} withholds the answer (content_filter)").format(name=name))
        return self._told(self._stops.flush())

    def done(self) -> Generation:
        """The finished text."""
        now = time.perf_counter() - self._began
        finish: Finish = "length" if self._finish == "length" and not self._stops.ended else "stop"
        return Generation(self._text, self._n_prompt, self._n_new or self._pieces, finish, self._first or now, now)

    def _told(self, piece: str) -> str:
        self._first = self._first or (time.perf_counter() - self._began if piece else 0.0)
        self._text += piece
        return piece


def events(lines: Iterable[str], name: str, key: str = "") -> Iterator[Event]:
    """The events of a stream of server-sent lines, up to `[DONE]`; Raises GenerationFailed for what is no event."""
    for line in lines:
        if len(line) > LONGEST_LINE:
            raise GenerationFailed(
                ngettext(
                    "{name} sent a line of {n} character", "{name} sent a line of {n} characters", len(line)
                ).format(name=name, n=len(line))
            )
        kind, _colon, data = line.partition(":")
        if kind != "data":  # comments that keep the line open, names of events
            continue
        if data.strip() == "[DONE]":
            return
        yield event_of(data, name, key)


def event_of(data: str | bytes, name: str, key: str = "") -> Event:
    """One event, or a whole answer. Raises GenerationFailed where it is not JSON of that form, or tells an error."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise GenerationFailed(
            _("{name} sent what is not JSON: {data}").format(name=name, data=repr(data[:80])),
            hint=_("see that the address is the server's OpenAI interface, which often ends in /v1"),
        ) from error
    if not isinstance(value, dict):
        raise GenerationFailed(_("{name} sent {data}, which is no event").format(name=name, data=repr(data[:80])))
    if value.get("error"):
        raise GenerationFailed(_("{name} failed: {why}").format(name=name, why=_said(value, key)))
    choice = _first(value.get("choices"))
    usage = value["usage"] if isinstance(value.get("usage"), dict) else {}
    part = choice.get("delta") or choice.get("message") or choice
    text = part.get("content", part.get("text")) if isinstance(part, dict) else None
    return Event(
        text=text if isinstance(text, str) else "",
        finish=str(choice.get("finish_reason") or ""),
        n_prompt=_count(usage.get("prompt_tokens")),
        n_new=_count(usage.get("completion_tokens")),
    )


def raise_for_state(response: Response, name: str, key: str) -> None:
    """Raise for any answer but 200: TryAgain where it may pass, a ModelError where it will not."""
    state = response.status_code
    if state == 200:
        return
    if 300 <= state < 400:
        _raise_redirect(response, name)
    why = _reason(response, name, key)
    if state in PASSING:
        error = ModelUnavailable(
            _("{name} answers {state}: {why}").format(name=name, state=state, why=why), hint=_("try again later")
        )
        raise TryAgain(error, _wait(response.headers.get("retry-after", "")))
    if state in (401, 403):
        raise ModelUnavailable(
            _("{name} refuses the key ({state}): {why}").format(name=name, state=state, why=why),
            hint=_("set OPENAI_API_KEY to a key of this server"),
        )
    if state in (400, 413, 422) and "context" in why.lower():
        raise ModelTooLarge(
            _("the prompt is too long for {name}: {why}").format(name=name, why=why),
            hint=_("ask with fewer passages, or for a shorter answer"),
        )
    raise ModelUnavailable(
        _("{name} answers {state}: {why}").format(name=name, state=state, why=why),
        hint=_("see that the address ends as the server's documentation says, often in /v1, and names its model"),
    )


def bounded(response: Response, name: str) -> bytes:
    """The whole body. Raises GenerationFailed above 16 MiB."""
    body = bytearray()
    for part in response.iter_bytes():
        body += part
        if len(body) > LONGEST_BODY:
            raise GenerationFailed(
                ngettext("{name} sent more than {n} byte", "{name} sent more than {n} bytes", LONGEST_BODY).format(
                    name=name, n=LONGEST_BODY
                )
            )
    return bytes(body)


def lines(response: Response, name: str, check: Callable[[], object] = lambda: None) -> Iterator[str]:
    """The lines of a body, none kept beyond 1 MiB. check: asked at each part, may raise."""
    rest = ""
    for part in response.iter_text():
        check()
        *whole, rest = (rest + part).split("\n")
        yield from (line.rstrip("\r") for line in whole)
        if len(rest) > LONGEST_LINE:
            raise GenerationFailed(
                ngettext(
                    "{name} sent a line of {n} character", "{name} sent a line of {n} characters", len(rest)
                ).format(name=name, n=len(rest))
            )
    if rest:
        yield rest


def _raise_redirect(response: Response, name: str) -> NoReturn:
    where = response.headers.get("location", "")[:200]
    raise ModelRefused(
        _("{name} sends the question on to {where}; that is not followed").format(name=name, where=where or "?"),
        hint=_("if you trust that server, give its address"),
    )


def _reason(response: Response, name: str, key: str) -> str:
    """What the server says of an error, in 200 characters, without the key."""
    try:
        return _said(json.loads(bounded(response, name)), key)
    except Exception:  # any body will do: it only explains
        return _said(response.reason_phrase, key)


def _said(value: Any, key: str = "") -> str:
    error = value.get("error", value) if isinstance(value, dict) else value
    message = error.get("message", error) if isinstance(error, dict) else error
    text = " ".join(str(message).split())
    return (text.replace(key, "•••") if key else text)[:200]


def _first(choices: Any) -> dict[str, Any]:
    return choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and 0 <= value < 2**31 else None


def _wait(header: str) -> float | None:
    """Seconds that Retry-After asks for: a number, or a date."""
    if header.isascii() and header.strip().isdigit():
        return float(header)
    try:
        return (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return None
