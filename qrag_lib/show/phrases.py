"""What the notebook and the terminal say alike, in the interface language."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from local_models.interface.number_format import duration, number, percent
from local_models.interface.sanitize import line
from qrag_lib.i18n import _, ngettext
from qrag_lib.types import Answer, Chunk, Citation, Document, Hits, IngestReport, Sentence, Verdicts, Writing

SURE: Final = 0.8  # confidence, from which an answer is called sure
LIKELY: Final = 0.35  # and likely; below it is unsure


def place(of: Chunk | Citation) -> str:
    """Where a passage stands: document, page and headings; what is the title of both is said once."""
    headings = of.headings[1:] if of.headings[:1] in ((of.document_name,), (of.page,)) else of.headings
    parts = (of.document_name, _page(of.page or ""), " › ".join(headings))
    return line(" · ".join(part for part in parts if part))


def source(citation: Citation) -> str:
    """Where a quote stands, and that its file is no longer there."""
    gone = [_("the file is no longer there")] if citation.gone else []
    return " · ".join([place(citation), *gone])


def described(document: Document) -> str:
    """What a document is: its type, pages and length."""
    pages = ngettext("{n} page", "{n} pages", document.n_pages).format(n=number(document.n_pages))
    characters = ngettext("{n} character", "{n} characters", len(document.text)).format(n=number(len(document.text)))
    return " · ".join([line(document.media_type), pages, characters])


def author(answer: Answer) -> str:
    """Who wrote the answer, and what of it has no support; an answerer may say it in its own words."""
    if answer.writing is not None:
        more = [answer.note] if answer.note and not answer.refused else []  # a refusal says its note as the reason
        return " ".join([_written(answer.writing), *unsupported(answer), *more])
    if answer.note:
        return answer.note
    if answer.generator == "extractive":
        return _("Quoted from the documents; no language model wrote it.")
    return _("Written by {model}.").format(model=answer.generator)


def _written(writing: Writing) -> str:
    tokens = number(writing.n_new_tokens) if writing.counted else _("about {n}").format(n=number(writing.n_new_tokens))
    said = ngettext(
        "Written by {model}: {n} token in {time}. Its sentences were compared with the documents afterwards.",
        "Written by {model}: {n} tokens in {time}. Its sentences were compared with the documents afterwards.",
        writing.n_new_tokens,
    )
    cut = _("It was cut there, for want of room.")
    text = said.format(model=line(writing.model), n=tokens, time=duration(writing.seconds))
    return f"{text} {cut}" if writing.cut else text


def unsupported(answer: Answer) -> list[str]:
    """How many sentences nothing in the documents supports; empty where there are none."""
    n = sum(not sentence.supported for sentence in answer.sentences)
    if not n:
        return []
    said = ngettext(
        "{n} of its {all} sentences has no support in the documents.",
        "{n} of its {all} sentences have no support in the documents.",
        n,
    )
    return [said.format(n=number(n), all=number(len(answer.sentences)))]


def confidence(share: float) -> str:
    """How sure the answer is, in a word and in figures: `SURE` and `LIKELY` are where the words begin."""
    if share >= SURE:
        said = _("sure · confidence {share}")
    elif share >= LIKELY:
        said = _("likely · confidence {share}")
    else:
        said = _("unsure · confidence {share}")
    return said.format(share=percent(share))


def quoted_by(sentence: Sentence, known: Mapping[int, Citation]) -> Citation | None:
    """The citation whose very quote the sentence is; None where it says more, or in other words."""
    cited = known.get(sentence.citations[0]) if len(sentence.citations) == 1 else None
    return cited if cited is not None and " ".join(cited.quote.split()) == sentence.text else None


def span(citation: Citation) -> str:
    """Which characters of the document a quote is."""
    return _("characters {start}–{end}").format(start=number(citation.start), end=number(citation.end))


def unsure() -> str:
    """What passages are called that may answer."""
    return _("This may answer.")


def why_unsure(answer: Answer) -> str:
    """What to make of the passages that may answer."""
    return answer.note or _("Nothing is sure; in each passage the likeliest sentence is marked.")


def refused() -> str:
    """What a refusal is called."""
    return _("No answer")


def why_refused(answer: Answer) -> str:
    """Why there is no answer."""
    return answer.note or _("The documents do not seem to hold the answer.")


def look_yourself() -> str:
    """What stands before the command that searches."""
    return _("To see all that a search finds:")


def found(hits: Hits) -> str:
    """How many passages a search found, and how fast."""
    passages = ngettext("{n} passage", "{n} passages", len(hits)).format(n=number(len(hits)))
    return f"{passages} · {duration(sum(hits.seconds.values()))}" if hits.seconds else passages


def copies(n: int) -> str:
    """That a passage stands in other places too."""
    return ngettext("also in {n} other place", "also in {n} other places", n).format(n=number(n))


def nothing_found() -> str:
    """What an empty search says."""
    return _("Nothing found. Try other words, or see which documents there are.")


def ingested(report: IngestReport) -> str:
    """The headline of an ingest: what changed."""
    n = len(report.added) + len(report.changed)
    parts = [ngettext("{n} document indexed", "{n} documents indexed", n).format(n=number(n))]
    if (n := report.unchanged) > 0:
        parts.append(ngettext("{n} unchanged", "{n} unchanged", n).format(n=number(n)))
    if n := len(report.moved):
        parts.append(ngettext("{n} moved", "{n} moved", n).format(n=number(n)))
    if n := len(report.deleted):
        parts.append(ngettext("{n} removed", "{n} removed", n).format(n=number(n)))
    return ", ".join([*parts, *([not_taken(n)] if (n := len(report.refused)) else [])])


def not_taken(n: int) -> str:
    """How many files were refused."""
    return ngettext("{n} refused", "{n} refused", n).format(n=number(n))


def figures(report: IngestReport) -> list[tuple[str, object]]:
    """The rows of the table that sums up an ingest."""
    return [
        (_("added"), len(report.added)),
        (_("changed"), len(report.changed)),
        (_("unchanged"), report.unchanged),
        (_("removed"), len(report.deleted)),
        (_("refused"), len(report.refused)),
        (_("pages"), report.n_pages),
        (_("characters"), report.n_characters),
        (_("chunks"), report.n_chunks),
        (_("texts embedded"), report.n_embedded),
    ]


def stages(report: IngestReport) -> str:
    """How long it took, and each stage, the longest first."""
    ordered = sorted(report.seconds.items(), key=lambda each: -each[1])
    parts = " · ".join(f"{stage(name)} {duration(seconds)}" for name, seconds in ordered)
    return f"{duration(sum(report.seconds.values()))}: {parts}"


def stage(name: str) -> str:
    """A stage of an ingest or a search, as people read it; an unknown name stays as it is."""
    known = {
        "notebook": _("notebook cells"),
        "load": _("loading the model"),
        "walk": _("looking"),
        "hash": _("comparing"),
        "read": _("reading"),
        "chunk": _("chunking"),
        "embed": _("embedding"),
        "commit": _("storing"),
        "store": _("storing"),
        "publish": _("publishing"),
        "index": _("indexing"),
        "fit": _("fitting"),
        "dense": _("dense search"),
        "lexical": _("lexical search"),
        "fusion": _("fusion"),
        "rerank": _("reranking"),
        "evidence": _("evidence"),
        "download": _("downloading, in MiB"),
        "verify": _("checking, in MiB"),
        "write": _("writing"),
        "align": _("comparing with the documents"),
    }
    return known.get(name, name)


def judged(verdicts: Verdicts) -> str:
    """The headline of a validation."""
    good = sum(each.ok for each in verdicts)
    bad = len(verdicts) - good
    taken = ngettext("{n} file can be ingested", "{n} files can be ingested", good).format(n=number(good))
    return f"{taken}, {not_taken(bad)}"


def reason(code: str) -> str:
    """A reason code of `types.REASONS` in words."""
    from qrag_lib.types import REASONS

    return _(REASONS[code]) if code in REASONS else code


def _page(label: str) -> str:
    # a sheet or a slide has a name of its own
    return _("p. {page}").format(page=label) if re.fullmatch(r"[0-9]+|[ivxlc]+", label) else label
