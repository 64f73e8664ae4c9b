"""A GGUF file through llama.cpp's llama-simple: for users who have this program, and no server beside it."""

from __future__ import annotations

import codecs
import os
import re
import subprocess
import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import IO, Final

from local_models.decoding.stop_text import StopText, until_stop
from local_models.engines.chat_template import PLAIN, render_chat
from local_models.engines.exclusive_lock import Turn
from local_models.engines.generation import Finish, Generation, Message, Sampling, estimated_tokens
from local_models.errors import GenerationFailed, ModelTooLarge, ModelUnavailable
from local_models.interface.messages import _, ngettext
from local_models.llama_cpp.gguf import check_generates
from local_models.llama_cpp.gguf_header import read_gguf_header
from local_models.llama_cpp.gguf_vocabulary import read_gguf_vocabulary
from local_models.llama_cpp.llama_program import guarded, last_line

OPTIONS: Final = ("-m", "-n", "-ngl")  # words that the program would not take for a prompt
LONGEST: Final = 120_000  # bytes of a prompt: Linux takes 131,072 of one argument
KILLED: Final = 128  # exit codes above it name a signal
BLANK: Final = "\u2581".encode()  # SentencePiece's
BEFORE: Final = 64  # bytes that may stand before the prompt as it is printed: the token that begins a text


class LlamaSimpleEngine:
    """A GGUF file as an `Engine`: the program runs once a text, loads the model each time, takes the likeliest token.

    The prompt is an argument of it, which every user of this machine can list while it runs.
    """

    def __init__(self, program: Path, path: Path, *, context: int = 2048) -> None:
        header = read_gguf_header(path)
        check_generates(path, header)
        self.name = header.name or path.stem
        self.context_length = min(context, header.context_length or context)
        self._program, self._path, self._special = program, path, read_gguf_vocabulary(path)
        self._template = header.chat_template or PLAIN
        self._turn = Turn()
        self._closed = False

    def count_tokens(self, text: str) -> int:
        """Tokens of a text, estimated as of any server."""
        return estimated_tokens(text)

    def render(self, messages: Sequence[Message]) -> str:
        """The conversation in the file's own chat template; the program puts the first token before it."""
        special = self._special
        return render_chat(messages, template=self._template, eos=special.eos, controls=special.controls)

    def generate(self, prompt: str, sampling: Sampling) -> Generator[str, None, Generation]:
        """The continuation, piece by piece; returns the Generation. Raises GenerationFailed above temperature 0."""
        began, first, text = perf_counter(), 0.0, ""
        said, room, stops = _argument(prompt), self._room(prompt, sampling), StopText(sampling.stop)
        with self._turn.taken(self.name), self._running(said, room) as (process, log):
            for piece in until_stop(self._text(process, log, said), stops):
                first, text = first or perf_counter() - began, text + piece
                yield piece
            n = self.count_tokens(text) if stops.ended else self._decoded(process, log)
        finish: Finish = "length" if n >= room and not stops.ended else "stop"
        now = perf_counter() - began
        return Generation(text, self.count_tokens(prompt), n, finish, first or now, now)

    def close(self) -> None:
        """Nothing is kept between two texts."""
        self._closed = True

    def _room(self, prompt: str, sampling: Sampling) -> int:
        """New tokens that there is room for. Raises for what the program cannot do."""
        if self._closed:
            raise ModelUnavailable(_("{name} is closed").format(name=self.name), hint=_("open it again"))
        if sampling.temperature > 0:
            raise GenerationFailed(
                _("{program} takes the likeliest token and knows no temperature").format(program=self._program.name),
                hint=_("set LLAMA_CPP_PATH to llama.cpp's llama-server, or to the folder that holds it"),
            )
        n = self.count_tokens(prompt)
        if n >= self.context_length or 3 * n > LONGEST:
            raise ModelTooLarge(
                ngettext(
                    "the prompt has {n} token; {name} reads {limit} with its answer",
                    "the prompt has {n} tokens; {name} reads {limit} with its answer",
                    n,
                ).format(n=n, name=self.name, limit=min(self.context_length, LONGEST // 3)),
                hint=_("shorten the prompt or ask with fewer passages"),
            )
        return min(sampling.max_new_tokens, self.context_length - n)

    @contextmanager
    def _running(self, said: str, n_new: int) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
        """The program at work; it is ended however this is left."""
        command = [str(self._program), "-m", str(self._path), "-n", str(n_new), said]
        with tempfile.TemporaryFile(prefix="qrag-") as log:
            process = guarded(command, log, read=True)
            try:
                yield process, log
            finally:
                for pipe in (process.stdin, process.stdout):
                    if pipe is not None:
                        pipe.close()
                process.wait()

    def _text(self, process: subprocess.Popen[bytes], log: IO[bytes], said: str) -> Iterator[str]:
        """What the program writes after the prompt. Raises GenerationFailed where it cannot be told from the prompt."""
        echo = _Echo(said, self._special.bos)
        for block in _printed(process):
            yield echo.push(block)
        yield echo.flush() if echo.begun else ""
        if not echo.begun:
            self._decoded(process, log)  # a program that died says why
            raise GenerationFailed(
                _("{program} did not repeat the prompt: its text cannot be told from it").format(
                    program=self._program.name
                ),
                hint=_("set LLAMA_CPP_PATH to llama.cpp's llama-server, or to the folder that holds it"),
            )

    def _decoded(self, process: subprocess.Popen[bytes], log: IO[bytes]) -> int:
        """Tokens that it says it wrote. Raises GenerationFailed where it failed."""
        code = process.wait()
        if code:
            why = _("killed by signal {n}").format(n=code - KILLED) if code > KILLED else last_line(log)
            raise GenerationFailed(
                _("{program} failed: {why}").format(program=self._program.name, why=why),
                hint=_("run it by hand to see what it says"),
            )
        log.seek(0)
        told = re.findall(rb"decoded (\d+) tokens", log.read()[-20_000:])
        return int(told[-1]) if told else 0


def _argument(prompt: str) -> str:
    """The prompt as one argument of a program: never empty, no option, no NUL."""
    said = prompt.encode("utf-8", "replace").decode().replace("\0", " ")
    return f" {said}" if said in OPTIONS or not said else said


def _printed(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """What the program prints, as it prints it."""
    assert process.stdout is not None
    while block := os.read(process.stdout.fileno(), 1 << 16):
        yield block


class _Echo:
    """Takes what the program prints and gives what follows the prompt, without the newline that ends it.

    Tokenizers add, join and drop blanks: the prompt is known by its other letters.

    >>> echo = _Echo("a b ", "<s>")
    >>> [echo.push(block) for block in (b"<s> a", b"  b", b" c", b"d\\n")], echo.begun
    (['', '', 'c', 'd'], True)
    """

    def __init__(self, prompt: str, bos: str) -> None:
        self.begun = False
        self._bos, self._wanted = bos.encode(), bytes(byte for _i, byte in _letters(prompt.encode()))
        self._skip = len(prompt) - len(prompt.rstrip())
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = b""

    def push(self, block: bytes) -> str:
        """The text that is certain now."""
        self._held += block
        if not self.begun and (end := self._end()) is not None:
            self.begun, self._held = True, self._held[end:]
        if not self.begun:
            return ""
        while self._skip and self._held[:1].isspace():
            self._skip, self._held = self._skip - 1, self._held[1:]
        self._skip = 0 if self._held else self._skip
        ready = self._held.removesuffix(b"\n")
        self._held = self._held[len(ready) :]
        return self._utf8.decode(ready)

    def flush(self) -> str:
        """What was held back, at the end."""
        return self._utf8.decode(self._held.removesuffix(b"\n"), final=True)

    def _end(self) -> int | None:
        """Where the prompt ends in what was printed; None while it is not there."""
        start = len(self._bos) if self._held.startswith(self._bos) else 0
        letters = _letters(self._held[start:])
        place = bytes(byte for _i, byte in letters).find(self._wanted, 0, BEFORE + len(self._wanted))
        if place < 0:
            return None
        return start + letters[place + len(self._wanted) - 1][0] + 1 if self._wanted else start


def _letters(text: bytes) -> list[tuple[int, int]]:
    """Places and values of the bytes that are no blanks."""
    plain = text.replace(BLANK, b" " * len(BLANK))
    return [(i, byte) for i, byte in enumerate(plain) if not plain[i : i + 1].isspace()]
