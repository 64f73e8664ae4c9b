"""What can be ingested, as one stream of items under one name."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qrag_lib.errors import SourceError
from qrag_lib.i18n import _
from qrag_lib.rag.documents import FoundFile, from_records, from_stix, looks_like_stix, packages, walk
from qrag_lib.rag.documents.stix import DEFAULT
from qrag_lib.rag.documents.validate import find
from qrag_lib.types import Document, Refusal

Item = Document | FoundFile | Refusal


@dataclass(frozen=True)
class Source:
    """A stream of documents, files and refusals.

    key: names the source in the workspace. whole: what the workspace holds of it and the stream
    does not bring has vanished. n_items: how many will come, None where that is not known.
    """

    key: str
    items: Iterator[Item]
    whole: bool
    n_items: int | None = None


def document_id(source: str, name: str) -> str:
    """A short id, the same as long as source and name (for a file: its path) are.

    >>> document_id("", "/docs/lei.pdf")
    'd2a9ec3a4a7d'
    """
    return hashlib.sha256(f"{source}\\0{name}".encode("utf-8", "surrogatepass")).hexdigest()[:12]


def open_source(source: Any, *, include: Sequence[str] | None = None, limit: int | None = None) -> Source:
    """The stream behind what a user gave to ingest.

    source: a folder, a file, a list of files; a `.jsonl` file or an iterable of records
    {id, text, metadata}; LlamaIndex or Q-RAG documents; a STIX bundle of MITRE ATT&CK; `installed:`,
    the documentation of the Python packages installed here.
    include: kinds of STIX objects. limit: at most so many items; nothing is then held to have vanished.
    Raises SourceError for anything else.
    """
    opened = _open(source, include)
    if limit is None:
        return opened
    n_items = None if opened.n_items is None else min(limit, opened.n_items)
    return replace(opened, items=itertools.islice(opened.items, limit), whole=False, n_items=n_items)


def _open(source: Any, include: Sequence[str] | None) -> Source:
    if isinstance(source, str | Path) and str(source) == packages.ADDRESS:
        found = list(packages.from_packages())
        return Source(packages.ADDRESS, iter(found), whole=True, n_items=len(found))
    if isinstance(source, str | Path):
        return _open_path(Path(source).expanduser().absolute(), include)
    if isinstance(source, Document | Mapping):
        source = [source]
    if isinstance(source, Iterable):
        return _open_values(source)
    raise SourceError(
        _("{kind} cannot be ingested").format(kind=type(source).__name__),
        hint=_("give a folder, files, records with id and text, or LlamaIndex documents"),
    )


def _open_path(path: Path, include: Sequence[str] | None) -> Source:
    if path.is_dir():
        found = list(walk(path))
        return Source(str(path), iter(found), whole=True, n_items=len(found))
    if not path.exists():
        raise SourceError(
            _("there is no file or folder {path}").format(path=path),
            hint=_("look at the spelling; relative paths start at {folder}").format(folder=Path.cwd()),
        )
    if looks_like_stix(path):
        key, documents = from_stix(path, include or DEFAULT)
        return Source(key, documents, whole=not include)
    if path.suffix == ".jsonl":
        return Source(str(path), _records_of(path), whole=True)
    return Source(str(path.parent), find([path]), whole=False, n_items=1)


def _records_of(path: Path) -> Iterator[Document | Refusal]:
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        for item in from_records(lines):
            yield replace(item, source=str(path)) if isinstance(item, Document) else item


def _open_values(values: Iterable[Any]) -> Source:
    items = iter(values)
    first = next(items, None)
    every = itertools.chain([] if first is None else [first], items)
    size = len(values) if isinstance(values, Sequence) else None
    if isinstance(first, str | Path):
        return Source("files", find([Path(each).expanduser().absolute() for each in every]), whole=False, n_items=size)
    if isinstance(first, Document) or first is None:
        return Source("documents", every, whole=False, n_items=size)
    if isinstance(first, Mapping):
        return Source("records", from_records(every), whole=False, n_items=size)
    from qrag_lib.rag.documents.llama import from_llama_index

    return Source("llama-index", from_llama_index(every), whole=False, n_items=size)
