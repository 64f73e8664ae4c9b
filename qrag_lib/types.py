"""Frozen values that the library takes and gives. They show themselves in a notebook."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, overload

from qrag_lib.display import Shown
from qrag_lib.i18n import N_

Value = str | int | float | bool | None
Metadata = Mapping[str, Value]

REASONS = {
    "empty": N_("the file holds nothing"),
    "encrypted": N_("a password is needed"),
    "no_text": N_("there is no text layer: a scan or a drawing"),
    "unsupported": N_("the type is not one that can be read"),
    "binary": N_("the content is not text"),
    "broken": N_("the file is damaged"),
    "bomb": N_("the file would expand beyond the limits"),
    "too_large": N_("the file is larger than the limit"),
    "too_slow": N_("reading took longer than the limit"),
    "too_much_memory": N_("reading took more memory than the limit"),
    "unreadable": N_("the file cannot be opened"),
    "not_a_file": N_("a link, a pipe, a device or a loop"),
}

_ANALYZERS_BEFORE = ("snowball-1",)
_PARSER, _PARSERS_BEFORE = "sentences-2", ("sentences-1",)

SectionKind = Literal["page", "sheet", "slide", "heading", "record"]


def text_hash(text: str) -> str:
    """Name of a text by its content: 32 hexadecimal digits of SHA-256.

    >>> text_hash("maçã") == text_hash("maçã")
    True
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of a document's text: a page, sheet, slide, record, or what stands under a heading.

    start, end: character offsets into the document's text.
    level: depth of a heading from 1; 0 for the other kinds.
    """

    kind: SectionKind
    label: str
    start: int
    end: int
    level: int = 0


@dataclass(frozen=True)
class Document(Shown):
    """One document: its extracted text, and where pages and headings lie in it.

    id: unique in a workspace. name: what people see (a relative path, a title).
    source: what it came from (folder, bundle); path: the file itself, if there is one.
    """

    id: str
    name: str
    text: str
    sections: tuple[Section, ...] = ()
    metadata: Metadata = field(default_factory=dict)
    media_type: str = "text/plain"
    source: str = ""
    path: str | None = None

    @cached_property
    def text_hash(self) -> str:
        """Name of the text by its content."""
        return text_hash(self.text)

    @property
    def n_pages(self) -> int:
        """Pages, sheets or slides; at least 1."""
        return max(1, sum(s.kind in ("page", "sheet", "slide") for s in self.sections))


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage: `text` is `document.text[start:end]`, exactly.

    id: `<document id>#<ordinal>`. page: label of the page, sheet or slide it starts on.
    headings: from the outermost to the nearest above it; embedded in front of the text.
    """

    id: str
    document_id: str
    document_name: str
    ordinal: int
    text: str
    start: int
    end: int
    headings: tuple[str, ...] = ()
    page: str | None = None
    language: str = "und"
    metadata: Metadata = field(default_factory=dict)

    @property
    def embedded_text(self) -> str:
        """What the embedder reads: the headings, a line break, the text."""
        return "\n".join([*([" > ".join(self.headings)] if self.headings else []), self.text])


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that was found. Scores are None where that side did not find it.

    score: fused, 1.0 at best. dense: cosine. lexical: BM25. Ranks count from 1.
    duplicates: ids of chunks with the same text.
    """

    chunk: Chunk
    score: float
    dense: float | None = None
    lexical: float | None = None
    dense_rank: int | None = None
    lexical_rank: int | None = None
    duplicates: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hits(Sequence[Hit], Shown):
    """What a search found, best first. seconds: by stage (embed, dense, lexical, fusion)."""

    question: str
    language: str
    hits: tuple[Hit, ...]
    dense_weight: float = 0.5
    seconds: Mapping[str, float] = field(default_factory=dict)

    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Hit]: ...
    def __getitem__(self, index: int | slice) -> Hit | Sequence[Hit]:
        return self.hits[index]

    def __len__(self) -> int:
        return len(self.hits)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table: its value in clean form, which is `document.text[start:end]` with its marks.

    column: what names it, "" where nothing does.
    """

    column: str
    value: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table, which is `document.text[start:end]`, as a person reads it.

    title: the caption or the heading that the table stands under. names: it is the row that names the columns.

    >>> str(Row(0, 13, (Cell("cidade", "Bezerros", 0, 8), Cell("prazo", "", 9, 9), Cell("vagas", "15", 11, 13))))
    'cidade: Bezerros; vagas: 15'
    """

    start: int
    end: int
    cells: tuple[Cell, ...]
    title: str = ""
    names: bool = False

    @property
    def parts(self) -> list[tuple[str, Cell]]:
        """The filled cells, and what stands before each: what parts it from the last one, and its column's name."""
        filled = [cell for cell in self.cells if cell.value]
        between = "; " if any(cell.column for cell in filled) else " · "
        named = [(f"{cell.column}: " if cell.column else "", cell) for cell in filled]
        return [(between + name if i else name, cell) for i, (name, cell) in enumerate(named)]

    def __str__(self) -> str:
        return "".join(before + cell.value for before, cell in self.parts)


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a sentence of an answer stands: `document.text[start:end] == quote`.

    number: as printed in the answer, from 1. passage: the text around the quote, which
    begins at character `passage_start` of the document. answer: span in the document, inside the
    quote, of the very words that answer, where they are known. rows: those of tables in the passage.
    gone: the document's file was no longer there when the question was asked.
    """

    number: int
    document_id: str
    document_name: str
    start: int
    end: int
    quote: str
    score: float
    page: str | None = None
    headings: tuple[str, ...] = ()
    passage: str = ""
    passage_start: int = 0
    answer: tuple[int, int] | None = None
    rows: tuple[Row, ...] = ()
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of an answer and the numbers of its citations; none means unsupported."""

    text: str
    citations: tuple[int, ...] = ()

    @property
    def supported(self) -> bool:
        """True where at least one citation stands behind the sentence."""
        return bool(self.citations)


@dataclass(frozen=True, slots=True)
class Writing:
    """What a model spent on an answer. counted: tokens are the model's own count, not an estimate.

    cut: it was stopped by the room that was left for the answer. Seconds: to the first piece, and in all.
    """

    model: str
    n_prompt_tokens: int
    n_new_tokens: int
    seconds_to_first: float
    seconds: float
    cut: bool = False
    counted: bool = True


Outcome = Literal["sure", "unsure", "nothing"]


@dataclass(frozen=True)
class Answer(Shown):
    """An answer whose every quote can be checked, or what comes nearest to one.

    outcome: "sure", the sentences answer; "unsure", the citations may: the best passages of the search,
    the likeliest sentence of each as its quote; "nothing", they are only what is nearest.
    refused: True unless it is sure; there are no sentences then.
    confidence: estimated probability that the documents answer the question, 0 to 1.
    generator: who wrote it; "extractive" means that no language model did.
    writing: what a language model spent on it, were it refused afterwards. draft: all that the model
    wrote, unchecked. failure: why the model that was asked did not answer; the quotes stand in for it.
    prompt: name, version and hash of what that model was told. id: by which it can be asked again (`replay`).
    index, generation: of the catalogue that it was made from.
    """

    question: str
    sentences: tuple[Sentence, ...]
    citations: tuple[Citation, ...]
    language: str = "und"
    outcome: Outcome = "sure"
    refused: bool = field(init=False)
    confidence: float = 0.0
    generator: str = "extractive"
    note: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    writing: Writing | None = None
    draft: str = ""
    failure: str = ""
    prompt: str = ""
    id: str = ""
    index: str = ""
    generation: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "refused", self.outcome != "sure")

    @property
    def text(self) -> str:
        """The sentences with the numbers of their citations in brackets; `[?]` where there is no support."""
        return " ".join(s.text + ("".join(f" [{n}]" for n in s.citations) or " [?]") for s in self.sentences)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file or record that was not taken. reason: a code of REASONS."""

    name: str
    reason: str
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Verdict:
    """What `validate` says of one file; `refusal` is None where it can be ingested."""

    name: str
    media_type: str
    n_pages: int = 0
    n_characters: int = 0
    n_bytes: int = 0
    encoding: str = ""
    seconds: float = 0.0
    refusal: Refusal | None = None

    @property
    def ok(self) -> bool:
        """True where ingest would take the file."""
        return self.refusal is None


@dataclass(frozen=True)
class Verdicts(Sequence[Verdict], Shown):
    """The verdicts on a folder, in the order of the walk."""

    verdicts: tuple[Verdict, ...]

    @overload
    def __getitem__(self, index: int) -> Verdict: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Verdict]: ...
    def __getitem__(self, index: int | slice) -> Verdict | Sequence[Verdict]:
        return self.verdicts[index]

    def __len__(self) -> int:
        return len(self.verdicts)


@dataclass(frozen=True)
class IngestReport(Shown):
    """What an ingest did. Names are document names; seconds are by stage.

    moved: documents whose file has another name or place now; nothing else was done for them.
    n_embedded: texts that went through the embedder; the others were known already.
    """

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: int = 0
    deleted: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    refused: tuple[Refusal, ...] = ()
    n_pages: int = 0
    n_chunks: int = 0
    n_characters: int = 0
    n_embedded: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IndexConfig:
    """What an index is made with; its hash is the index's name.

    model: address of the embedding model. model_id: the model by its content.
    chunk_size, chunk_overlap: in `chunk_unit`. analyzer: what turns text into index terms.
    parser: how chunks are cut; a LlamaIndex node parser's class name if a user gave one.
    query_prefix, passage_prefix: put before what is embedded; "" leaves it to the model's own files.
    """

    model: str
    model_id: str
    chunk_size: int
    chunk_overlap: int
    chunk_unit: Literal["tokens", "characters"] = "tokens"
    analyzer: str = "snowball-2"
    parser: str = _PARSER
    query_prefix: str = ""
    passage_prefix: str = ""

    @property
    def id(self) -> str:
        """12 hexadecimal digits that name the index."""
        parts = (self.model_id, self.chunk_size, self.chunk_overlap, self.chunk_unit, self.analyzer, self.parser)
        return text_hash(repr(parts))[:12]

    @property
    def outdated(self) -> bool:
        """True where an earlier version of the program made it; it answers as it did until `reindex`."""
        return self.analyzer in _ANALYZERS_BEFORE or self.parser in _PARSERS_BEFORE

    @property
    def cut_by_ours(self) -> bool:
        """True where no parser of the user's has cut the chunks."""
        return self.parser in (_PARSER, *_PARSERS_BEFORE)

    def with_ways_of(self, other: IndexConfig) -> IndexConfig:
        """The same settings, with what only the program's version decides taken from the other."""
        parser = other.parser if self.cut_by_ours and other.cut_by_ours else self.parser
        return replace(self, analyzer=other.analyzer, parser=parser)


Operator = Literal["==", "!=", ">", ">=", "<", "<=", "in", "nin", "contains"]


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on metadata. Keys `document`, `name`, `language`, `page` and `source` are always there."""

    key: str
    operator: Operator
    value: Value | tuple[Value, ...]
