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

from qrag_lib.errors import GenerationFailed, ModelTooLarge, ModelUnavailable
from qrag_lib.i18n import _
from qrag_lib.models.chat import PLAIN, render_chat
from qrag_lib.models.generation import Finish, Generation, Message, Sampling
from qrag_lib.models.gguf import check_generates
from qrag_lib.models.gguf_header import read_gguf_header, read_gguf_vocabulary
from qrag_lib.models.llama_program import guarded, last_line
from qrag_lib.models.offload.text import StopText, until_stop

OPTIONS: Final = ("-m", "-n", "-ngl")  # words that the program would not take for a prompt
LONGEST: Final = 120_000  # bytes of a prompt: Linux takes 131,072 of one argument
BEFORE: Final = 64  # bytes that may stand before the prompt as it is printed: the token that begins a text


class LlamaSimpleEngine:
    """A GGUF file as an `Engine`: the program runs once a text, loads the model each time, takes the likeliest token.

    The prompt is an argument of it, which every user of this machine can list while it runs.
    """

    def __init__(self, program: Path, path: Path, *, context: int = 2048) -> None:
        header = read_gguf_header(path)
        check_generates(path, header)
        self.name = str(header.metadata.get("general.name") or path.stem)
        self.context_length = min(context, header.context_length or context)
        self._program, self._path, self._special = program, path, read_gguf_vocabulary(path)
        own = header.metadata.get("tokenizer.chat_template")
        self._template = own if isinstance(own, str) else PLAIN
        self._closed = False

    def count_tokens(self, text: str) -> int:
        """Tokens of a text, estimated as of any server."""
        return -(-len(text.encode("utf-8", "replace")) // 3)

    def render(self, messages: Sequence[Message]) -> str:
        """The conversation in the file's own chat template; the program puts the first token before it."""
        special = self._special
        return render_chat(messages, template=self._template, eos=special.eos, controls=special.controls)

    def generate(self, prompt: str, sampling: Sampling) -> Generator[str, None, Generation]:
        """The continuation, piece by piece; returns the Generation. Raises GenerationFailed above temperature 0."""
        began, first, text = perf_counter(), 0.0, ""
        said, room, stops = _argument(prompt), self._room(prompt, sampling), StopText(sampling.stop)
        with self._running(said, room) as (process, log):
            for piece in until_stop(_after(_printed(process), said, self._special.bos), stops):
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
                _("the prompt has {n} tokens; {name} reads {limit} with its answer").format(
                    n=n, name=self.name, limit=min(self.context_length, LONGEST // 3)
                ),
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

    def _decoded(self, process: subprocess.Popen[bytes], log: IO[bytes]) -> int:
        """Tokens that it says it wrote. Raises GenerationFailed where it failed."""
        if process.wait() != 0:
            raise GenerationFailed(
                _("{program} failed: {why}").format(program=self._program.name, why=last_line(log)),
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


def _after(printed: Iterator[bytes], prompt: str, bos: str) -> Iterator[str]:
    """The text that follows the prompt, which the program prints first, without the newline that ends it."""
    utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")
    held, begun = b"", False
    for block in printed:
        held += block
        if not begun and (end := _end_of(prompt.encode(), held, bos.encode())) is not None:
            held, begun = held[end:], True
        if begun:
            ready = held[:-1] if held.endswith(b"\n") else held
            held = held[len(ready) :]
            if piece := utf8.decode(ready):
                yield piece
    if not begun and held:
        raise GenerationFailed(_("the program did not repeat the prompt: its text cannot be told from it"))
    yield utf8.decode(held.removesuffix(b"\n"), final=True)


def _end_of(prompt: bytes, printed: bytes, bos: bytes) -> int | None:
    """Where the prompt ends in what was printed; None while it is not there. Tokenizers add and join spaces.

    >>> _end_of(b"a b ", b"<s> a  b c", b"<s>"), _end_of(b"s", b"<s>s", b"<s>"), _end_of(b"a b", b"<s> a", b"<s>")
    (9, 4, None)
    """
    start = len(bos) if printed.startswith(bos) else 0
    letters = [i for i in range(start, len(printed)) if printed[i] != 0x20]
    wanted = prompt.replace(b" ", b"")
    place = bytes(printed[i] for i in letters).find(wanted, 0, BEFORE + len(wanted))
    if place < 0:
        return None
    end = letters[place + len(wanted) - 1] + 1 if wanted else start
    spaces = len(prompt) - len(prompt.rstrip(b" "))
    return end + min(spaces, len(printed) - end - len(printed[end:].lstrip(b" ")))
