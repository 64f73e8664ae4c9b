"""The plain text form of each value, for a terminal of 80 columns and for `print`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Final

from local_models.interface.blocks import WIDTH, bar_text, table_text, wrapped
from local_models.interface.number_format import duration, number
from local_models.interface.sanitize import excerpt, line, plain
from qrag_lib.i18n import _
from qrag_lib.show import phrases
from qrag_lib.show.next_search import search_command
from qrag_lib.show.passages import Paragraph, Piece, read_passage, read_quote, read_text
from qrag_lib.types import Answer, Citation, Document, Hit, Hits, IngestReport, Refusal, Sentence, Verdicts

# Where bold begins and ends; `plain` leaves neither of them in any text of others.
_ON: Final = "\x01"
_OFF: Final = "\x02"


def answer_text(answer: Answer, bold: bool = False, onward: str | None = None) -> str:
    """The answer and its sources; or the passages that may answer; or that there is none, and what next.

    bold: the answer itself is in bold, for a terminal that knows it. onward: the command that is told as
    the next step, in place of the one that searches.
    """
    body = {"sure": _sentences, "unsure": _unsure}.get(answer.outcome, partial(_nothing, onward=onward))(answer)
    text = "\n".join([wrapped(answer.question), "", *body, *_draft(answer), "", _footer(answer)])
    return text.translate({ord(_ON): "\x1b[1m" if bold else None, ord(_OFF): "\x1b[0m" if bold else None})


def hits_text(hits: Hits) -> str:
    """The passages found, best first."""
    if not hits:
        return f"{wrapped(hits.question)}\n\n{phrases.nothing_found()}"
    passages = "\n\n".join(_hit(i, hit) for i, hit in enumerate(hits, 1))
    return f"{wrapped(hits.question)}\n\n{passages}\n\n{phrases.found(hits)}"


def document_text(document: Document) -> str:
    """A document's name and kind, and its whole text."""
    return f"{line(document.name)}\n{phrases.described(document)}\n\n{plain(document.text)}"


def report_text(report: IngestReport) -> str:
    """What an ingest did: the figures, the time by stage, what was refused and why."""
    figures = table_text(["", ""], phrases.figures(report))
    times = [wrapped(phrases.stages(report))] if report.seconds else []
    notes = [wrapped(note) for note in report.notes]
    return "\n\n".join([phrases.ingested(report), figures, *times, *notes, *_refusals(report.refused)])


def verdicts_text(verdicts: Verdicts) -> str:
    """What would be ingested and what refused."""
    columns = [_("file"), _("type"), _("pages"), _("characters")]
    rows = [(v.name, v.media_type, v.n_pages, v.n_characters) for v in verdicts if v.ok]
    table = [table_text(columns, rows)] if rows else []
    refused = [v.refusal for v in verdicts if v.refusal]
    return "\n\n".join([*table, *_refusals(refused), phrases.judged(verdicts)])


def _sentences(answer: Answer) -> Iterator[str]:
    known = {each.number: each for each in answer.citations}
    said = " ".join(_said(sentence, known) for sentence in answer.sentences)
    yield "\n".join(_filled(part.strip(), "  ") for part in said.split("\n") if part.strip())
    quoted = {id(phrases.quoted_by(sentence, known)) for sentence in answer.sentences}
    for citation in answer.citations:
        yield "\n" + _citation(citation, [] if id(citation) in quoted else read_quote(citation))


def _said(sentence: Sentence, known: Mapping[int, Citation]) -> str:
    """A sentence with the numbers of its citations, the answer in it marked for bold; rows of tables end its line."""
    quoted = phrases.quoted_by(sentence, known)
    numbers = "".join(f" [{n}]" for n in sentence.citations) or f" ({_('without support')})"
    if quoted is None:
        return " ".join(plain(sentence.text).split("\n")) + numbers
    shown = read_quote(quoted)
    if any(paragraph.row for paragraph in shown):
        return "\n" + "\n".join(map(_inline, shown)) + numbers + "\n"
    return " ".join(map(_inline, shown)) + numbers


def _citation(citation: Citation, shown: Sequence[Paragraph]) -> str:
    """Where the quote stands, and what of its passage is shown; `▶` stands before the quote."""
    head = wrapped(phrases.source(citation), "    ", f"[{citation.number}] ")
    parts = [part for paragraph in shown for part in _parts(paragraph)]
    return "\n".join([head, *parts, f"    {_origin(citation)}"])


def _parts(paragraph: Paragraph) -> Iterator[str]:
    """The paragraph with its quote on lines of their own."""
    for quoted, pieces in groupby(paragraph.pieces, key=lambda piece: piece.quoted):
        text = "".join(map(_piece, pieces)).strip()
        if text:
            yield _filled(text, "    ", "  ▶ " if quoted else "    ")


def _inline(paragraph: Paragraph) -> str:
    return "".join(map(_piece, paragraph.pieces))


def _piece(piece: Piece) -> str:
    return f"{_ON}{plain(piece.text)}{_OFF}" if piece.answers else plain(piece.text)


def _filled(text: str, indent: str, first: str | None = None) -> str:
    """Lines of text that is plain already; the marks for bold in it are left."""
    start = indent if first is None else first
    return textwrap.fill(text, WIDTH, initial_indent=start, subsequent_indent=indent, break_on_hyphens=False)


def _origin(citation: Citation) -> str:
    score = _("score {score}").format(score=number(citation.score, 2))
    return f"{phrases.span(citation)} · {score}"


def _unsure(answer: Answer) -> Iterator[str]:
    yield wrapped(f"{phrases.unsure()} {phrases.why_unsure(answer)}", "  ")
    yield from ("\n" + _citation(each, read_passage(each)) for each in answer.citations)


def _nothing(answer: Answer, onward: str | None) -> Iterator[str]:
    yield wrapped(f"{phrases.refused()}. {phrases.why_refused(answer)}", "  ")
    yield f"  {phrases.look_yourself()}\n    {onward or plain(search_command(answer.question))}"
    if answer.citations:
        yield f"\n{_('the nearest passages')}:"
    yield from ("\n" + _citation(each, read_passage(each, whole=False)) for each in answer.citations)


def _draft(answer: Answer) -> Iterator[str]:
    """Where to find what a model wrote and nothing supports."""
    if answer.refused and answer.writing is not None and answer.draft:
        yield "\n" + wrapped(_("What it wrote is kept in `draft`: --json shows it."))


def _footer(answer: Answer) -> str:
    sure = f"{bar_text(answer.confidence)} {phrases.confidence(answer.confidence)}"
    took = [duration(sum(answer.seconds.values()))] if answer.seconds else []
    credit = [] if answer.refused and answer.writing is None else [wrapped(phrases.author(answer))]
    return "\n".join([" · ".join([sure, *took]), *credit])


def _hit(rank: int, hit: Hit) -> str:
    scores = [_("score {score}").format(score=number(hit.score, 2))]
    if hit.dense is not None:
        scores.append(_("dense {score}").format(score=number(hit.dense, 2)))
    if hit.lexical is not None:
        scores.append(_("lexical {score}").format(score=number(hit.lexical, 1)))
    head = wrapped(phrases.place(hit.chunk), "    ", f"{rank:2}. ")
    return (
        f"{head}\n    {bar_text(hit.score)} {' · '.join(scores)}\n{wrapped(excerpt(read_text(hit.chunk.text)), '    ')}"
    )


def _refusals(refused: Sequence[Refusal]) -> list[str]:
    return ["\n".join([_("refused") + ":", *map(_refused, refused)])] if refused else []


def _refused(refusal: Refusal) -> str:
    why = refusal.message or phrases.reason(refusal.reason)
    head = wrapped(f"{line(refusal.name)}: {line(why)}", "    ", "  · ")
    return f"{head}\n{wrapped(line(refusal.hint), '      ', '    → ')}" if refusal.hint else head
