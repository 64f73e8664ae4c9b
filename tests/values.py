"""One value of each kind, with text that tries to be more than text."""

from __future__ import annotations

from dataclasses import replace

from qrag_lib import types as t

PASSAGE = "Art. 5º O contrato vale R$ 5.000,00. Ele é assinado pelo reitor. Dura dois anos."
QUOTE = "Ele é assinado pelo reitor."


def citation(name: str = "contrato.pdf", passage: str = PASSAGE, quote: str = QUOTE) -> t.Citation:
    start = 1200 + passage.index(quote)
    return t.Citation(1, "d1", name, start, start + len(quote), quote, 0.9, "3", ("Cláusula 5ª",), passage, 1200)


def answer(text: str = QUOTE, question: str = "Quem assina?", name: str = "contrato.pdf") -> t.Answer:
    cited = citation(name, f"{text} Dura dois anos.", text)
    return t.Answer(question, (t.Sentence(text, (1,)),), (cited,), "pt", confidence=0.83, seconds={"embed": 0.009})


def refusal(question: str = "What is a prime number?", note: str = "") -> t.Answer:
    return t.Answer(question, (), (citation(),), "en", outcome="nothing", confidence=0.07, note=note)


def unsure(question: str = "Who signs it?", passage: str = PASSAGE, quote: str = QUOTE, note: str = "") -> t.Answer:
    return t.Answer(
        question, (), (citation(passage, passage, quote),), "en", outcome="unsure", confidence=0.3, note=note
    )


def marked_up() -> t.Answer:
    """An answer whose passage is Markdown, with the words that answer."""
    passage = "## Prazos\n\nO prazo é de **trinta** dias, pror-\nrogável uma vez.\n\n- Sem multa.\n- Com juros."
    quote = "O prazo é de **trinta** dias, pror-\nrogável uma vez."
    cited = citation("edital.md", passage, quote)
    words = cited.start + quote.index("**trinta"), cited.start + quote.index(" dias") + len(" dias")
    said = t.Sentence(" ".join(quote.split()), (1,))
    return t.Answer("Qual o prazo?", (said,), (replace(cited, answer=words),), "pt", confidence=0.9)


def hits(text: str = PASSAGE, name: str = "contrato.pdf") -> t.Hits:
    chunk = t.Chunk("d1#0", "d1", name, 0, text, 0, len(text), ("Cláusula 5ª",), "3", "pt")
    return t.Hits("Quem assina?", "pt", (t.Hit(chunk, 0.98, 0.61, 12.3, 1, 1, ("d2#0",)),), seconds={"embed": 0.01})


def report(name: str = "scan.pdf", message: str = "page 1 has no text layer") -> t.IngestReport:
    refused = t.Refusal(name, "no_text", message, "run OCR over it first")
    return t.IngestReport(("a", "b"), unchanged=1948, refused=(refused,), n_chunks=12, seconds={"read": 1, "embed": 40})


def verdicts(name: str = "scan.pdf") -> t.Verdicts:
    good = t.Verdict("notes.md", "text/markdown", 1, 400, 500, "utf-8")
    return t.Verdicts((good, t.Verdict(name, "application/pdf", refusal=report(name).refused[0])))


def document(text: str = PASSAGE, name: str = "contrato.pdf") -> t.Document:
    return t.Document("d1", name, text, (t.Section("page", "1", 0, len(text)),), media_type="application/pdf")


def hostile(text: str) -> list[object]:
    """Every kind of value, with `text` everywhere a document or a person could put it."""
    return [
        answer(text, text, text),
        refusal(text, text),
        unsure(text, text, text, text),
        hits(text, text),
        report(text, text),
        verdicts(text),
        document(text, text),
    ]
