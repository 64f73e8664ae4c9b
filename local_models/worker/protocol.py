"""JSON objects, one a line, over a socket; the errors of this package travel by name, never by pickle.

A connection carries one request. What a worker is asked, and what it replies until the last one:

    {"op": "open"}                            beat* value          what is hosted, once it is loaded
    {"op": "status"}                          value                at once
    {"op": "count" | "render", ...}           beat* value
    {"op": "generate", "prompt", "sampling"}  beat* piece* value   any byte sent meanwhile stops it
    {"op": "batch", "prompts", "sampling"}    beat* value
    {"op": "embed", "texts", "kind"}          beat* value          rows of an embedding model, in base64
    {"op": "spans", "texts"}                  beat* value
    {"op": "shutdown"}                        value

Every request carries the token of the worker's note. Any reply may be an error in the place of what is left.
"""

from __future__ import annotations

import json
import selectors
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from local_models import errors
from local_models.engines.generation import Generation, Sampling
from local_models.interface.messages import _, ngettext

VERSION = 1
MAX_LINE = 64 * 2**20  # bytes; a prompt of 4,096 tokens is some 20 kB, the word pieces of a long book 20 MB
SEND_S = 30.0  # a client that takes nothing for so long is gone


class ProtocolError(ValueError):
    """The other side sent something that is no message."""


class Line:
    """A connected socket that carries JSON objects. Any thread may send; one receives."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(SEND_S)
        self.connection = connection
        self._rest = bytearray()
        self._sending = threading.Lock()

    def send(self, message: Mapping[str, object]) -> None:
        """Send one object. Raises OSError where the other side is gone."""
        data = json.dumps(message).encode() + b"\n"
        if len(data) > MAX_LINE:
            raise ProtocolError(
                ngettext(
                    "a message of {n} byte; the limit is {limit}",
                    "a message of {n} bytes; the limit is {limit}",
                    len(data),
                ).format(n=len(data), limit=MAX_LINE)
            )
        with self._sending:
            self.connection.sendall(data)

    def receive(self, wait_s: float) -> dict[str, Any]:
        """The next object.

        Raises EOFError where the other side is gone, TimeoutError after `wait_s`, ProtocolError
        for a line that is too long or no JSON object.
        """
        end = time.monotonic() + wait_s
        seen = 0
        while (at := self._rest.find(b"\n", seen)) < 0:
            if (seen := len(self._rest)) > MAX_LINE:
                raise ProtocolError(_("a line is longer than {limit} bytes").format(limit=MAX_LINE))
            if not self.readable(end - time.monotonic()):
                raise TimeoutError(_("no reply for {seconds:g} s").format(seconds=wait_s))
            self._rest += self._more()
        line = bytes(self._rest[:at])
        del self._rest[: at + 1]
        return _object(line)

    def readable(self, wait_s: float) -> bool:
        """Whether something came, or the other side went, within `wait_s`."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.connection, selectors.EVENT_READ)
            return bool(selector.select(max(0.0, wait_s)))

    def close(self) -> None:
        """Close the connection; the other side sees its end at once."""
        with suppress(OSError):  # it is gone already
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()

    def _more(self) -> bytes:
        try:
            data = self.connection.recv(65_536)
        except ConnectionError:
            data = b""
        if not data:
            raise EOFError
        return data


def _object(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(_("a line is no JSON")) from error
    if not isinstance(message, dict):
        raise ProtocolError(_("a line is no JSON object"))
    return message


def error_message(error: BaseException) -> dict[str, Any]:
    """An error as it travels."""
    if isinstance(error, errors.QragError):
        told = {"kind": type(error).__name__, "message": error.message, "hint": error.hint}
        return {"error": told | {"path": getattr(error, "path", "")}}
    if isinstance(error, ValueError):
        return {"error": {"kind": "ValueError", "message": str(error), "hint": None}}
    return {"error": {"kind": "", "message": f"{type(error).__name__}: {error}", "hint": None}}


def error_of(told: Mapping[str, Any]) -> Exception:
    """The error that a worker told; one of no known name is a GenerationFailed."""
    kind, message, hint = str(told.get("kind")), str(told.get("message")), told.get("hint")
    if kind == "ValueError":
        return ValueError(message)
    known = getattr(errors, kind, None)
    if kind == "ModelDamaged":
        return errors.ModelDamaged(message, path=str(told.get("path", "")), hint=hint)
    if not (isinstance(known, type) and issubclass(known, errors.QragError)):
        return errors.GenerationFailed(message, hint=hint)
    return known(message, hint=hint)


def sampling_of(told: Mapping[str, Any]) -> Sampling:
    """The Sampling of a message. Raises TypeError or ValueError where it is none."""
    return Sampling(**{**told, "stop": tuple(told.get("stop", ()))})


def sampling_message(sampling: Sampling) -> dict[str, Any]:
    """A Sampling as it travels."""
    return asdict(sampling)


def generation_of(told: Mapping[str, Any]) -> Generation:
    """The Generation of a message."""
    return Generation(**told)


def generation_message(generation: Generation) -> dict[str, Any]:
    """A Generation as it travels."""
    return asdict(generation)
