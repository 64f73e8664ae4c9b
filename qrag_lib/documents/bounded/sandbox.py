"""The child process that parses files which could explode: started once, warm for the next file."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import threading
import weakref
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from qrag_lib.documents.limits import Limits
from qrag_lib.documents.text.draft import Extract
from qrag_lib.errors import DocumentRefused
from qrag_lib.i18n import _

HEADER = struct.Struct("!IQ")  # bytes of the JSON message, bytes of the file that follows it
OUT_OF_MEMORY = 75  # exit code of a child that met its limit
_START_SECONDS = 60.0
_ROOT = str(Path(__file__).parents[3])


class Sandbox:
    """A child process under limits of time and memory; replaced when a file kills it.

    One file at a time, from any thread. Nothing of the caller's script runs in it.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.peak_mib = 0.0
        self.started = 0
        self._child: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._end: weakref.finalize[..., Sandbox] | None = None
        self._lock = threading.Lock()

    def read(self, data: bytes, kind: str) -> Extract:
        """What the reader of `kind` finds in the bytes.

        Raises DocumentRefused: too_slow, too_much_memory, broken, or what the reader refuses.
        """
        with self._lock:
            try:
                answer = self._ask(data, kind)
            except BaseException:  # Ctrl-C too: half an answer may be in the pipe
                self.close()
                raise
        if "refused" in answer:
            refused = answer["refused"]
            raise DocumentRefused(refused["reason"], refused["message"], hint=refused["hint"])
        return Extract.from_json(answer["extract"])

    def close(self) -> None:
        """End the child. The next file starts another."""
        self._child = None
        if self._end:
            self._end()

    def _ask(self, data: bytes, kind: str) -> dict[str, Any]:
        child = self._warm()
        answer = self._exchange(child, {"kind": kind, "limits": asdict(self.limits)}, data, self.limits.seconds)
        self.peak_mib = max(self.peak_mib, answer["peak_mib"])
        if answer["leaving"]:
            self.close()
        return answer

    def _warm(self) -> subprocess.Popen[bytes]:
        if self._child and (self._owner != os.getpid() or self._child.poll() is not None):
            self.close()
        if not self._child:
            self._child = _start()
            self._owner = os.getpid()
            self._end = weakref.finalize(self, _end, self._child, self._owner)
            self.started += 1
            self._exchange(self._child, {"kind": "", "limits": asdict(self.limits)}, b"", _START_SECONDS)
        return self._child

    def _exchange(
        self, child: subprocess.Popen[bytes], message: dict[str, Any], data: bytes, seconds: float
    ) -> dict[str, Any]:
        late = threading.Event()

        def stop() -> None:
            late.set()
            child.kill()

        timer = threading.Timer(seconds, stop)
        timer.daemon = True
        timer.start()
        try:
            assert child.stdin and child.stdout
            send(child.stdin, message, data)
            answer: dict[str, Any] = receive(child.stdout)[0]
            return answer
        except (EOFError, BrokenPipeError) as error:
            raise self._refusal(child, late.is_set()) from error
        finally:
            timer.cancel()

    def _refusal(self, child: subprocess.Popen[bytes], late: bool) -> DocumentRefused:
        """Why the child died without an answer."""
        code = child.wait()
        if late or code == -signal.SIGALRM:
            message = _("reading took longer than {seconds:g} s").format(seconds=self.limits.seconds)
            return DocumentRefused("too_slow", message)
        if code in (OUT_OF_MEMORY, -signal.SIGKILL):  # its own limit, or the system's
            message = _("reading took more than {mib} MiB of memory").format(mib=self.limits.memory_mib)
            return DocumentRefused("too_much_memory", message)
        return DocumentRefused("broken", _("the parser crashed on the file (exit {code})").format(code=code))


def _start() -> subprocess.Popen[bytes]:
    """A child in a session of its own: Ctrl-C in the terminal is the parent's business."""
    program = "from qrag_lib.documents.bounded.reading_process import main; main()"
    code = f"import sys; sys.path.append({_ROOT!r}); {program}"
    command = [sys.executable, "-P", "-c", code]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def send(pipe: IO[bytes], message: object, data: bytes = b"") -> None:
    """Write a message and the bytes that belong to it."""
    head = json.dumps(message).encode()
    pipe.write(HEADER.pack(len(head), len(data)) + head)
    pipe.write(data)
    pipe.flush()


def receive(pipe: IO[bytes]) -> tuple[Any, bytes]:
    """The next message and its bytes. Raises EOFError where the other side is gone."""
    n_head, n_data = HEADER.unpack(_exactly(pipe, HEADER.size))
    return json.loads(_exactly(pipe, n_head)), _exactly(pipe, n_data)


def _exactly(pipe: IO[bytes], n: int) -> bytes:
    data = pipe.read(n)
    if len(data) < n:
        raise EOFError
    return data


def _end(child: subprocess.Popen[bytes], owner: int) -> None:
    """Kill the child, unless this process only inherited it by a fork."""
    if owner != os.getpid():
        return
    child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout):
        with suppress(BrokenPipeError):
            if pipe:
                pipe.close()
