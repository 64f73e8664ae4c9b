"""Requests that no quote can fulfil: to summarise, to compare. They are told apart from what documents do not say.

Only what begins as such a request is one, politeness aside: "quem assina o resumo?" asks for a signature.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final, Literal

from qrag_lib.i18n import _
from qrag_lib.language import fold
from qrag_lib.types import Answer

Request = Literal["summary", "comparison"]

_POLITE: Final = (
    r"(?:(?:por favor|voce|vc|pode(?:ria)?|consegue|quero(?: que)?|queria|gostaria de|preciso(?: de| que)?|me|nos"
    r"|please|can you|could you|would you|i want(?: you)? to|i need(?: you to)?|i'd like(?: you to)?)[\s,]+)*"
)
_MAKE: Final = r"(?:(?:faca|faz|fazer|de|da|dar|escreva|gere|mostre|give|make|write|provide|show)(?:[ -]me)?\s+)?"
_TEXTS: Final = (
    r"(?:documentos?|textos?|arquivos?|livros?|relatorios?|artigos?|pdfs?|paginas?|trabalhos?"
    r"|documents?|texts?|files?|books?|reports?|papers?|articles?|pages?)"
)
_THIS: Final = r"(?:(?:o|os|a|as|d[oa]s?|(?:d|n)?ess[ea]s?|(?:d|n)?est[ea]s?|isto|isso|the|this|these)\s+)?"
_WHOLE: Final = rf"{_THIS}{_TEXTS}\W*$"
_SUMMARY: Final = rf"""
    resum(?:a|e|ir|am)(?:-[oa]s?)?\b | sintetiz(?:e|a|ar)\b | summari[sz]e\b | sum\ up\b | tl;?dr\b
  | {_MAKE}(?:um|uma|o|a|an?|the)?\s*(?:(?:breve|curto|pequeno|short|brief|quick)\s+)?
    (?:resumo|sintese|summary|overview)\s+(?:d[eoa]s?|sobre|of)\s+{_WHOLE}
  | {_MAKE}(?:um|uma|an?)\s+(?:(?:breve|curto|pequeno|short|brief|quick)\s+)?(?:resumo|sintese|summary)\b
  | (?:do|de|sobre\ o)\ que\ (?:se\ )?(?:trata|fala|e)m?\s+{_WHOLE}
  | o\ que\ (?:diz|dizem|fala|falam)\s+{_WHOLE}
  | what\ (?:is|are|'s)\s+{_THIS}{_TEXTS}\s+(?:all\ )?about\b | what's\s+{_THIS}{_TEXTS}\s+(?:all\ )?about\b
  | (?:quais\ (?:sao\ )?(?:os|as)|what\ are\ the)\ (?:(?:principais|main|key)\s+)?
    (?:pontos|ideias|temas|topicos|points|ideas|topics|takeaways)(?:\ principais)?\s+(?:d[eoa]s?|of)\s+{_WHOLE}
"""
_COMPARISON: Final = rf"""
    compar(?:e|a|ar)\b | contrast\b
  | {_MAKE}(?:um|uma|a)\s+(?:comparacao|comparativo|comparison)\b
  | (?:qual|quais)\ (?:e\ |sao\ )?(?:as?\ )?(?:principa(?:l|is)\ )?diferencas?\ (?:entre|d[eoa])\b
  | (?:qual|quais)\ (?:e\ |sao\ )?as?\ diferencas?\ (?:principa(?:l|is)\ )?(?:entre|d[eoa])\b
  | diferencas?\ entre\b | em\ que\ (?:se\ )?difere\w*\b | (?:no|o)\ que\ difere\w*\b
  | what(?:\ is|\ are|'s)\ the\ (?:main\ |key\ )?differences?\ between\b | differences?\ between\b
  | how\ (?:do|does|did)\ .{{1,80}}\ differ\b
"""


def _begins(ways: str) -> re.Pattern[str]:
    """What begins in one of these ways; white space in them is layout, but for escaped one."""
    return re.compile(_POLITE.replace(" ", r"\ ") + f"(?:{ways})", re.VERBOSE)


_KINDS: Final[tuple[tuple[Request, re.Pattern[str]], ...]] = (
    ("summary", _begins(_SUMMARY)),
    ("comparison", _begins(_COMPARISON)),
)


def request_of(question: str) -> Request | None:
    """What a question asks to be made of the documents; None where it asks what they say.

    >>> request_of("Resuma o edital, por favor"), request_of("What is the difference between A and B?")
    ('summary', 'comparison')
    >>> request_of("Quem assina o resumo?") is None
    True
    """
    asked = fold(" ".join(question.lower().split())).lstrip("¿¡\"'“-–— ")
    return next((kind for kind, expression in _KINDS if expression.match(asked)), None)


def answer_request(answer: Answer) -> Answer:
    """An answer in quotes as it is, unless a language model had been needed: then it says so, and what to do.

    No quote is a summary. A difference may stand in the documents in so many words: what is sure of it stays.
    """
    kind = request_of(answer.question)
    if kind is None or (kind == "comparison" and not answer.refused):
        return answer
    if kind == "summary":
        return replace(answer, sentences=(), outcome="nothing", note=_summary_needs())
    return replace(answer, note=_comparison_needs())


def _summary_needs() -> str:
    return " ".join(
        [
            _("A summary has to be written, and without a language model Q-RAG only quotes."),
            _with_a_model(),
            _("Without one, read the document: qrag show NAME."),
        ]
    )


def _comparison_needs() -> str:
    return " ".join(
        [
            _("A comparison has to be written, and without a language model Q-RAG only quotes."),
            _with_a_model(),
            _("Without one, ask about each side in a question of its own."),
        ]
    )


def _with_a_model() -> str:
    return _(
        "Ask again with --model auto:, which takes the model that you have; "
        "qrag model download deepseek-ai/deepseek-llm-7b-chat fetches one."
    )
