"""The plain text form of each value, for a terminal of 80 columns and for `print`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from qrag_lib.i18n import _
from qrag_lib.show import wording
from qrag_lib.show.blocks import bar_text, table_text, wrapped
from qrag_lib.show.figures import duration, number
from qrag_lib.show.neutral import excerpt, line, plain

if TYPE_CHECKING:
    from qrag_lib.types import Answer, Citation, Document, Hit, Hits, IngestReport, Refusal, Verdicts


def answer_text(answer: Answer) -> str:
    """The answer, its sources with their quotes, and how sure it is; or the refusal and the next step."""
    body = _refusal(answer) if answer.refused else _sentences(answer)
    return "\n".join([wrapped(answer.question), "", *body, "", _footer(answer)])


def hits_text(hits: Hits) -> str:
    """The passages found, best first."""
    if not hits:
        return f"{wrapped(hits.question)}\n\n{wording.nothing_found()}"
    passages = "\n\n".join(_hit(i, hit) for i, hit in enumerate(hits, 1))
    return f"{wrapped(hits.question)}\n\n{passages}\n\n{wording.found(hits)}"


def document_text(document: Document) -> str:
    """A document's name and kind, and its whole text."""
    return f"{line(document.name)}\n{wording.described(document)}\n\n{plain(document.text)}"


def report_text(report: IngestReport) -> str:
    """What an ingest did: the figures, the time by stage, what was refused and why."""
    figures = table_text(["", ""], wording.figures(report))
    times = [wrapped(wording.stages(report))] if report.seconds else []
    notes = [wrapped(note) for note in report.notes]
    return "\n\n".join([wording.ingested(report), figures, *times, *notes, *_refusals(report.refused)])


def verdicts_text(verdicts: Verdicts) -> str:
    """What would be ingested and what refused."""
    columns = [_("file"), _("type"), _("pages"), _("characters")]
    rows = [(v.name, v.media_type, v.n_pages, v.n_characters) for v in verdicts if v.ok]
    table = [table_text(columns, rows)] if rows else []
    refused = [v.refusal for v in verdicts if v.refusal]
    return "\n\n".join([*table, *_refusals(refused), wording.judged(verdicts)])


def _sentences(answer: Answer) -> Iterator[str]:
    yield wrapped(" ".join(_said(answer)), "  ")
    for citation in answer.citations:
        yield "\n" + _citation(citation)


def _said(answer: Answer) -> Iterator[str]:
    for sentence in answer.sentences:
        numbers = "".join(f" [{n}]" for n in sentence.citations)
        yield sentence.text + (numbers or f" ({_('without support')})")


def _citation(citation: Citation) -> str:
    span = _("characters {start}–{end}").format(start=number(citation.start), end=number(citation.end))
    score = _("score {score}").format(score=number(citation.score, 2))
    head = wrapped(wording.place(citation), "    ", f"[{citation.number}] ")
    return f"{head}\n{wrapped(f'“{excerpt(citation.quote, 400)}”', '    ')}\n    {span} · {score}"


def _refusal(answer: Answer) -> Iterator[str]:
    yield wrapped(f"{wording.refused()}. {wording.next_step(answer)}", "  ")
    if answer.citations:
        yield f"\n{_('the nearest passages')}:"
    yield from map(_citation, answer.citations)
    if answer.writing is not None and answer.draft:
        yield "\n" + wrapped(_("What it wrote is kept in `draft`: --json shows it."))


def _footer(answer: Answer) -> str:
    sure = f"{bar_text(answer.confidence)} {wording.confidence(answer)}"
    took = [duration(sum(answer.seconds.values()))] if answer.seconds else []
    credit = [] if answer.refused and answer.writing is None else [wrapped(wording.author(answer))]
    return "\n".join([" · ".join([sure, *took]), *credit])


def _hit(rank: int, hit: Hit) -> str:
    scores = [_("score {score}").format(score=number(hit.score, 2))]
    if hit.dense is not None:
        scores.append(_("dense {score}").format(score=number(hit.dense, 2)))
    if hit.lexical is not None:
        scores.append(_("lexical {score}").format(score=number(hit.lexical, 1)))
    head = wrapped(wording.place(hit.chunk), "    ", f"{rank:2}. ")
    return f"{head}\n    {bar_text(hit.score)} {' · '.join(scores)}\n{wrapped(excerpt(hit.chunk.text), '    ')}"


def _refusals(refused: Sequence[Refusal]) -> list[str]:
    return ["\n".join([_("refused") + ":", *map(_refused, refused)])] if refused else []


def _refused(refusal: Refusal) -> str:
    why = refusal.message or wording.reason(refusal.reason)
    head = wrapped(f"{line(refusal.name)}: {line(why)}", "    ", "  · ")
    return f"{head}\n{wrapped(line(refusal.hint), '      ', '    → ')}" if refusal.hint else head
