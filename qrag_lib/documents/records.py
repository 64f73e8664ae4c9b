"""Documents from records: JSON lines, mappings of a program, documents of LlamaIndex."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from qrag_lib.documents.hints import refusal_of
from qrag_lib.documents.text.tidy import clean, squeeze, unseen
from qrag_lib.documents.walk import printable
from qrag_lib.errors import DocumentRefused
from qrag_lib.i18n import _
from qrag_lib.types import Document, Metadata, Refusal, Section, Value


def from_records(records: Iterable[str | bytes | Mapping[str, Any]], source: str = "") -> Iterator[Document | Refusal]:
    """A document for each `{id, text, metadata}`, given as a mapping or a line of JSON.

    `title` becomes the name, else the id; further fields become metadata. A record that cannot be
    taken, or an id that was there before, is a Refusal named by its line; the others go on.

    >>> list(from_records(['{"id": "a", "text": "olá"}', "{"]))[1].name
    'line 2'
    """
    seen: set[str] = set()
    for number, record in enumerate(records, start=1):
        if isinstance(record, (str, bytes)) and not record.strip():
            continue
        try:
            document = _document(_mapping(record), source)
            if document.id in seen:
                raise _refused(_("the id {id} was there before").format(id=repr(document.id)))
        except DocumentRefused as refused:
            yield refusal_of(f"line {number}", refused)
        else:
            seen.add(document.id)
            yield document


def from_llama_index(documents: Iterable[Any], source: str = "") -> Iterator[Document]:
    """Our documents from LlamaIndex documents or nodes; those without text are passed over.

    The name is the title, file name or path in the metadata, else the id.
    """
    for document in documents:
        if not (text := clean(document.get_content())).strip():
            continue
        metadata = {key: value for key, value in document.metadata.items() if key != "sections"}
        name = next((str(metadata[key]) for key in ("title", "file_name", "file_path") if metadata.get(key)), "")
        known = printable(document.node_id)
        yield Document(known, squeeze(unseen(name)) or known, text, metadata=plain_metadata(metadata), source=source)


def _mapping(record: str | bytes | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(record, (str, bytes)):
        try:
            record = json.loads(record)
        except (ValueError, RecursionError) as error:
            raise _refused(_("not JSON: {error}").format(error=error)) from error
    if not isinstance(record, Mapping):
        raise _refused(_("not an object but {kind}").format(kind=type(record).__name__))
    return record


def _document(record: Mapping[str, Any], source: str) -> Document:
    text, given = record.get("text"), record.get("id")
    if not isinstance(given, (str, int)) or isinstance(given, bool) or given == "":
        raise _refused(_("no id"))
    if not isinstance(text, str):
        raise _refused(_("no text"))
    if not (text := clean(text)).strip():
        raise DocumentRefused("empty", _("the record holds no text"))
    known = printable(str(given))
    name = squeeze(unseen(str(record.get("title") or ""))) or known
    extra = {key: value for key, value in record.items() if key not in ("id", "text", "title", "metadata")}
    metadata = record.get("metadata") or {}
    if not isinstance(metadata, Mapping):
        raise _refused(_("the metadata is not an object"))
    sections: tuple[Section, ...] = ()
    if name != known:  # a title is read like one that stands in a file: as the heading of the text
        text = f"{name}\n\n{text}"
        sections = (Section("heading", name, 0, len(text), 1),)
    return Document(known, name, text, sections, plain_metadata({**extra, **metadata}), source=source)


def plain_metadata(values: Mapping[Any, Any]) -> Metadata:
    """Metadata as it can be stored: lists of words as one text, anything nested as JSON.

    >>> dict(plain_metadata({"tags": ["a", "b"], "n": 3, "x": {"y": 1}}))
    {'tags': 'a, b', 'n': 3, 'x': '{"y": 1}'}
    """
    return {clean(str(key)): _plain(value) for key, value in values.items()}


def _plain(value: Any) -> Value:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, (list, tuple)) and all(isinstance(item, (str, int, float)) for item in value):
        return clean(", ".join(map(str, value)))
    return clean(json.dumps(value, ensure_ascii=False, default=str, sort_keys=True))


def _refused(message: str) -> DocumentRefused:
    hint = _('write one object a line: {"id": "...", "text": "...", "metadata": {...}}')
    return DocumentRefused("broken", message, hint=hint)
