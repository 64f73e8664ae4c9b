"""The loop of a worker: load, generate one text at a time, end when nobody asks any more.

The engine lives on the main thread: a thread that enters torch gets a pool of its own there, and a
signal can interrupt only what runs there.
"""

from __future__ import annotations

import _thread
import json
import os
import secrets
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from local_models.clients import deaths, rendezvous
from local_models.clients.smaller_plan import reason_of
from local_models.engines.generation import Generation
from local_models.errors import GenerationFailed
from local_models.interface.messages import _
from local_models.worker import file_hold, process
from local_models.worker.factories import Factory, build
from local_models.worker.listening import is_ours, listen
from local_models.worker.protocol import Line, ProtocolError, error_message, generation_message, sampling_of
from local_models.worker.sessions import ENCODING, Hosted, Job, Session

MAX_SESSIONS = 64
_TICK_S = 1.0
_TOLD_S = 10.0  # a load that failed is kept for those who wait for it to hear
_LOCK_S = 3.0  # a worker that ends needs no longer to let go


def main(order: str, factories: Mapping[str, Factory]) -> int:
    """Be the worker of an order (JSON) until nobody needs it; the exit code."""
    wanted = rendezvous.Order(**json.loads(order))
    folder = Path(wanted.folder)
    process.settle(wanted.threads)
    if _placed(folder, wanted.key) is None:
        return rendezvous.ALREADY
    rendezvous.remove(folder, wanted.key)
    server = Server(wanted, factories)
    try:
        server.serve()
    finally:
        rendezvous.remove(folder, wanted.key)
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(0)  # the kernel frees the model faster than its destructors


def _placed(folder: Path, key: str) -> int | None:
    """The lock of `key`, waited for while its holder ends; None where somebody is found there, or stays."""
    end = time.monotonic() + _LOCK_S
    while (lock := file_hold.take(rendezvous.lock_path(folder, key))) is None:
        if time.monotonic() > end or any(rendezvous.notes(folder, key)):
            return None
        time.sleep(0.05)
    return lock


class Server(Hosted):
    """One hosted engine and those who ask for it."""

    def __init__(self, order: rendezvous.Order, factories: Mapping[str, Factory]) -> None:
        self.order = order
        self.folder = Path(order.folder)
        self.factories = factories
        about = {"pid": os.getpid(), "step": order.step, "arguments": dict(order.arguments), "started": time.time()}
        super().__init__(about, secrets.token_hex(16))
        self._running: Job | None = None
        self._sessions: set[Session] = set()
        self._farewell: Mapping[str, Any] = error_message(GenerationFailed(_("the worker was told to end")))

    def serve(self) -> None:
        """Listen, load, and work until it is idle for too long, told to end, or its note is gone."""
        signal.signal(signal.SIGINT, self._signalled)
        signal.signal(signal.SIGTERM, self._signalled)
        listener, address = listen(rendezvous.socket_path(self.folder, self.order.key, os.getpid()))
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        self._note(address)
        try:
            self._load()
            while not self._over():
                if job := self.turns.next(_TICK_S):
                    self._do(job)
        except KeyboardInterrupt:
            pass  # ended by a signal while it loaded

    def interrupt(self) -> None:
        """Interrupt the main thread, where `_signalled` looks whether that is wanted."""
        if sys.platform == "win32":
            _thread.interrupt_main()
        else:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    def _signalled(self, number: int, _frame: object) -> None:
        if number == signal.SIGTERM:
            self.ending.set()
        unwanted = self._running is not None and (self._running.cancelled.is_set() or self.ending.is_set())
        if unwanted or (self.ending.is_set() and not self.settled.is_set()):
            self._running = None
            raise KeyboardInterrupt

    def _note(self, address: str) -> None:
        order = self.order
        told = (order.factory, dict(order.arguments), order.step, time.time(), deaths.oom_counts())
        rendezvous.Note(order.key, os.getpid(), address, self.token, *told).write(self.folder)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _address = listener.accept()
            except OSError:  # no descriptors left, for a while
                time.sleep(_TICK_S)
                continue
            if not is_ours(connection) or len(self._sessions) >= MAX_SESSIONS:
                connection.close()
                continue
            session = Session(Line(connection), self)
            self._sessions.add(session)
            threading.Thread(target=self._attend, args=(session,), daemon=True).start()

    def _attend(self, session: Session) -> None:
        try:
            session.run()
        finally:
            self._sessions.discard(session)

    def _load(self) -> None:
        try:
            self.engine, self.details = build(self.factories, self.order.factory, self.order.arguments)
        except Exception as error:
            traceback.print_exc()
            self.failure = _told(error)
        finally:
            process.trim()
            self.last = time.monotonic()
            self.settled.set()

    def _over(self) -> bool:
        """Whether it is time to end. Who waits for a reply has it first."""
        process.trim_log(rendezvous.log_path(self.folder, self.order.key))
        if self.failure or self.ending.is_set():
            self._wait(lambda: not self._found(), _TOLD_S if self.failure else 0)
            self.withdraw()
            self._dismiss()
            return True
        idle = time.monotonic() - self.last > self.order.idle_s
        return not self._sessions and self.turns.idle() and (idle or not self._found())

    def _found(self) -> bool:
        """Whether its note is there: a load that failed is told, and then withdrawn; a folder may be removed."""
        return rendezvous.note_path(self.folder, self.order.key, os.getpid()).exists()

    def withdraw(self) -> None:
        """Be found by nobody any more."""
        rendezvous.note_path(self.folder, self.order.key, os.getpid()).unlink(missing_ok=True)

    def _dismiss(self) -> None:
        """Tell those who wait for a turn that none comes, and let the replies reach them."""
        while job := self.turns.next(0):
            with suppress(OSError):
                job.line.send(self._farewell)
            job.done.set()
        self._wait(lambda: not self._sessions, _LOCK_S / 2)

    def _wait(self, until: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not until() and time.monotonic() < end:
            time.sleep(0.01)

    def _do(self, job: Job) -> None:
        """Run a job and tell how it ended."""
        self._running = job
        reply: Mapping[str, Any]
        try:
            reply = {"value": self._written(job)}
        except KeyboardInterrupt:
            reply = error_message(GenerationFailed(_("the generation was stopped")))
        except Exception as error:
            traceback.print_exc()
            reply = _told(error)
        finally:
            self._running = None
        if "reason" in reply.get("error", {}):
            self._farewell = {"gone": True}
            self.withdraw()
            self.ending.set()
        with suppress(OSError):
            try:
                job.line.send(reply)
            except ProtocolError as error:  # too long to be sent
                job.line.send(error_message(error))
        self.last = time.monotonic()
        job.done.set()
        process.trim()

    def _written(self, job: Job) -> Any:
        able: Any = self.engine  # what not every Engine is able to
        if job.ask["op"] in ENCODING:
            return able.reply(job.ask)
        sampling = sampling_of(job.ask["sampling"])
        if job.ask["op"] == "batch":
            return [generation_message(g) for g in able.generate_batch(job.ask["prompts"], sampling)]
        assert self.engine
        pieces = self.engine.generate(str(job.ask["prompt"]), sampling)
        try:
            return generation_message(_sent(pieces, job))
        finally:
            self._running = None  # closing it is not to be interrupted
            pieces.close()


def _sent(pieces: Generator[str, None, Generation], job: Job) -> Generation:
    """The finished Generation, its pieces sent as they are made. Raises KeyboardInterrupt where it is stopped."""
    while not job.cancelled.is_set():
        try:
            piece = next(pieces)
        except StopIteration as end:
            finished: Generation = end.value
            return finished
        try:
            job.line.send({"piece": piece})
        except OSError:
            job.cancelled.set()
    raise KeyboardInterrupt


def _told(error: BaseException) -> dict[str, Any]:
    """An error as it travels, with the reason why a smaller plan may help."""
    message = error_message(error)
    if reason := reason_of(error):
        message["error"]["reason"] = reason
    return message
