"""The HTML form of each value. A citation is a number that opens its passage, quote marked, where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qrag_lib.i18n import _, ngettext
from qrag_lib.show import wording
from qrag_lib.show.blocks import Html, bar_html, panel_html, rows_html, table_html
from qrag_lib.show.figures import duration, number
from qrag_lib.show.look import page
from qrag_lib.show.neutral import escape, excerpt, line

if TYPE_CHECKING:
    from qrag_lib.types import Answer, Citation, Document, Hit, Hits, IngestReport, Refusal, Sentence, Verdict, Verdicts


SHOWN = 20_000  # characters of a document's text that a notebook is given


def answer_html(answer: Answer) -> str:
    """The answer with its citations, or the calm panel of a refusal."""
    body = _refusal(answer) if answer.refused else _sentences(answer)
    return page(f'<div class="q">{escape(answer.question)}</div>', body, _footer(answer))


def hits_html(hits: Hits) -> str:
    """The passages found, best first, with a bar for each side's score."""
    head = f'<div class="q">{escape(hits.question)}</div>'
    if not hits:
        return page(head, str(panel_html(wording.nothing_found(), calm=True)))
    best = max((hit.lexical or 0.0 for hit in hits), default=0.0)
    rows = [(i, _passage(hit), _scores(hit, best)) for i, hit in enumerate(hits, 1)]
    table = table_html(["", _("passage"), _("score")], rows)
    return page(head, str(table), f'<div class="soft">{escape(wording.found(hits))}</div>')


def document_html(document: Document) -> str:
    """A document's name and kind, and its text to unfold; of a long one the beginning."""
    head = f'<div class="q">{escape(line(document.name))}</div>'
    cut = "…" if len(document.text) > SHOWN else ""
    text = f'<div class="text">{escape(document.text[:SHOWN])}{cut}</div>'
    return page(head, f'<div class="soft">{escape(wording.described(document))}</div>', _folded(_("text"), text))


def report_html(report: IngestReport) -> str:
    """What an ingest did: the figures, the time by stage, what was refused and why."""
    notes = "".join(f'<div class="soft">{escape(note)}</div>' for note in report.notes)
    times = f'<div class="soft">{escape(wording.stages(report))}</div>' if report.seconds else ""
    head = f'<div class="q">{escape(wording.ingested(report))}</div>'
    return page(head, str(rows_html(wording.figures(report))), times, notes, _refusals(report.refused))


def verdicts_html(verdicts: Verdicts) -> str:
    """What would be ingested and what refused, a file a row."""
    head = f'<div class="q">{escape(wording.judged(verdicts))}</div>'
    good = [_file(verdict) for verdict in verdicts if verdict.ok]
    columns = [_("file"), _("type"), _("pages"), _("characters"), _("time")]
    table = (
        _folded(
            ngettext("{n} file", "{n} files", len(good)).format(n=number(len(good))), str(table_html(columns, good))
        )
        if good
        else ""
    )
    return page(head, _refusals([v.refusal for v in verdicts if v.refusal]), table)


def marked(passage: str, start: int, end: int) -> Html:
    """The passage with the characters from start to end marked."""
    before, quote, after = passage[:start], passage[start:end], passage[end:]
    return Html(f'<div class="text">{escape(before)}<mark>{escape(quote)}</mark>{escape(after)}</div>')


def _sentences(answer: Answer) -> str:
    known = {each.number: each for each in answer.citations}
    said = " ".join(_sentence(each, known) for each in answer.sentences)
    return f'<div class="say">{said}</div>{_sources(answer.citations)}'


def _sentence(sentence: Sentence, known: dict[int, Citation]) -> str:
    numbers = "".join(_citation(known[n]) for n in sentence.citations if n in known)
    if sentence.supported:
        return escape(sentence.text) + numbers
    return f'<span class="bare">{escape(sentence.text)} <b>({escape(_("without support"))})</b></span>'


def _citation(citation: Citation) -> str:
    title = f"{citation.number} · {wording.place(citation)}"
    span = _("characters {start}–{end}").format(start=number(citation.start), end=number(citation.end))
    details = Html(f'<span class="soft">{escape(span)}</span>')
    panel = panel_html(title, _quoted(citation), details)
    return f'<details class="cite"><summary>{citation.number}</summary>{panel}</details>'


def _quoted(citation: Citation) -> Html:
    start = citation.start - citation.passage_start
    end = citation.end - citation.passage_start
    if citation.passage and citation.passage[max(0, start) : end] == citation.quote:
        return marked(citation.passage, start, end)
    return marked(citation.quote, 0, len(citation.quote))


def _sources(citations: Sequence[Citation]) -> str:
    rows = [(c.number, wording.place(c), bar_html(c.score, number(c.score, 2))) for c in citations]
    return str(table_html(["", _("source"), _("score")], rows)) if rows else ""


def _refusal(answer: Answer) -> str:
    panel = panel_html(wording.refused(), wording.next_step(answer), calm=True)
    near = _folded(_("the nearest passages"), "".join(_near(c) for c in answer.citations))
    return str(panel) + (near if answer.citations else "") + _draft(answer)


def _draft(answer: Answer) -> str:
    """What the model wrote and nothing supports, for whoever unfolds it."""
    if answer.writing is None or not answer.draft:
        return ""
    summary = _("what {model} wrote, without support").format(model=line(answer.generator))
    return _folded(summary, f'<div class="text bare">{escape(answer.draft)}</div>')


def _near(citation: Citation) -> str:
    return str(panel_html(wording.place(citation), _quoted(citation), calm=True))


def _footer(answer: Answer) -> str:
    took = [duration(sum(answer.seconds.values()))] if answer.seconds else []
    silent = answer.refused and answer.writing is None
    credit = "" if silent else f'<div class="soft">{escape(wording.author(answer))}</div>'
    sure = " · ".join([str(bar_html(answer.confidence, wording.confidence(answer))), *took])
    return f'<div class="soft">{sure}</div>{credit}'


def _passage(hit: Hit) -> Html:
    short = excerpt(hit.chunk.text)
    body = f'<div class="text">{escape(hit.chunk.text)}</div>'
    shown = _folded(short, body) if short.endswith("…") else escape(short)
    note = f'<div class="soft">{escape(wording.copies(len(hit.duplicates)))}</div>' if hit.duplicates else ""
    return Html(f"<b>{escape(wording.place(hit.chunk))}</b><div>{shown}</div>{note}")


def _scores(hit: Hit, best_lexical: float) -> Html:
    lines = [bar_html(hit.score, number(hit.score, 2))]
    if hit.dense is not None:
        lines.append(bar_html(hit.dense, _("dense {score}").format(score=number(hit.dense, 2)), second=True))
    if hit.lexical is not None:
        label = _("lexical {score}").format(score=number(hit.lexical, 1))
        lines.append(bar_html(hit.lexical / best_lexical if best_lexical else 0.0, label, second=True))
    return Html("".join(f'<div class="soft score">{each}</div>' for each in lines))


def _file(verdict: Verdict) -> tuple[object, ...]:
    return line(verdict.name), verdict.media_type, verdict.n_pages, verdict.n_characters, duration(verdict.seconds)


def _refusals(refused: Sequence[Refusal]) -> str:
    if not refused:
        return ""
    rows = [(line(each.name), _why(each)) for each in refused]
    return str(table_html([_("refused"), _("reason and next step")], rows))


def _why(refusal: Refusal) -> Html:
    hint = f'<div class="soft">→ {escape(refusal.hint)}</div>' if refusal.hint else ""
    return Html(f"{escape(refusal.message or wording.reason(refusal.reason))}{hint}")


def _folded(summary: str, body: str) -> str:
    return f"<details><summary>{escape(summary)}</summary>{body}</details>"
