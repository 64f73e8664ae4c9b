"""A GGUF file through llama.cpp as an engine: in a process of its own."""

from __future__ import annotations

import codecs
import secrets
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from local_models.decoding.stop_text import StopText, until_stop
from local_models.engines.chat_template import PLAIN, render_chat
from local_models.engines.exclusive_lock import Turn
from local_models.engines.generation import Engine, Finish, Generation, Message, Sampling
from local_models.errors import GenerationFailed, ModelError, ModelTooLarge, ModelUnavailable
from local_models.interface.messages import _, ngettext
from local_models.llama_cpp.gguf_header import GgufHeader, read_gguf_header

if TYPE_CHECKING:
    pass

PACKAGE = "llama_cpp"
FACTORY = "gguf"
UNSAID_CONTEXT = 2048  # tokens, where a file does not say what it was trained for


def build(arguments: Mapping[str, Any]) -> tuple[Engine, Mapping[str, Any]]:
    """The engine, in a worker. arguments: path, context."""
    return GgufEngine(Path(arguments["path"]), context=arguments["context"]), {}


def smaller(arguments: Mapping[str, Any], reason: str) -> None:
    """None: llama.cpp holds all of a file or none of it."""


class GgufEngine:
    """A GGUF file as an `Engine`. llama.cpp maps it at once; it runs in this process, one text at a time.

    Raises ModelRefused, ModelDamaged for a header that lies, ModelUnavailable without llama-cpp-python.
    """

    def __init__(self, path: Path, *, context: int | None = None, threads: int | None = None) -> None:
        self._header = read_gguf_header(path)
        check_generates(path, self._header)
        self.name = self._header.name or path.stem
        trained = self._header.context_length or UNSAID_CONTEXT
        self.context_length = min(context or trained, trained)
        self._turn = Turn()
        self._model: Any = _loaded(path, self.context_length, threads)
        self._bos, self._eos = (self._spelt(token) for token in (self._model.token_bos(), self._model.token_eos()))

    def count_tokens(self, text: str) -> int:
        """Tokens of a text, special tokens left out."""
        return len(self._open().tokenize(_bytes(text), add_bos=False, special=False))

    def render(self, messages: Sequence[Message]) -> str:
        """The prompt of a conversation by the file's own chat template, the plain format where it has none."""
        template = self._header.chat_template or PLAIN
        return render_chat(messages, template=template, bos=self._bos, eos=self._eos, controls=self._controls)

    def generate(self, prompt: str, sampling: Sampling) -> Generator[str, None, Generation]:
        """The continuation, piece by piece; returns the Generation."""
        began, first, text = perf_counter(), 0.0, ""
        with self._turn.taken(self.name):
            ids = self._encode(prompt)
            room = min(sampling.max_new_tokens, self.context_length - len(ids))
            stops, tally = StopText(sampling.stop), {"tokens": 0, "ended": 0}
            with _named_failures(self.name):
                for piece in until_stop(self._pieces(ids, sampling, room, tally), stops):
                    first, text = first or perf_counter() - began, text + piece
                    yield piece
        finish: Finish = "stop" if stops.ended or tally["ended"] else "length"
        now = perf_counter() - began
        return Generation(text, len(ids), tally["tokens"], finish, first or now, now)

    def close(self) -> None:
        """Free the model; waits for a text that is being written."""
        with self._turn.taken(self.name):
            model, self._model = self._model, None
        if model is not None:
            model.close()

    def _pieces(self, ids: list[int], sampling: Sampling, room: int, tally: dict[str, int]) -> Iterator[str]:
        """What llama.cpp writes, a token a piece; a letter is told once it is whole."""
        model, utf8 = self._open(), codecs.getincrementaldecoder("utf-8")(errors="replace")
        model.set_seed(
            secrets.randbits(31) if sampling.seed is None else sampling.seed
        )  # it keeps that of the last text
        chosen = model.generate(
            ids, temp=sampling.temperature, top_p=sampling.top_p, top_k=0, min_p=0.0, repeat_penalty=1.0
        )
        for token in chosen:
            if self._ends(token):
                tally["ended"] = 1
                break
            tally["tokens"] += 1
            yield utf8.decode(model.detokenize([token], prev_tokens=ids))
            if tally["tokens"] >= room:
                break
        chosen.close()
        yield utf8.decode(b"", final=True)

    def _encode(self, prompt: str) -> list[int]:
        model = self._open()
        begins = bool(self._bos) and not prompt.startswith(self._bos)
        ids: list[int] = model.tokenize(_bytes(prompt), add_bos=begins and self._wants_bos(), special=True)
        if len(ids) >= self.context_length:
            raise ModelTooLarge(
                ngettext(
                    "the prompt has {n} token; {name} reads {limit} with its answer",
                    "the prompt has {n} tokens; {name} reads {limit} with its answer",
                    len(ids),
                ).format(n=len(ids), name=self.name, limit=self.context_length),
                hint=_("shorten the prompt or ask with fewer passages"),
            )
        return ids or [model.token_eos()]  # a text must follow something

    def _wants_bos(self) -> bool:
        said = self._header.metadata.get("tokenizer.ggml.add_bos_token")
        return said if isinstance(said, bool) else self._header.metadata.get("tokenizer.ggml.model") == "llama"

    @cached_property
    def _controls(self) -> list[str]:
        """The texts of the control tokens."""
        llama_cpp, vocab = import_module(PACKAGE), self._open()._model.vocab
        tokens = range(llama_cpp.llama_vocab_n_tokens(vocab))
        return [self._spelt(token) for token in tokens if llama_cpp.llama_vocab_is_control(vocab, token)]

    def _ends(self, token: int) -> bool:
        return bool(import_module(PACKAGE).llama_vocab_is_eog(self._open()._model.vocab, token))

    def _spelt(self, token: int) -> str:
        text: bytes = self._model.detokenize([token], special=True) if token >= 0 else b""
        return text.decode("utf-8", "replace")

    def _open(self) -> Any:
        if self._model is None:
            raise ModelUnavailable(_("{name} is closed").format(name=self.name), hint=_("open it again"))
        return self._model


def check_generates(path: Path, header: GgufHeader) -> None:
    """Raise ModelError for a GGUF file that holds no language model: a vocabulary alone, an encoder."""
    if not header.tensors:
        raise ModelError(
            _("{path} holds a vocabulary and no weights").format(path=path), hint=_("give the file of a whole model")
        )


def check_package(path: Path) -> None:
    """Raise ModelUnavailable where llama-cpp-python is not installed."""
    if find_spec(PACKAGE) is None:
        raise ModelUnavailable(
            _("{path} needs llama.cpp, which is not installed").format(path=path),
            hint=_("pip install qrag[gguf] (compiles it), or set LLAMA_CPP_PATH to its llama-server or llama-simple"),
        )


def _loaded(path: Path, context: int, threads: int | None) -> Any:
    check_package(path)
    llama_cpp = import_module(PACKAGE)
    try:
        return llama_cpp.Llama(str(path), n_ctx=context, n_threads=threads, n_gpu_layers=-1, verbose=False)
    except (ValueError, OSError, RuntimeError, AssertionError) as error:
        raise ModelError(
            _("llama.cpp cannot load {path}: {error}").format(path=path, error=error),
            hint=_("see that this llama.cpp knows the model's architecture; a newer one may"),
        ) from error


@contextmanager
def _named_failures(name: str) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, ValueError, OSError) as error:
        raise GenerationFailed(_("{name} failed: {why}").format(name=name, why=error)) from error


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
