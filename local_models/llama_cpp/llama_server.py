"""A GGUF file through llama.cpp's own server: for users who have the program and not the package."""

from __future__ import annotations

import secrets
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import IO

import httpx

from local_models.engines.generation import Generation, Message, Sampling, estimated_tokens
from local_models.errors import ModelUnavailable
from local_models.interface.messages import _
from local_models.llama_cpp.gguf import check_generates
from local_models.llama_cpp.gguf_header import read_gguf_header
from local_models.llama_cpp.llama_program import guarded, last_line
from local_models.remote.openai_api import OpenAIEngine
from local_models.remote.retry_policy import Patience

LOAD_S = 600.0  # a model of some GB from a slow disk


class LlamaServerEngine:
    """A GGUF file behind a llama-server of our own, on this machine alone, as an `Engine`.

    The server is started with the first text, speaks on a loopback port with a key made for it, and ends
    with this engine or this process. It renders conversations by the file's own chat template.
    """

    def __init__(
        self,
        program: Path,
        path: Path,
        *,
        context: int = 2048,
        load_s: float = LOAD_S,
        patience: Patience | None = None,
    ) -> None:
        header = read_gguf_header(path)
        check_generates(path, header)
        self.name = header.name or path.stem
        self.context_length = min(context, header.context_length or context)
        self._program, self._path, self._load_s = program, path, load_s
        self._patience = patience or Patience()
        self._starting = threading.Lock()
        self._served: tuple[subprocess.Popen[bytes], OpenAIEngine] | None = None
        self._closed = False

    def count_tokens(self, text: str) -> int:
        """Tokens of a text, estimated as of any server."""
        return estimated_tokens(text)

    def render(self, messages: Sequence[Message]) -> str:
        """The conversation; the server renders it."""
        return self._engine().render(messages)

    def generate(self, prompt: str, sampling: Sampling) -> Generator[str, None, Generation]:
        """The continuation, piece by piece; returns the Generation."""
        return (yield from self._engine().generate(prompt, sampling))

    def close(self) -> None:
        """End the server."""
        with self._starting:
            self._closed, served, self._served = True, self._served, None
        if served is not None:
            _ended(*served)

    def _engine(self) -> OpenAIEngine:
        """The server's engine; started now if it is not running."""
        with self._starting:
            if self._closed:
                raise ModelUnavailable(_("{name} is closed").format(name=self.name), hint=_("open it again"))
            if self._served is not None and self._served[0].poll() is not None:
                _ended(*self._served)
                self._served = None
            if self._served is None:
                self._served = self._started()
            return self._served[1]

    def _started(self) -> tuple[subprocess.Popen[bytes], OpenAIEngine]:
        key, port = secrets.token_hex(16), _free_port()
        with tempfile.TemporaryDirectory(prefix="qrag-") as folder, Path(folder, "log").open("w+b") as log:
            key_file = Path(folder, "key")
            key_file.touch(0o600)
            key_file.write_text(key)  # not among the arguments, which every user of the machine can list
            command = [self._program, "-m", self._path, "-c", self.context_length, "--host", "127.0.0.1"]
            command += ["--port", port, "--api-key-file", key_file]
            process = guarded(list(map(str, command)), log)
            engine = OpenAIEngine(
                f"http://127.0.0.1:{port}/v1", key=key, context=self.context_length, patience=self._patience
            )
            engine.name = self.name  # in its messages
            try:
                self._wait(process, port, log)
            except BaseException:
                _ended(process, engine)
                raise
        return process, engine

    def _wait(self, process: subprocess.Popen[bytes], port: int, log: IO[bytes]) -> None:
        """Return once the server has loaded the model; it answers 503 until then."""
        until = time.monotonic() + self._load_s
        while time.monotonic() < until:
            if process.poll() is not None:
                raise ModelUnavailable(
                    _("{program} ended while it loaded {path}: {why}").format(
                        program=self._program, path=self._path, why=last_line(log)
                    ),
                    hint=_("run it by hand to see what it says"),
                )
            try:
                if httpx.get(f"http://127.0.0.1:{port}/health", timeout=2, trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:  # not listening yet
                pass
            time.sleep(0.05)
        raise ModelUnavailable(
            _("{program} did not load {path} in {s:g} s").format(program=self._program, path=self._path, s=self._load_s)
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _ended(process: subprocess.Popen[bytes], engine: OpenAIEngine) -> None:
    engine.close()
    if process.stdin is not None:
        process.stdin.close()
    process.wait()
