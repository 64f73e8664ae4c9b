"""The regular files of a folder, in a fixed order; what is not a file is told and never opened."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from qrag_lib.documents.hints import next_step
from qrag_lib.errors import SourceError
from qrag_lib.i18n import _
from qrag_lib.types import Refusal

# Controls, what could not be decoded, and marks that make a name look like another.
_UNPRINTABLE = re.compile("[\\\\\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_ESCAPED = re.compile(r"\\(?:x[0-9a-f]{2}|u[0-9a-f]{4}|[tnr\\])")  # what printable writes in their place


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A regular file. name: path below the folder, with `/`, printable and unique."""

    path: Path
    name: str
    size: int
    mtime_ns: int


class Walk(Iterator[FoundFile | Refusal]):
    """Goes through a folder once. n_hidden: hidden files and folders passed over so far."""

    def __init__(self, folder: Path) -> None:
        self.n_hidden = 0
        self._steps = self._walk(folder)

    def __next__(self) -> FoundFile | Refusal:
        return next(self._steps)

    def _walk(self, root: Path) -> Iterator[FoundFile | Refusal]:
        stack: list[tuple[str, str]] = [(str(root), "")]  # path, name below the root
        while stack:
            path, name = stack.pop()
            if isinstance(entries := _entries(path), OSError):
                yield Refusal(printable(name) or ".", "unreadable", _opened(entries), next_step("unreadable"))
                continue
            folders = []
            for entry in entries:
                below = f"{name}/{entry.name}" if name else entry.name
                if _is_hidden(entry.name):
                    self.n_hidden += 1
                elif entry.is_dir(follow_symlinks=False):
                    folders.append((entry.path, below))
                else:
                    yield _file(entry, printable(below))
            stack.extend(reversed(folders))


def walk(folder: str | os.PathLike[str]) -> Walk:
    """The files below a folder, each folder's files before its folders, by name.

    Links, pipes, sockets and devices are refused; hidden files and lock files of office programs
    are passed over and counted in `n_hidden`.
    Raises SourceError where the folder is not one.
    """
    root = Path(folder)
    if not root.is_dir():
        raise SourceError(_("not a folder: {path}").format(path=printable(str(root))), hint=_("check the path"))
    return Walk(root)


def find_file(path: str | os.PathLike[str]) -> FoundFile:
    """A file that was named; what is wrong with it is told when it is read."""
    file = Path(path)
    try:
        status = file.lstat()
    except (OSError, ValueError):
        return FoundFile(file, printable(file.name), 0, 0)
    return FoundFile(file, printable(file.name), status.st_size, status.st_mtime_ns)


def printable(name: str) -> str:
    """The name with what cannot be shown or stored written as an escape; different names stay different.

    >>> printable("a\\nb\\udce7.txt"), printable("ação.txt")
    ('a\\\\nb\\\\xe7.txt', 'ação.txt')
    """
    return _UNPRINTABLE.sub(lambda m: _escape(m.group()), name)


def unprinted(name: str) -> str:
    """The name as it is in the file system: the reverse of `printable`.

    >>> unprinted(printable("linha\\n\\udce7.txt")) == "linha\\n\\udce7.txt"
    True
    """
    return _ESCAPED.sub(lambda m: _character(m.group()), name)


def _character(escaped: str) -> str:
    if escaped.startswith("\\x") and (code := int(escaped[2:], 16)) >= 0x80:
        return chr(0xDC00 + code)
    return escaped.encode("ascii").decode("unicode_escape")


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as os.fsdecode marks it
        return f"\\x{code - 0xDC00:02x}"
    if 0x80 <= code < 0xA0:  # not to be taken for such a byte
        return f"\\u{code:04x}"
    return character.encode("unicode_escape").decode("ascii")


def _is_hidden(name: str) -> bool:
    """Dot files and the lock files of office programs; `..name` is only an odd name."""
    return name.startswith("~$") or (name.startswith(".") and not name.startswith(".."))


def _entries(path: str) -> list[os.DirEntry[str]] | OSError:
    try:
        with os.scandir(path) as entries:
            return sorted(entries, key=lambda e: os.fsencode(e.name))
    except OSError as error:
        return error


def _file(entry: os.DirEntry[str], name: str) -> FoundFile | Refusal:
    try:
        if entry.is_symlink():
            return Refusal(name, "not_a_file", _("a link is not followed"), next_step("not_a_file"))
        if not entry.is_file(follow_symlinks=False):
            return Refusal(name, "not_a_file", _("not a regular file"), next_step("not_a_file"))
        status = entry.stat(follow_symlinks=False)
    except OSError as error:
        return Refusal(name, "unreadable", _opened(error), next_step("unreadable"))
    return FoundFile(Path(entry.path), name, status.st_size, status.st_mtime_ns)


def _opened(error: OSError) -> str:
    return _("the file cannot be opened: {error}").format(error=error.strerror or error)
