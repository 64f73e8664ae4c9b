"""What can be ingested, as one stream of items under one name."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qrag_lib.catalog import StoredDocument
from qrag_lib.documents import (
    FoundFile,
    from_llama_index,
    from_records,
    from_stix,
    looks_like_stix,
    packages,
    printable,
    walk,
)
from qrag_lib.documents.stix import DEFAULT
from qrag_lib.documents.validate import find
from qrag_lib.errors import NothingRead, SourceError
from qrag_lib.i18n import _, ngettext
from qrag_lib.types import Document, IngestReport, Refusal

FILES = "files"  # the key of a list of files

Item = Document | FoundFile | Refusal


@dataclass(frozen=True)
class Source:
    """A stream of documents, files and refusals.

    key: names the source in the workspace; of a folder, its path. whole: what the workspace holds of
    it and the stream does not bring has vanished. n_items: how many will come, None where that is not
    known. folder: whether refusals are named by their path below the key.
    """

    key: str
    items: Iterator[Item]
    whole: bool
    n_items: int | None = None
    folder: bool = False

    @property
    def of_files(self) -> bool:
        """Whether it was named by paths, and not given as values."""
        return self.key == FILES or Path(self.key).is_absolute()

    def id_of(self, refusal: Refusal) -> str:
        """The id of what was refused: in a folder, that of the file it was before."""
        return file_id(f"{self.key}/{refusal.name}") if self.folder else document_id(self.key, refusal.name)

    def hides(self, refusal: Refusal, stored: StoredDocument) -> bool:
        """Whether a document may still be there though only the refusal came: behind a folder that
        cannot be opened, or in a record that cannot be read.
        """
        if not self.folder:
            return True
        below = f"{self.key}/" if refusal.name == "." else f"{self.key}/{refusal.name}/"
        return refusal.reason == "unreadable" and (stored.path or "").startswith(below)


def file_id(path: str) -> str:
    """The id of the document in a file. path: absolute, printable."""
    return document_id("", path)


def document_id(source: str, name: str) -> str:
    """A short id, the same as long as source and name (for a file: its path) are.

    >>> document_id("", "/docs/lei.pdf")
    '50b526542fce'
    """
    return hashlib.sha256(f"{source}\0{name}".encode("utf-8", "surrogatepass")).hexdigest()[:12]


def open_source(source: Any, *, include: Sequence[str] | None = None, limit: int | None = None) -> Source:
    """The stream behind what a user gave to ingest.

    source: a folder, a file, a list of files; a `.jsonl` file or an iterable of records
    {id, text, metadata}; LlamaIndex or Q-RAG documents; a STIX bundle of MITRE ATT&CK; `installed:`,
    the documentation of the Python packages installed here.
    include: kinds of STIX objects. limit: at most so many items; nothing is then held to have vanished.
    Raises SourceError for anything else.
    """
    if limit is not None and limit < 1:
        message = _("limit = {limit} cannot be used").format(limit=limit)
        raise SourceError(message, hint=_("give a number of documents from 1 on, or leave it out to take all"))
    opened = _open(source, include)
    if limit is None:
        return opened
    n_items = None if opened.n_items is None else min(limit, opened.n_items)
    return replace(opened, items=itertools.islice(opened.items, limit), whole=False, n_items=n_items)


def check_read(source: Source, report: IngestReport) -> None:
    """Raise NothingRead where files or a folder were read and nothing of them is in the workspace."""
    if not source.of_files or report.added or report.changed or report.unchanged or report.moved:
        return
    n = len(report.refused)
    place = _("what was given") if source.key == FILES else source.key
    if n:
        text = ngettext(
            "nothing of {place} could be read: {n} was refused", "nothing of {place} could be read: {n} were refused", n
        )
        first = report.refused[0]
        hint = f"{first.name}: {first.hint or first.message}"
    else:
        text = _("there is nothing to read in {place}")
        hint = report.notes[0] if report.notes else _("look at the path; qrag validate FOLDER says what can be read")
    raise NothingRead(text.format(n=n, place=place), report=report, hint=hint)


def _open(source: Any, include: Sequence[str] | None) -> Source:
    if isinstance(source, str | Path) and str(source) == packages.ADDRESS:
        found = list(packages.from_packages())
        return Source(packages.ADDRESS, iter(found), whole=True, n_items=len(found))
    if isinstance(source, str | Path):
        return _open_path(located(source), include)
    if isinstance(source, Document | Mapping):
        source = [source]
    if isinstance(source, Iterable):
        return _open_values(source)
    raise SourceError(
        _("{kind} cannot be ingested").format(kind=type(source).__name__),
        hint=_("give a folder, files, records with id and text, or LlamaIndex documents"),
    )


def located(path: str | Path) -> Path:
    """One path for one file, however it was named; a link in the last place stays a link."""
    given = Path(path).expanduser().absolute()
    if given.is_dir() or given.name in ("", ".."):
        return Path(os.path.realpath(given))
    return Path(os.path.realpath(given.parent)) / given.name


def _open_path(path: Path, include: Sequence[str] | None) -> Source:
    if path.is_dir():
        found = list(walk(path))
        return Source(printable(str(path)), iter(found), whole=True, n_items=len(found), folder=True)
    if not path.exists():
        raise SourceError(
            _("there is no file or folder {path}").format(path=printable(str(path))),
            hint=_("look at the spelling; relative paths start at {folder}").format(folder=Path.cwd()),
        )
    if looks_like_stix(path):
        key, documents = from_stix(path, include or DEFAULT)
        return Source(key, documents, whole=not include)
    if path.suffix == ".jsonl":
        key = printable(str(path))
        return Source(key, _records_of(path, key), whole=True)
    return Source(printable(str(path.parent)), find([path]), whole=False, n_items=1, folder=True)


def _records_of(path: Path, key: str) -> Iterator[Document | Refusal]:
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as lines:
            yield from from_records(lines, source=key)
    except OSError as error:
        message = _("{path} cannot be read: {error}").format(path=key, error=error.strerror)
        raise SourceError(message, hint=_("check the permissions")) from error


def _open_values(values: Iterable[Any]) -> Source:
    items = iter(values)
    first = next(items, None)
    every = itertools.chain([] if first is None else [first], items)
    size = len(values) if isinstance(values, Sequence) else None
    if isinstance(first, str | Path):
        return Source(FILES, find([located(each) for each in every]), whole=False, n_items=size)
    if isinstance(first, Document) or first is None:
        return Source("documents", every, whole=False, n_items=size)
    if isinstance(first, Mapping):
        return Source("records", from_records(every, source="records"), whole=False, n_items=size)
    return Source("llama-index", from_llama_index(every, source="llama-index"), whole=False, n_items=size)
