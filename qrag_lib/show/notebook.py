"""The HTML form of each value. A citation is a number that opens its passage, quote marked, where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import groupby

from local_models.interface.blocks import Html, bar_html, panel_html, rows_html, table_html
from local_models.interface.number_format import duration, number
from local_models.interface.sanitize import escape, excerpt, line
from local_models.interface.theme import page
from qrag_lib.i18n import _, ngettext
from qrag_lib.show import phrases
from qrag_lib.show.next_search import search_command
from qrag_lib.show.passages import Paragraph, Piece, is_changed, read_passage, read_quote, read_text
from qrag_lib.types import Answer, Citation, Document, Hit, Hits, IngestReport, Refusal, Sentence, Verdict, Verdicts

SHOWN = 20_000  # characters of a document's text that a notebook is given


def answer_html(answer: Answer, onward: str | None = None) -> str:
    """The answer with its citations; or the passages that may answer, opened; or that there is none, and what next.

    onward: what is said as the next step where there is no answer, in place of the command that searches.
    """
    body = {"sure": _sentences, "unsure": _unsure}.get(answer.outcome, partial(_nothing, onward=onward))(answer)
    return page(f'<div class="q">{escape(answer.question)}</div>', body, _draft(answer), _footer(answer))


def hits_html(hits: Hits) -> str:
    """The passages found, best first, with a bar for each side's score."""
    head = f'<div class="q">{escape(hits.question)}</div>'
    if not hits:
        return page(head, str(panel_html(phrases.nothing_found(), calm=True)))
    best = max((hit.lexical or 0.0 for hit in hits), default=0.0)
    rows = [(i, _passage(hit), _scores(hit, best)) for i, hit in enumerate(hits, 1)]
    table = table_html(["", _("passage"), _("score")], rows)
    return page(head, str(table), f'<div class="soft">{escape(phrases.found(hits))}</div>')


def document_html(document: Document) -> str:
    """A document's name and kind, and its text to unfold; of a long one the beginning."""
    head = f'<div class="q">{escape(line(document.name))}</div>'
    cut = "…" if len(document.text) > SHOWN else ""
    text = f'<div class="text">{escape(document.text[:SHOWN])}{cut}</div>'
    return page(head, f'<div class="soft">{escape(phrases.described(document))}</div>', _folded(_("text"), text))


def report_html(report: IngestReport) -> str:
    """What an ingest did: the figures, the time by stage, what was refused and why."""
    notes = "".join(f'<div class="soft">{escape(note)}</div>' for note in report.notes)
    times = f'<div class="soft">{escape(phrases.stages(report))}</div>' if report.seconds else ""
    head = f'<div class="q">{escape(phrases.ingested(report))}</div>'
    return page(head, str(rows_html(phrases.figures(report))), times, notes, _refusals(report.refused))


def verdicts_html(verdicts: Verdicts) -> str:
    """What would be ingested and what refused, a file a row."""
    head = f'<div class="q">{escape(phrases.judged(verdicts))}</div>'
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


def _sentences(answer: Answer) -> str:
    known = {each.number: each for each in answer.citations}
    said = " ".join(_sentence(each, known) for each in answer.sentences)
    return f'<div class="say">{said}</div>{_sources(answer.citations)}'


def _sentence(sentence: Sentence, known: dict[int, Citation]) -> str:
    numbers = "".join(_citation(known[n]) for n in sentence.citations if n in known)
    if (quoted := phrases.quoted_by(sentence, known)) is not None:
        return _quoted(read_quote(quoted), numbers)
    if sentence.supported:
        return escape(sentence.text) + numbers
    return f'<span class="bare">{escape(sentence.text)} <b>({escape(_("without support"))})</b></span>'


def _quoted(shown: Sequence[Paragraph], numbers: str) -> str:
    """A quote with the numbers of its citations: in the flow of the text, but rows of tables on lines of their own."""
    if not any(paragraph.row for paragraph in shown):
        return " ".join(map(_inline, shown)) + numbers
    return "".join(map(_block, shown[:-1])) + _block(shown[-1], numbers)


def _block(paragraph: Paragraph, numbers: str = "", mark: bool = False) -> str:
    return f'<div class="par{" head" if paragraph.heading else ""}">{_inline(paragraph, mark)}{numbers}</div>'


def _citation(citation: Citation) -> str:
    panel = panel_html(_title(citation), _opened(citation), _exact(citation))
    return f'<details class="cite"><summary>{citation.number}</summary>{panel}</details>'


def _title(citation: Citation) -> str:
    return f"{citation.number} · {phrases.source(citation)}"


def _opened(citation: Citation, whole: bool = True) -> Html:
    """The passage in clean form, a paragraph below the other, with the quote marked."""
    return Html("".join(_block(paragraph, mark=True) for paragraph in read_passage(citation, whole)))


def _inline(paragraph: Paragraph, mark: bool = False) -> str:
    """The pieces of a paragraph; the answer in bold, and the quote marked if that is wanted: one mark around it."""
    parts = []
    for quoted, pieces in groupby(paragraph.pieces, key=lambda piece: piece.quoted):
        text = "".join(map(_piece, pieces))
        parts.append(f"<mark>{text}</mark>" if mark and quoted and text else text)
    return "".join(parts)


def _piece(piece: Piece) -> str:
    return f"<b>{escape(piece.text)}</b>" if piece.answers else escape(piece.text)


def _exact(citation: Citation) -> Html:
    """Where the quote stands; and its exact text, folded, where marks or line breaks were taken from what is shown."""
    span = phrases.span(citation)
    if not is_changed(citation.quote):
        return Html(f'<span class="soft">{escape(span)}</span>')
    summary = _("exact text: {span}").format(span=span)
    return Html(f'<div class="soft">{_folded(summary, f"""<div class="text">{escape(citation.quote)}</div>""")}</div>')


def _sources(citations: Sequence[Citation]) -> str:
    rows = [(c.number, phrases.source(c), _score(c)) for c in citations]
    return str(table_html(["", _("source"), _("score")], rows)) if rows else ""


def _score(citation: Citation) -> Html:
    return Html(f'<div class="score">{bar_html(citation.score, number(citation.score, 2))}</div>')


def _unsure(answer: Answer) -> str:
    """The passages that may answer, opened, the likeliest sentence of each marked."""
    head = f'<div class="lead"><b>{escape(phrases.unsure())}</b> {escape(phrases.why_unsure(answer))}</div>'
    return head + "".join(str(panel_html(_title(c), _opened(c), _exact(c))) for c in answer.citations)


def _nothing(answer: Answer, onward: str | None) -> str:
    """That there is no answer, one thing to do next, and folded the passages that are nearest."""
    step = escape(onward) if onward is not None else _typed(answer.question)
    panel = panel_html(phrases.refused(), phrases.why_refused(answer), Html(step) if step else "", calm=True)
    near = "".join(str(panel_html(_title(c), _opened(c, whole=False), calm=True)) for c in answer.citations)
    return str(panel) + (_folded(_("the nearest passages"), near) if near else "")


def _typed(question: str) -> str:
    """The command that searches, to be copied with one click."""
    return f'{escape(phrases.look_yourself())} <span class="cmd">{escape(search_command(question))}</span>'


def _draft(answer: Answer) -> str:
    """What the model wrote and nothing supports, for whoever unfolds it."""
    if not answer.refused or answer.writing is None or not answer.draft:
        return ""
    summary = _("what {model} wrote, without support").format(model=line(answer.generator))
    return _folded(summary, f'<div class="text bare">{escape(answer.draft)}</div>')


def _footer(answer: Answer) -> str:
    took = [duration(sum(answer.seconds.values()))] if answer.seconds else []
    silent = answer.refused and answer.writing is None  # its note was said above
    credit = "" if silent else f'<div class="soft">{escape(phrases.author(answer))}</div>'
    sure = " · ".join([str(bar_html(answer.confidence, phrases.confidence(answer.confidence))), *took])
    return f'<div class="soft">{sure}</div>{credit}'


def _passage(hit: Hit) -> Html:
    short = excerpt(read_text(hit.chunk.text))
    body = f'<div class="text">{escape(hit.chunk.text)}</div>'
    shown = _folded(short, body) if short.endswith("…") or is_changed(hit.chunk.text) else escape(short)
    note = f'<div class="soft">{escape(phrases.copies(len(hit.duplicates)))}</div>' if hit.duplicates else ""
    return Html(f"<b>{escape(phrases.place(hit.chunk))}</b><div>{shown}</div>{note}")


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
    return Html(f"{escape(refusal.message or phrases.reason(refusal.reason))}{hint}")


def _folded(summary: str, body: str) -> str:
    return f"<details><summary>{escape(summary)}</summary>{body}</details>"
