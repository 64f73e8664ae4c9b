"""Extracted text while it is being put together; sections are true because they are noted as the text grows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from qrag_lib.documents.text.tidy import clean, squeeze
from qrag_lib.types import Metadata, Section, SectionKind, Value


@dataclass(frozen=True)
class Extract:
    """What a reader found in a file."""

    text: str
    sections: tuple[Section, ...] = ()
    metadata: Metadata = field(default_factory=dict)
    media_type: str = "text/plain"
    encoding: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values, for the pipe between the child and its parent."""
        sections = [(s.kind, s.label, s.start, s.end, s.level) for s in self.sections]
        return {**vars(self), "sections": sections, "metadata": dict(self.metadata)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Extract:
        """The extract that `to_json` wrote."""
        return cls(**{**values, "sections": tuple(Section(*section) for section in values["sections"])})


@dataclass(slots=True)
class _Open:
    kind: SectionKind
    label: str
    level: int
    start: int | None = None  # unknown until text arrives


class Draft:
    """Text that grows by cleaned pieces, with the sections that are open at its end.

    >>> draft = Draft()
    >>> draft.heading("Prazo", 1)
    >>> draft.add("Trinta dias.")
    >>> extract = draft.finish("text/html")
    >>> extract.text, extract.sections[0].end
    ('Prazo\\n\\nTrinta dias.', 19)
    """

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._open: list[_Open] = []
        self._sections: list[Section] = []
        self.metadata: dict[str, Value] = {}

    def add(self, text: str, gap: str = "\n\n") -> None:
        """Append a piece, cleaned, after `gap`; white space alone is nothing."""
        text = clean(text)
        if not text.strip():
            return
        if self._parts:
            self._write(gap)
        for section in self._open:
            if section.start is None:
                section.start = self._length
        self._write(text)

    def _write(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)

    def heading(self, title: str, level: int) -> None:
        """Append a heading; it reaches to the next one of its level or above."""
        label = squeeze(clean(title))
        if not label:
            return
        self._close(lambda s: s.kind == "heading" and s.level >= level)
        self._open.append(_Open("heading", label, level))
        self.add(label)

    def begin(self, kind: SectionKind, label: str) -> None:
        """Start a page, sheet, slide or record. What is open ends here, but headings run on over pages."""
        self._close(lambda s: s.kind != "heading" or kind != "page")
        self._open.append(_Open(kind, squeeze(clean(label)), 0))

    def end(self) -> None:
        """End everything that is open; what follows is text of no section."""
        self._close(lambda _: True)

    def _close(self, ends: Callable[[_Open], bool]) -> None:
        for section in [s for s in self._open if ends(s)]:
            self._open.remove(section)
            start = self._length if section.start is None else section.start
            self._sections.append(Section(section.kind, section.label, start, self._length, section.level))

    def finish(self, media_type: str, encoding: str = "") -> Extract:
        """The extract, its sections in the order in which they start."""
        self.end()
        sections = tuple(sorted(self._sections, key=lambda s: (s.start, s.level)))
        return Extract("".join(self._parts), sections, self.metadata, media_type, encoding)
