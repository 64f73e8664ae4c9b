"""One file to one document, or a refusal with its reason."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from qrag_lib.documents.bounded.sandbox import Sandbox
from qrag_lib.documents.hints import hinted
from qrag_lib.documents.limits import MIB, Limits, mebibytes
from qrag_lib.documents.readers import FORMATS, reader_of
from qrag_lib.documents.sniff import sniff
from qrag_lib.documents.text.draft import Extract
from qrag_lib.documents.walk import printable
from qrag_lib.errors import DocumentRefused
from qrag_lib.i18n import _
from qrag_lib.types import Document

if TYPE_CHECKING:
    from llama_index.core.readers.base import BaseReader

_HERE = 8 * MIB  # larger text is parsed in the child too


class Reader:
    """Reads files of all formats; those that could explode in one warm child process.

    readers: LlamaIndex readers by suffix (`.xyz`) that take the place of ours; they run in this
    process, without limits of time and memory.

    >>> with Reader() as reader:
    ...     reader.parse("# Olá".encode("utf-16"), "nota.md").sections[0].label
    'Olá'
    """

    def __init__(self, limits: Limits | None = None, readers: Mapping[str, BaseReader] | None = None) -> None:
        self.limits = limits or Limits()
        self.readers = {suffix.lower(): reader for suffix, reader in (readers or {}).items()}
        self.sandbox = Sandbox(self.limits)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child process, if one was started."""
        self.sandbox.close()

    def read(
        self, path: str | os.PathLike[str], *, name: str | None = None, id: str | None = None, source: str = ""
    ) -> Document:
        """The document in a file. name: what people see, else the path; id: else the name.

        Raises DocumentRefused with a reason of `types.REASONS`.
        """
        extract = self.extract(path)
        shown = name or printable(os.fspath(path))
        return Document(
            id=id or shown,
            name=shown,
            text=extract.text,
            sections=extract.sections,
            metadata=extract.metadata,
            media_type=extract.media_type,
            source=source,
            path=printable(os.fspath(path)),
        )

    def extract(self, path: str | os.PathLike[str]) -> Extract:
        """Text, sections and metadata of a file, not yet a document."""
        file = Path(path)
        with hinted():
            data = load(file, self.limits)
            if own := self.readers.get(file.suffix.lower()):
                from qrag_lib.documents.outside_reader import extract_with

                return _checked(extract_with(own, file))
            return self.parse(data, file.name)

    def parse(self, data: bytes, name: str) -> Extract:
        """The same from bytes that came another way; the name only tells kinds of plain text apart."""
        with hinted():
            if not data.strip():
                raise _empty()
            kind = sniff(data, name)
            if FORMATS[kind].explodes or len(data) > _HERE:
                return _checked(self.sandbox.read(data, kind))
            return _checked(reader_of(kind)(data, self.limits))


def read_file(
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    id: str | None = None,
    source: str = "",
    limits: Limits | None = None,
) -> Document:
    """The document in one file; for many files a Reader is faster."""
    with Reader(limits) as reader:
        return reader.read(path, name=name, id=id, source=source)


def load(path: Path, limits: Limits) -> bytes:
    """The bytes of a regular file; links are not followed, pipes and devices not waited for.

    Raises DocumentRefused: not_a_file, unreadable, too_large.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        if path.is_symlink():
            raise DocumentRefused("not_a_file", _("a link is not followed"), hint=_("name the file it points to"))
        with os.fdopen(os.open(path, flags), "rb") as file:
            return _bounded(file.fileno(), limits)
    except (OSError, ValueError) as error:
        message = _("the file cannot be opened: {error}").format(error=getattr(error, "strerror", None) or error)
        raise DocumentRefused("unreadable", message) from error


def _bounded(descriptor: int, limits: Limits) -> bytes:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise DocumentRefused("not_a_file", _("not a regular file"))
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        data = b"" if status.st_size > limits.file_bytes else file.read(limits.file_bytes + 1)
    if (size := max(status.st_size, len(data))) > limits.file_bytes:
        message = _("{size}, limit {limit}").format(size=mebibytes(size), limit=mebibytes(limits.file_bytes))
        raise DocumentRefused("too_large", message)
    return data


def _checked(extract: Extract) -> Extract:
    if not extract.text.strip():
        raise _empty()
    metadata = {key: value for key, value in extract.metadata.items() if value not in ("", None)}
    return replace(extract, metadata=metadata)


def _empty() -> DocumentRefused:
    return DocumentRefused("empty", _("the file holds no text"))
