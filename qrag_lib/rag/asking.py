"""What a question asks for, and whether a sentence brings something of that kind.

Kinds of answers by question words, as in the question taxonomies of TREC QA (Li and Roth,
COLING 2002), for Portuguese and English. Only what is not already in the question counts:
an answer is new information.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from qrag_lib.language import fold, terms

Kind = Literal["person", "time", "number", "place", "reason", "purpose", "definition", "thing"]

_TOKEN = re.compile(r"[^\W_]+(?:[.,:]\d+)*%?")
_LONG_TOKEN = 64  # characters


class Token(NamedTuple):
    """A word of a text. stem: its index term, "" for a function word. start: its offset in the text."""

    text: str
    stem: str
    start: int


@lru_cache(maxsize=200_000)
def _stem(word: str, language: str) -> str:
    return "".join(terms(word, language)[:1])


@lru_cache(maxsize=2_000)
def tokens(text: str, language: str) -> tuple[Token, ...]:
    """The words of the text with their stems.

    >>> [t.stem for t in tokens("Quem fundou a escola?", "pt")]
    ['', 'fund', '', 'escol']
    """
    found = ((m[0][:_LONG_TOKEN], m.start()) for m in _TOKEN.finditer(text))
    return tuple(Token(word, _stem(word, language), start) for word, start in found)


# First match wins; the text is lower-cased, accents folded.
_ASKED: Sequence[tuple[Kind, re.Pattern[str]]] = [
    (kind, re.compile(expression))
    for kind, expression in (
        ("reason", r"\bpor ?que\b|\bwhy\b|^(qual|quais|what).{0,20}\b(motivos?|razao|razoes|causas?|reasons?|cause[sd]?)\b|\bwhat made\b"),
        ("purpose", r"\bpara que\b|\b(objetivos?|finalidades?|propositos?|utilidade|funcao|funcoes|purposes?|goals?|aims?|used for)\b"),
        (
            "time",
            r"\b(quando|when)\b|\b(em|de|desde|ate|durante) (que|qual|quais) (anos?|datas?|dias?|mes(es)?|seculos?|decadas?|epocas?|periodos?)\b"
            r"|\bqual (foi |e |era )?(o |a )?(ano|data|dia|mes|seculo|decada|epoca|periodo)\b"
            r"|\b(what|which) (year|date|day|month|century|decade|era|period|time)s?\b",
        ),
        (
            "number",
            r"\bquant[oa]s?\b|\bhow (many|much|long|old|far|often|large|big|tall|high|deep|fast)\b"
            r"|\b(qual|que) (foi |e |era |eh )?(o |a )?(numero|porcentagem|percentual|quantidade|valor|total|populacao|taxa|idade|media|proporcao|area|altura|distancia|preco|custo)\b"
            r"|\b(what|which) (is |was |were |are )?(the )?(number|percent|percentage|population|amount|total|rate|age|size|length|cost|price|average|proportion|area|score)\b",
        ),
        (
            "place",
            r"\b(a?onde|where)\b|\b(em |de |para )?(que|qual|quais) (cidades?|pais(es)?|estados?|lugar(es)?|loca(l|is)|regiao|regioes|continentes?|municipios?)\b"
            r"|\b(what|which) (city|cities|country|countries|state|place|location|region|continent|county|town)s?\b",
        ),
        ("person", r"\bquem\b|\bwho(m|se)?\b|\bqual (e |era |foi )?o nome d[aoe]s? \b|\bwhat (is|was) the name of\b"),
        (
            "definition",
            r"^(o que|que|what|quem|who) (e|eh|sao|foi|era|eram|significam?|quer dizer|is|are|was|were) (?!the name|the term|o nome|o termo)(\w+ ?){1,5}\??$"
            r"|^(what|qual).{0,12}\b(definicao|significado|meaning|definition|conceito)\b|\bwhat does .* (mean|stand for)\b|\bcomo .*\b(defin\w+)\b",
        ),
    )
]


def kind_of(question: str) -> Kind:
    """What kind of answer the question asks for; "thing" where its words do not tell.

    >>> kind_of("Em que ano foi fundada a escola?"), kind_of("Who was the first rector?"), kind_of("Which tool is used?")
    ('time', 'person', 'thing')
    """
    asked = fold(" ".join(question.lower().split()))
    return next((kind for kind, expression in _ASKED if expression.search(asked)), "thing")


_MONTHS = (
    "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro "
    "january february march april may june july august september october november december"
)
_TIMES = frozenset(
    f"{_MONTHS} século séculos década décadas anos century centuries decade decades monday tuesday wednesday thursday "
    "friday saturday sunday segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado domingo "
    "primavera verão outono inverno spring summer autumn winter bc ad".split()
)
_NUMBERS = frozenset(
    ["um", "uma", "dois", "duas", "três", "quatro", "cinco", "seis", "sete", "oito", "nove", "dez", "onze", "doze", "treze", "quatorze", "quinze", "vinte", "trinta", "quarenta", "cinquenta", "sessenta", "setenta", "oitenta", "noventa", "cem", "cento", "duzentos", "mil", "milhão", "milhões", "bilhão", "bilhões", "metade", "terço", "dobro", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety", "hundred", "hundreds", "thousand", "thousands", "million", "millions", "billion", "billions", "half", "third", "twice", "once", "dozen", "dozens", "several", "quarter"]
)
_YEAR = re.compile(r"1\d{3}s?|20\d\ds?|\d{1,2}[:/h]\d\d.*")
_REASON = re.compile(
    r"\b(porque|pois|devido|graças|uma vez que|já que|visto que|por causa|em razão|por isso|para que|a fim de|objetivo|"
    r"consequência|razão|motivo|causa\w*|because|due to|since|owing|in order to|so that|therefore|reason|result\w*|as a result|"
    r"caused?|led to|thus|to avoid|para)\b"
)
_PLACE_BEFORE = frozenset(["em", "no", "na", "nos", "nas", "de", "do", "da", "dos", "das", "para", "in", "at", "from", "near", "to", "of", "on", "into"])


def met(kind: Kind, text: str, words: Sequence[Token], known: Collection[str]) -> float:
    """1.0 where the sentence brings something of the kind that is not in the question, else 0.0.

    known: the stems of the question.
    """
    return float(_MATCHERS[kind](text, [w for w in words if w.stem not in known or not w.stem]))


def _time(text: str, fresh: Sequence[Token]) -> bool:
    return any(_YEAR.fullmatch(w.text) or w.text.lower() in _TIMES or (w.text[0].isdigit() and len(w.text) > 3) for w in fresh)


def _number(text: str, fresh: Sequence[Token]) -> bool:
    return any(w.text[0].isdigit() or w.text.lower() in _NUMBERS for w in fresh)


def _name(text: str, fresh: Sequence[Token]) -> bool:
    """A capitalised word with a stem, not at the beginning of the sentence unless another follows."""
    return any(w.stem and w.text[0].isupper() and (w.start > 1 or _goes_on(text, w)) for w in fresh)


def _goes_on(text: str, word: Token) -> bool:
    return re.match(r"\s(?:d[aeo]s?\s|of\s)?[^\W\d_a-zà-ÿ]", text[word.start + len(word.text) :][:6]) is not None


def _place(text: str, fresh: Sequence[Token]) -> bool:
    before = {after.start: word.text.lower() for word, after in zip(fresh, fresh[1:], strict=False)}
    return any(w.stem and w.text[0].isupper() and before.get(w.start) in _PLACE_BEFORE for w in fresh)


def _reason(text: str, fresh: Sequence[Token]) -> bool:
    return _REASON.search(text.lower()) is not None


_PURPOSE = re.compile(
    r"\b(para|a fim de|objetivos?|finalidades?|visa\w*|destina\w*|permit\w+|utilizad\w+|serv\w+|to|for|purposes?|goals?|aims?|used|"
    r"allow\w*|designed)\b"
)


def _purpose(text: str, fresh: Sequence[Token]) -> bool:
    return _PURPOSE.search(text.lower()) is not None


def _thing(text: str, fresh: Sequence[Token]) -> bool:
    return sum(bool(w.stem) for w in fresh) > 2


_MATCHERS: dict[Kind, Callable[[str, Sequence[Token]], bool]] = {
    "person": _name,
    "time": _time,
    "number": _number,
    "place": _place,
    "reason": _reason,
    "purpose": _purpose,
    "definition": _thing,
    "thing": _thing,
}


_TYPE_NOUNS = frozenset(
    ["ano", "anos", "data", "dia", "mês", "século", "década", "número", "nome", "nomes", "pessoa", "tipo", "tipos", "termo", "cidade", "país", "lugar", "quantidade", "valor", "year", "years", "date", "day", "month", "century", "decade", "number", "name", "names", "person", "type", "kind", "term", "city", "country", "place", "amount", "many", "much"]
)


@dataclass(frozen=True)
class Question:
    """A question, read once. language: "pt", "en" or "und"."""

    text: str
    language: str

    @cached_property
    def tokens(self) -> tuple[Token, ...]:
        """Its words."""
        return tokens(self.text, self.language)

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Its words in lower case, function words too."""
        return tuple(t.text.lower() for t in self.tokens)

    @cached_property
    def stems(self) -> tuple[str, ...]:
        """Its distinct index terms, in order."""
        return tuple(dict.fromkeys(t.stem for t in self.tokens if t.stem))

    @cached_property
    def known(self) -> frozenset[str]:
        """Its index terms."""
        return frozenset(self.stems)

    @cached_property
    def kind(self) -> Kind:
        """What kind of answer it asks for."""
        return kind_of(self.text)

    @cached_property
    def names(self) -> frozenset[str]:
        """Terms that name or count something: capitalised inside the question, or with a digit."""
        return frozenset(
            t.stem for i, t in enumerate(self.tokens) if t.stem and (t.text[0].isdigit() or (i > 0 and t.text[0].isupper()))
        )

    @cached_property
    def emphasis(self) -> npt.NDArray[np.float64]:
        """Factor of each term's weight: words for the kind of answer count little, names more."""
        nouns = {_stem(word, self.language) for word in _TYPE_NOUNS}
        return np.array([(0.35 if s in nouns else 1.0) * (1.3 if s in self.names else 1.0) for s in self.stems])


_BACK = re.compile(
    r"[\W_]*(?:(?:n|d)?(?:est|ess|aquel)[ea]s?|(?:n|d)?isso|(?:n|d)?isto|tal|tais|eles?|elas?|seus?|suas?|"
    r"this|these|that|those|such|it|its|he|she|his|her|they|their|the (?:company|former|latter)|o mesmo|a mesma)\b",
    re.IGNORECASE,
)


def refers_back(text: str) -> bool:
    """True where the sentence begins by pointing at the one before it.

    >>> refers_back("Esta capacidade é evidenciada"), refers_back("A capacidade")
    (True, False)
    """
    return _BACK.match(text) is not None


_COPULAS = frozenset(
    ["é", "são", "foi", "era", "eram", "significa", "consiste", "consistem", "refere-se", "refere", "define-se", "define", "denomina", "denomina-se", "compreende", "designa", "constitui", "constituem", "representa", "is", "are", "was", "were", "means", "refers", "consists", "denotes", "describes"]
)
_DEFINING = re.compile(r"\b(entende-se|entend\w+ por|defin\w+|denomina\w*|chama-se|conceitua\w*|defined|called|known as|termed)\b|[–—]")


def defines(question: Question, text: str, words: Sequence[Token]) -> float:
    """1.0 where the sentence defines what the question wants defined: the subject first, a copula next.

    0.6 where the subject stands beside "entende-se por", "known as" or a dash; 0.0 for other kinds of question.
    """
    if question.kind != "definition" or not question.stems:
        return 0.0
    places = [i for i, word in enumerate(words) if word.stem in question.known]
    if {words[i].stem for i in places} < question.known:
        return 0.0
    subject_end = _first_complete(words, question.known)
    if subject_end <= len(question.stems) + 4 and any(w.text.lower() in _COPULAS for w in words[subject_end : subject_end + 4]):
        return 1.0
    return 0.6 if _DEFINING.search(text[:160].lower()) else 0.2 * (subject_end <= len(question.stems) + 4)


def _first_complete(words: Sequence[Token], stems: Collection[str]) -> int:
    """Number of words after which all the stems were said."""
    missing = set(stems)
    for i, word in enumerate(words):
        missing.discard(word.stem)
        if not missing:
            return i + 1
    return len(words)
