"""Documents to chunks: exact spans that fit the embedder, cut at sentences, with their headings.

sentences (units) -> regions by headings and sheets -> packed spans -> chunks
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from qrag_lib.chunking.legal_headings import outline_of
from qrag_lib.chunking.outline import Headings, Place, fit_headings, places
from qrag_lib.chunking.sentence_packer import Room, Ruler, Span, pack, regions, split_long, units_of
from qrag_lib.errors import SettingsError
from qrag_lib.i18n import _
from qrag_lib.language import detect
from qrag_lib.types import Chunk, Document, IndexConfig, Section

if TYPE_CHECKING:
    from llama_index.core.node_parser import NodeParser

_CHARACTERS_A_TOKEN = 16  # bounds chunks of words that are one piece however long, such as base64
_HEADING_SHARE = 4  # headings take at most a quarter of the embedder's limit
_WINDOW = 1_000_000  # characters whose word pieces are found together
_NEAR = 0.9  # of the limit: longer chunks are counted again


class Tokenized(Protocol):
    """What chunking asks of an embedder."""

    @property
    def max_tokens(self) -> int:
        """Most word pieces of one input."""

    @property
    def overhead_tokens(self) -> int:
        """Of these, what special tokens and the prefix take."""

    def token_spans_many(self, texts: Sequence[str]) -> list[list[Span]]:
        """Character spans of the word pieces of each text."""


def chunk(
    document: Document, embedding: Tokenized, config: IndexConfig, parser: NodeParser | None = None
) -> list[Chunk]:
    """The chunks of a document, in order; every character that is not space lies in at least one.

    parser: any LlamaIndex node parser in the place of ours; its nodes must be stretches of the
    text, and what is longer than the embedder's limit is split. Raises SettingsError for sizes
    or nodes that cannot be used.
    """
    return next(chunk_many([document], embedding, config, parser))


def chunk_many(
    documents: Iterable[Document], embedding: Tokenized, config: IndexConfig, parser: NodeParser | None = None
) -> Iterator[list[Chunk]]:
    """`chunk` of each document; their word pieces are found together, on all cores."""
    room = room_for(config, embedding)
    for window in _windows(documents):
        for document, pieces in zip(window, embedding.token_spans_many([d.text for d in window]), strict=True):
            sections = document.sections if config.outdated else outline_of(document)
            yield _Chunker(document, sections, pieces, embedding).chunks(room, parser)


def _windows(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """Runs of documents of about a million characters: word pieces of so much text take some 100 MB."""
    window: list[Document] = []
    n_characters = 0
    for document in documents:
        window.append(document)
        n_characters += len(document.text)
        if n_characters >= _WINDOW:
            yield window
            window, n_characters = [], 0
    if window:
        yield window


def room_for(config: IndexConfig, embedding: Tokenized) -> Room:
    """What a chunk may hold by the settings and by the embedder. Raises SettingsError for senseless sizes."""
    size, overlap = config.chunk_size, config.chunk_overlap
    if size < 1 or not 0 <= overlap < size:
        raise SettingsError(
            _("chunk_size {size} with chunk_overlap {overlap} cannot be used").format(size=size, overlap=overlap),
            hint=_("give a size above 0 and an overlap below it, such as 200 and 40"),
        )
    limit = embedding.max_tokens - embedding.overhead_tokens
    if config.chunk_unit == "characters":
        return Room(limit, size, limit, overlap)
    tokens = min(size, limit)
    return Room(tokens, tokens * _CHARACTERS_A_TOKEN, min(overlap, tokens - 1), tokens * _CHARACTERS_A_TOKEN)


class _Chunker:
    """One document on its way to chunks."""

    def __init__(
        self, document: Document, sections: Sequence[Section], pieces: Sequence[Span], embedding: Tokenized
    ) -> None:
        self.document = document
        self.sections = sections
        self.embedding = embedding
        self.ruler = Ruler([start for start, _end in pieces])
        self.language = detect(document.text)
        self.limit = embedding.max_tokens - embedding.overhead_tokens
        self.carried = self._carried()
        self.reserve = max(self._counts([" > ".join(path) for path in self.carried.values()]), default=0)

    def chunks(self, room: Room, parser: NodeParser | None) -> list[Chunk]:
        """The chunks; the embedder takes each whole, with its headings."""
        room = room.within(self.limit - self.reserve)
        spans = list(self._cut(room) if parser is None else self._cut_by(parser, room))
        places_ = self._places(spans)
        if long := self._too_long(spans, places_):
            spans = [p for n, span in enumerate(spans) for p in (self._halves(span, room) if n in long else [span])]
            places_ = self._places(spans)
        return [self._chunk(n, *each) for n, each in enumerate(zip(spans, places_, strict=True))]

    def _carried(self) -> dict[Headings, Headings]:
        """What is carried along of each path of headings: a quarter of the embedder's limit at most."""
        inside = [s.start + 1 for s in self.sections if s.kind == "heading"]
        paths = [path for path in {place.headings for place in places(self.sections, inside)} if path]
        most = self.limit // _HEADING_SHARE
        counts = self._counts([" > ".join(path) for path in paths])
        return {
            path: path if n <= most else fit_headings(path, most, lambda label: self._counts([label])[0])
            for path, n in zip(paths, counts, strict=True)
        }

    def _counts(self, texts: Sequence[str]) -> list[int]:
        """Word pieces of each text."""
        return [len(pieces) for pieces in self.embedding.token_spans_many(texts)] if texts else []

    def _cut(self, room: Room) -> Iterator[Span]:
        """Our spans, region by region."""
        units = list(units_of(self.document.text, self.ruler, room, self.language))
        for region in regions(units, self.sections, self.ruler, room):
            yield from pack(region, self.ruler, room)

    def _cut_by(self, parser: NodeParser, room: Room) -> Iterator[Span]:
        """The spans of another parser's nodes; what the embedder would cut is split."""
        from qrag_lib.chunking.outside_parser import spans_of_nodes

        whole = replace(room, tokens=self.limit - self.reserve, characters=self.limit * _CHARACTERS_A_TOKEN)
        for span in spans_of_nodes(self.document, parser):
            yield from split_long(self.document.text, span, self.ruler, whole)

    def _places(self, spans: Sequence[Span]) -> list[Place]:
        found = places(self.sections, [start for start, _end in spans])
        return [replace(place, headings=self.carried.get(place.headings, ())) for place in found]

    def _too_long(self, spans: Sequence[Span], places_: Sequence[Place]) -> set[int]:
        """Numbers of the chunks that turn out longer than the embedder's limit.

        A stretch may have more word pieces alone than inside the text, where it begins or ends
        within a word. Only those near the limit are counted again.
        """
        near = [n for n, span in enumerate(spans) if self.ruler.tokens(*span) > _NEAR * (self.limit - self.reserve)]
        texts = ["\n".join([" > ".join(places_[n].headings), self.document.text[slice(*spans[n])]]) for n in near]
        return {n for n, count in zip(near, self._counts(texts), strict=True) if count > self.limit}

    def _halves(self, span: Span, room: Room) -> list[Span]:
        """The span in pieces that fit when they are counted alone."""
        tokens, characters = self.ruler.tokens(*span), span[1] - span[0]
        half = replace(room, tokens=max(1, tokens // 2), characters=characters // 2 + 1)
        pieces = split_long(self.document.text, span, self.ruler, half)
        most = self.limit - self.reserve
        counts = self._counts([self.document.text[slice(*piece)] for piece in pieces])
        return [
            part
            for piece, count in zip(pieces, counts, strict=True)
            for part in (self._halves(piece, room) if count > most and piece[1] - piece[0] > 1 else [piece])
        ]

    def _chunk(self, ordinal: int, span: Span, place: Place) -> Chunk:
        start, end = span
        text = self.document.text[start:end]
        return Chunk(
            id=f"{self.document.id}#{ordinal}",
            document_id=self.document.id,
            document_name=self.document.name,
            ordinal=ordinal,
            text=text,
            start=start,
            end=end,
            headings=place.headings,
            page=place.page,
            language=detect(text, self.language),
            metadata=self.document.metadata,
        )
