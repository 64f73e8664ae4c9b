"""Text to token ids and back, by the `tokenizers` library alone: 29 MB for 100,000 tokens, where transformers takes 65.

A byte-level tokenizer spells each byte as a letter. Its added tokens are not spelt that way, though its
decoder reads them as if they were: DeepSeek LLM's 100002 to 100014 (ø ö ú ÿ õ ÷ û ý À ù Á þ ü) come back as
broken bytes (tokenizers #1424, closed unfixed in 0.23). Here every id has its bytes, added tokens their own.
"""

from __future__ import annotations

import codecs
import json
import re
import sys
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from local_models.engines.chat_template import PLAIN, render_chat
from local_models.engines.generation import Message
from local_models.errors import ModelDamaged, ModelRefused
from local_models.interface.messages import _

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

FILE = "tokenizer.json"
FILE_MIB = 64
_SURROGATE = re.compile("[\ud800-\udfff]")


class StreamDecoder(Protocol):
    """Turns ids into text as they come; a letter is told once all its bytes are there."""

    def push(self, token: int) -> str:
        """The text that is certain now; "" while a letter is incomplete."""
        ...

    def flush(self) -> str:
        """What is left at the end: U+FFFD for an incomplete letter, else ""."""
        ...


class Tokenizer:
    """A model's tokenizer with the ids that begin and end its texts.

    bos_id: what a prompt begins with, None where the model wants none. eos_ids: what ends a text.
    """

    def __init__(self, backend: Backend, *, bos: str = "", add_bos: bool = False, eos: str = "",
                 eos_ids: Iterable[int] = (), template: str = PLAIN) -> None:  # fmt: skip
        self._backend = backend
        self._added = backend.get_added_tokens_decoder()
        self._byte_level = _is_byte_level(backend)
        self._one_at_a_time = threading.Lock()
        self.bos, self.eos, self.template = bos, eos, template
        self.bos_id: int | None = backend.token_to_id(bos) if bos and add_bos else None
        self.eos_ids: tuple[int, ...] = tuple(sorted({*eos_ids, *_known(backend, eos)}))
        self.special_ids: frozenset[int] = frozenset(i for i, token in self._added.items() if token.special)

    @property
    def vocab_size(self) -> int:
        """Tokens that have a text, added ones included."""
        return int(self._backend.get_vocab_size(with_added_tokens=True))

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        """The ids of a text.

        special: read control tokens written in the text as such, and begin with the BOS that the
        model wants (once); otherwise the text is data, and `</s>` in it is four characters.
        """
        with self._one_at_a_time:
            self._backend.encode_special_tokens = not special
            ids: list[int] = self._backend.encode(_whole(text), add_special_tokens=False).ids
        wanted = special and self.bos_id is not None and ids[:1] != [self.bos_id]
        return [self.bos_id, *ids] if wanted and self.bos_id is not None else ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, special tokens left out."""
        decoder = self.stream()
        return "".join(map(decoder.push, ids)) + decoder.flush()

    def stream(self) -> StreamDecoder:
        """A decoder for ids that come one by one; its pieces together are what `decode` gives."""
        return _ByteDecoder(self) if self._byte_level else _PieceDecoder(self)

    def count(self, text: str) -> int:
        """Tokens of a text, special tokens left out."""
        return len(self.encode(text))

    def render(self, messages: Sequence[Message]) -> str:
        """The prompt of a conversation in the model's chat format, up to where the assistant writes."""
        controls = [self._added[i].content for i in self.special_ids]
        return render_chat(messages, template=self.template, bos=self.bos, eos=self.eos, controls=controls)

    def token_bytes(self, token: int) -> bytes:
        """What a token of a byte-level tokenizer stands for; b"" for special and unknown ones."""
        if (added := self._added.get(token)) is not None:
            return b"" if added.special else added.content.encode()
        spelt = self._backend.id_to_token(token) or ""
        known = all(letter in _BYTES for letter in spelt)
        return bytes(_BYTES[letter] for letter in spelt) if known else spelt.encode()

    def piece(self, ids: Sequence[int]) -> str:
        """The text of some ids as the library decodes it."""
        return str(self._backend.decode(list(ids), skip_special_tokens=True))


class _ByteDecoder:
    """Of byte-level tokenizers."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._bytes_of = tokenizer.token_bytes
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token: int) -> str:
        return self._utf8.decode(self._bytes_of(token))

    def flush(self) -> str:
        return self._utf8.decode(b"", final=True)


class _PieceDecoder:
    """Of all others: what a token adds is what the last few ids give with it and did not give without."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._text_of, self._silent = tokenizer.piece, tokenizer.special_ids
        self._ids: list[int] = []  # from the last place that is certain to begin a piece
        self._told = 0  # of these ids

    def push(self, token: int) -> str:
        if token in self._silent:
            return ""
        self._ids.append(token)
        whole = self._text_of(self._ids)
        if whole.endswith("\ufffd") and len(self._ids) - self._told < 4:  # a letter has four bytes at most
            return ""
        return self._tell(whole)

    def flush(self) -> str:
        return self._tell(self._text_of(self._ids))

    def _tell(self, whole: str) -> str:
        new = whole[len(self._text_of(self._ids[: self._told])) :]
        self._ids = self._ids[self._told :]
        self._told = len(self._ids)
        return new


def load_tokenizer(folder: str | Path) -> Tokenizer:
    """The tokenizer of a model's folder: its tokenizer.json, and what its configuration says of BOS, EOS and chat.

    Raises ModelRefused where there is no tokenizer.json or it is larger than 64 MiB, ModelDamaged
    where a file cannot be read.
    """
    folder = Path(folder)
    backend = _read_backend(folder / FILE)
    config = _json(folder / "tokenizer_config.json")
    bos, eos = _text(config.get("bos_token")), _text(config.get("eos_token"))
    ends = [i for name in ("generation_config.json", "config.json") for i in _ids(_json(folder / name), "eos_token_id")]
    tokenizer = Tokenizer(
        backend,
        bos=bos or _first_special(backend),
        add_bos=config["add_bos_token"] is True if "add_bos_token" in config else bool(_first_special(backend)),
        eos=eos,
        eos_ids=ends,
        template=_template(folder, config),
    )
    _give_back_memory()
    return tokenizer


def _read_backend(path: Path) -> Backend:
    from tokenizers import Tokenizer as Backend

    if not path.is_file():
        raise ModelRefused(
            _("{folder} has no {name}").format(folder=path.parent, name=FILE),
            hint=_("only fast tokenizers are read; transformers can save one: AutoTokenizer(...).save_pretrained"),
        )
    if (size := path.stat().st_size) > FILE_MIB * 2**20:
        raise ModelRefused(
            _("{path} has {size} bytes; {limit} MiB are allowed").format(path=path, size=size, limit=FILE_MIB)
        )
    try:
        return Backend.from_file(str(path))
    except Exception as error:  # the library raises plain Exception
        raise ModelDamaged(
            _("{path} cannot be read: {error}").format(path=path, error=str(error)[:200]),
            path=str(path),
            hint=_("fetch the file again"),
        ) from error


def _json(path: Path) -> dict[str, Any]:
    """An object of a configuration file, {} where there is no such file."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        message = _("{path} cannot be read: {error}").format(path=path, error=error)
        raise ModelDamaged(message, path=str(path), hint=_("fetch the file again")) from error
    return value if isinstance(value, dict) else {}


def _text(token: Any) -> str:
    """The text of a token as a configuration writes it: a string or an object with `content`."""
    content = token.get("content", "") if isinstance(token, dict) else token
    return content if isinstance(content, str) else ""


def _ids(config: dict[str, Any], name: str) -> list[int]:
    value = config.get(name)
    found = value if isinstance(value, list) else [value]
    return [i for i in found if isinstance(i, int)]


def _known(backend: Backend, token: str) -> list[int]:
    found = backend.token_to_id(token) if token else None
    return [] if found is None else [found]


def _first_special(backend: Backend) -> str:
    """The token that the tokenizer's own post-processor puts before a text, "" where it puts none."""
    around: list[int] = backend.encode("", add_special_tokens=True).ids
    inside: list[int] = backend.encode("a", add_special_tokens=True).ids
    return str(backend.id_to_token(around[0])) if around and inside[:1] == around[:1] else ""


def _template(folder: Path, config: dict[str, Any]) -> str:
    """The folder's chat template, the plain format where it has none."""
    path = folder / "chat_template.jinja"
    if path.is_file():
        return path.read_text("utf-8", errors="replace")
    named = config.get("chat_template")
    if isinstance(named, list):
        named = next((t.get("template") for t in named if isinstance(t, dict) and t.get("name") == "default"), None)
    return named if isinstance(named, str) else PLAIN


def _is_byte_level(backend: Backend) -> bool:
    state = backend.decoder.__getstate__() if backend.decoder is not None else b"{}"
    kinds = set(re.findall(r'"type":"(\w+)"', state.decode()))
    return "ByteLevel" in kinds and kinds <= {"ByteLevel", "Sequence", "Fuse"}


def _byte_letters() -> dict[str, int]:
    """The byte of each letter of a byte-level spelling: printable Latin-1 stands for itself, the rest from 256 on."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + i): byte for i, byte in enumerate(others)}


_BYTES = _byte_letters()


def _whole(text: str) -> str:
    """The text as the library can take it: lone surrogates replaced."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def _give_back_memory() -> None:
    """Return what reading a large vocabulary took to the system (glibc keeps some 50 MB of it)."""
    if sys.platform == "linux":
        import ctypes

        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
