"""A connection to the worker, from its request to its last reply. One thread each; none of them computes."""

from __future__ import annotations

import hmac
import threading
import time
import traceback
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from local_models.engines.generation import Engine, Message
from local_models.interface.messages import _
from local_models.worker.process import resident_bytes
from local_models.worker.protocol import VERSION, Line, ProtocolError, error_message

FIRST_S = 10.0  # a connection that asks nothing for so long is closed
BEAT_S = 2.0
ENCODING = ("embed", "spans", "read")  # that an encoder's host replies to
OPS = ("open", "count", "render", "generate", "batch", *ENCODING)  # that need the engine
SOON_S = 0.3  # the second beat of a generation: who still waits then is told
PATIENCE_S = 0.5  # a generation that was stopped may end at its next piece; then it is interrupted


@dataclass(eq=False)
class Job:
    """A generation: waiting for its turn, running, or done."""

    ask: Mapping[str, Any]
    line: Line
    cancelled: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)


class Turns:
    """Jobs in the order in which they came; one runs at a time."""

    def __init__(self) -> None:
        self._waiting: deque[Job] = deque()
        self._running: Job | None = None
        self._changed = threading.Condition()
        self._ended = False

    def add(self, job: Job) -> None:
        """Put a job at the end."""
        with self._changed:
            self._waiting.append(job)
            self._changed.notify()

    def end(self) -> None:
        """Let `next` wait no more."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def next(self, wait_s: float) -> Job | None:
        """The next job that is still wanted; the one before it is over. None after `wait_s`."""
        with self._changed:
            self._running = None
            self._changed.wait_for(lambda: self._waiting or self._ended, wait_s)
            while self._waiting:
                self._running = self._waiting.popleft()
                if not self._running.cancelled.is_set():
                    return self._running
                self._running.done.set()
            self._running = None
            return None

    def ahead(self, job: Job) -> int:
        """Jobs that come before this one, those left out that were stopped; 0 for the one that runs."""
        with self._changed:
            if job not in self._waiting:
                return 0
            before = [self._running, *self._waiting][: self._waiting.index(job) + 1]
            return sum(other is not None and not other.cancelled.is_set() for other in before)

    def drop(self, job: Job) -> None:
        """Take a job that waits out of the row."""
        with self._changed, suppress(ValueError):
            self._waiting.remove(job)
            job.done.set()

    def idle(self) -> bool:
        """Whether nothing runs or waits."""
        with self._changed:
            return self._running is None and not self._waiting


class Hosted:
    """What the sessions share: the engine once it is loaded, or why it could not be."""

    def __init__(self, about: Mapping[str, Any], token: str) -> None:
        self.about = about
        self.token = token
        self.turns = Turns()
        self.engine: Engine | None = None
        self.details: Mapping[str, Any] = {}
        self.failure: Mapping[str, Any] | None = None
        self.settled = threading.Event()  # loaded, or failed
        self.ending = threading.Event()
        self.last = time.monotonic()  # somebody needed the engine
        self.speaking = threading.Lock()  # tokenizers and templates: one at a time

    def opened(self) -> dict[str, Any]:
        """What a client learns when the engine is loaded."""
        assert self.engine
        abilities = ["batch"] if hasattr(self.engine, "generate_batch") else []
        told = {"name": self.engine.name, "context_length": self.engine.context_length, "abilities": abilities}
        return {**self.about, **told, "details": dict(self.details)}

    def state(self) -> dict[str, Any]:
        """What it does now, in a word that `registry` knows, and the bytes that it has."""
        doing = "loading" if self.engine is None else "idle" if self.turns.idle() else "writing"
        return {**self.about, "doing": doing, "bytes": resident_bytes()}

    def end(self) -> None:
        """End soon; what runs is interrupted."""
        self.ending.set()
        self.turns.end()
        self.interrupt()

    def withdraw(self) -> None:
        """Be found by nobody any more."""
        raise NotImplementedError

    def interrupt(self) -> None:
        """Interrupt what computes, if it is no longer wanted; the server says how."""
        raise NotImplementedError


class Session:
    """One connection."""

    def __init__(self, line: Line, hosted: Hosted) -> None:
        self.line = line
        self.hosted = hosted

    def run(self) -> None:
        """Take the request and answer it; a client that is gone is no error."""
        try:
            self._answer(self._asked())
        except (OSError, EOFError):
            pass
        except Exception as error:
            if not isinstance(error, ProtocolError):
                traceback.print_exc()
            with suppress(OSError):
                self.line.send(error_message(error))
        finally:
            self.line.close()

    def _asked(self) -> dict[str, Any]:
        ask = self.line.receive(FIRST_S)
        token = ask.pop("token", None)
        if not isinstance(token, str) or not hmac.compare_digest(token.encode(), self.hosted.token.encode()):
            raise ProtocolError(_("the request carries another token"))
        if ask.pop("version", VERSION) != VERSION:
            raise ProtocolError(_("the request is of another version"))
        return ask

    def _answer(self, ask: Mapping[str, Any]) -> None:
        op = ask.get("op")
        if op == "status":
            self.line.send({"value": self.hosted.state()})
        elif op == "shutdown":
            self.line.send({"value": True})
            self.hosted.end()
        elif op in OPS:
            if engine := self._loaded():
                self._worked(engine, str(op), ask)
            self.hosted.last = time.monotonic()
        else:
            raise ProtocolError(_("a worker does not know {op!r}").format(op=op))

    def _loaded(self) -> Engine | None:
        """The engine, waited for; None where it failed and that has been told."""
        self.line.send({"beat": {"stage": "loading" if not self.hosted.settled.is_set() else "loaded"}})
        while not self.hosted.settled.wait(BEAT_S):
            self.line.send({"beat": {"stage": "loading"}})
        if self.hosted.failure:
            self.hosted.withdraw()  # who asks again gets a new worker
            self.line.send(self.hosted.failure)
        return self.hosted.engine

    def _worked(self, engine: Engine, op: str, ask: Mapping[str, Any]) -> None:
        if op == "open":
            self.line.send({"value": self.hosted.opened()})
        elif op == "count":
            with self.hosted.speaking:
                n = engine.count_tokens(_text(ask, "text"))
            self.line.send({"value": n})
        elif op == "render":
            messages = [Message(**message) for message in ask["messages"]]
            with self.hosted.speaking:
                prompt = engine.render(messages)
            self.line.send({"value": prompt})
        else:
            self._generate(Job(ask, self.line))

    def _generate(self, job: Job) -> None:
        """Wait while the engine's own thread does the job; whatever the client sends, or its end, stops it."""
        turns = self.hosted.turns
        turns.add(job)
        try:
            self._beat(job)
            wait_s = SOON_S
            while not job.done.is_set() and not self.line.readable(wait_s):
                self._beat(job)
                wait_s = BEAT_S
        except OSError:
            pass  # it is gone: stopped like any other
        job.cancelled.set()
        turns.drop(job)
        while not job.done.wait(PATIENCE_S):
            self.hosted.interrupt()

    def _beat(self, job: Job) -> None:
        ahead = self.hosted.turns.ahead(job)
        self.line.send({"beat": {"stage": "waiting" if ahead else "generating", "ahead": ahead}})


def _text(ask: Mapping[str, Any], name: str) -> str:
    if not isinstance(ask.get(name), str):
        raise ProtocolError(_("{name} is no text").format(name=name))
    return str(ask[name])
