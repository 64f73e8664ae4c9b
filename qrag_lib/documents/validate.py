"""What ingest would make of files, told before it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from qrag_lib.documents.hints import refusal_of
from qrag_lib.documents.limits import Limits
from qrag_lib.documents.reader import Reader
from qrag_lib.documents.walk import FoundFile, find_file, walk
from qrag_lib.errors import DocumentRefused
from qrag_lib.types import Document, Refusal, Verdict

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def validate(
    paths: Paths, limits: Limits | None = None, on_progress: Callable[[Verdict], None] | None = None
) -> Iterator[Verdict]:
    """A verdict on each file of a folder, or on the files given, in order; folders are walked.

    Each file is read whole, as ingest would read it. on_progress: called with each verdict.
    """
    with Reader(limits) as reader:
        for found in find(paths):
            verdict = judge(found, reader)
            if on_progress:
                on_progress(verdict)
            yield verdict


def find(paths: Paths) -> Iterator[FoundFile | Refusal]:
    """The files that the paths name, those of folders in the order of the walk."""
    for path in [paths] if isinstance(paths, (str, os.PathLike)) else paths:
        if Path(path).is_dir():
            yield from walk(path)
        else:
            yield find_file(path)


def judge(found: FoundFile | Refusal, reader: Reader) -> Verdict:
    """The verdict on one file."""
    if isinstance(found, Refusal):
        return Verdict(found.name, "", refusal=found)
    start = time.perf_counter()
    try:
        extract = reader.extract(found.path)
    except DocumentRefused as refused:
        refusal = refusal_of(found.name, refused)
        return Verdict(found.name, "", n_bytes=found.size, seconds=time.perf_counter() - start, refusal=refusal)
    document = Document("", found.name, extract.text, extract.sections)
    return Verdict(
        found.name,
        extract.media_type,
        n_pages=document.n_pages,
        n_characters=len(extract.text),
        n_bytes=found.size,
        encoding=extract.encoding,
        seconds=time.perf_counter() - start,
    )
