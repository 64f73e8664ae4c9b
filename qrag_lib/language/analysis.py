"""Words, and the index terms that full-text search matches."""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from itertools import chain
from typing import NamedTuple

import Stemmer

from qrag_lib.language.identifiers import identifiers
from qrag_lib.language.stopwords import STOP_WORDS

# snowball-1: identifiers are words like others, and a stem may differ where accents are left out
ANALYZERS = ("snowball-1", "snowball-2")
ANALYZER = ANALYZERS[-1]

# A word with what is joined to it inside: d'água, fazê-lo, 1.234,56, T1437.001, os.environ, base_fee, a@b.org
_WORD = re.compile(r"[^\W_]++(?:[._\-'’,:@&]{1,2}[^\W_]++){0,20}+(?:\+\+|#(?!\w))?")
_JOINT = re.compile(r"[^\w+#]+|_+")
_HUMP = re.compile(r"(?<=[a-zà-öø-ÿ])(?=[A-ZÀ-Þ])")
_ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th|os?|as?)")
_CLITIC = re.compile(r"(\w+?)(?:-(?:me|te|se|nos|vos|lhes?|l?[oa]s?|n[oa]s?))+")
_GROUPED = re.compile(r"(\d{1,3})((?:([.,])\d{3})(?:\3\d{3})*)((?:[.,]\d{1,2})?)")
_NUMBER_SIGN = re.compile(r"\b[nN](?:[o°]\.?|\.o?|r\.)? ?(?=\d)")  # Lei nº 8.112; º has been dropped, or is an o
_LONG_WORD = 64  # characters; what is longer (base64, hashes) is kept by its beginning
_DROPPED = dict.fromkeys(map(ord, "ºª\u00ad\u200b\u200c\u200d\u2060\ufeff"))  # 5º is found by 5; invisible joiners
_INFINITIVE = {"á": "ar", "ê": "er", "é": "er", "í": "ir", "ô": "or"}  # fazê-lo is fazer + o
_lock = threading.Lock()  # a Stemmer is not for two threads at once
# By these endings, with their accents, the stemmer knows a noun or an adjective
_ACCENTED = {"cao": "ção", "coes": "ções", "ao": "ão", "oes": "ões", "avel": "ável", "ivel": "ível"}
_ACCENTED |= {"aveis": "áveis", "iveis": "íveis", "encia": "ência", "encias": "ências", "ancia": "ância"}
_ACCENTED |= {"ancias": "âncias", "aria": "ária", "arias": "árias"}
_ABBREVIATED = {"art": "artigo", "arts": "artigos", "inc": "inciso"}
_CLOSING = re.compile(f"(?:{'|'.join(sorted(_ACCENTED, key=len, reverse=True))})$")
_STEMMERS = {"pt": Stemmer.Stemmer("portuguese", 0), "en": Stemmer.Stemmer("english", 0)}


def fold(text: str) -> str:
    """The text without accents.

    >>> fold("educação")
    'educacao'
    """
    if text.isascii():
        return text
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


# "nao" and "esta" are dropped as "não" and "está" are
_STOPS = {language: known | {fold(word) for word in known} for language, known in STOP_WORDS.items()}


def words(text: str) -> list[str]:
    """The words of the text as written, with the hyphens, points and apostrophes inside them.

    >>> words("Fazê-lo: R$ 1.234,56 (T1437.001).")
    ['Fazê-lo', 'R', '1.234,56', 'T1437.001']
    """
    return _WORD.findall(text)


def terms(text: str, language: str = "und", analyzer: str = ANALYZER) -> list[str]:
    """Index terms in the order of the text: stop words dropped, stemmed, lower case, without accents.

    language: "pt" or "en"; any other gives the terms of both stemmers, to match either.
    analyzer: one of ANALYZERS; an index is asked with the one that it was made with.
    A compound gives its parts and the whole without its joints: EIP-1559 -> eip1559, eip, 1559.
    An identifier gives the forms that people write it in: Lei 8.112/90 -> lei, 8112, 8112/1990, 1990, 90.

    >>> terms("As universidades públicas", "pt"), terms("EIP-1559", "en")
    (['univers', 'public'], ['eip1559', 'eip', '1559'])
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.translate(_DROPPED))
    analyse = _ANALYSERS[analyzer, language if language in _STEMMERS else "und"]
    if analyzer == ANALYZERS[0]:
        return list(chain.from_iterable(map(analyse, _WORD.findall(text))))
    text = _NUMBER_SIGN.sub(" ", text)
    found: list[str] = []
    done = 0
    for start, end, names in identifiers(text):
        found += chain(chain.from_iterable(map(analyse, _WORD.findall(text[done:start]))), names)
        done = end
    return [*found, *chain.from_iterable(map(analyse, _WORD.findall(text[done:])))]


class _Dialect(NamedTuple):
    """How the words of a language become terms. stem: of a plain word in lower case, without accents."""

    language: str
    stem: Callable[[str], str]


def _analyse(dialects: tuple[_Dialect, ...], word: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(chain.from_iterable(_terms_of_word(word, dialect) for dialect in dialects)))


def _terms_of_word(word: str, dialect: _Dialect) -> Iterable[str]:
    """Terms of one word as `_WORD` finds it."""
    lower = word.lower().replace("’", "'")
    if lower in _STOPS[dialect.language]:
        return []
    parts = [p for p in _JOINT.split(_ungrouped(lower)) if p]
    if parts == [lower]:
        parts = _humps(word, lower)
    if len(parts) == 1:
        return _terms_of_part(parts[0], dialect)
    return _terms_of_compound(lower, parts, dialect)


def _ungrouped(number: str) -> str:
    """1.234,56 and 1,234.56 without the marks of thousands; any other word as it is."""
    match = _GROUPED.fullmatch(number)
    return match[1] + match[2].replace(match[3], "") + match[4] if match else number


def _humps(word: str, lower: str) -> list[str]:
    """Parts of a camelCase name; an ordinary word is one part."""
    if word[1:].islower() or word.isupper():
        return [lower]
    return [part.lower() for part in _HUMP.split(word)]


def _terms_of_compound(word: str, parts: list[str], dialect: _Dialect) -> Iterable[str]:
    """The whole without its joints, then the parts; a verb with its pronouns gives the verb."""
    verb = _CLITIC.fullmatch(word) if dialect.language == "pt" else None
    if verb is not None:
        return _terms_of_part(_infinitive(verb[1], word), dialect)
    parts = [p for p in parts if len(p) > 1 or p.isdigit()]
    if "'" in word and len(parts) < 2:  # John's, d'água
        return chain.from_iterable(_terms_of_part(p, dialect) for p in parts)
    whole = _terms_of_part("".join(parts) if "'" in word else _JOINT.sub("", word), dialect)
    rest = (_terms_of_part(p, dialect) for p in parts if p not in _STOPS[dialect.language])
    return dict.fromkeys(chain(whole, chain.from_iterable(rest)))


def _infinitive(stem: str, word: str) -> str:
    """fazê of fazê-lo is fazer; other verb forms stay."""
    if word[len(stem) : len(stem) + 2] == "-l" and stem[-1] in _INFINITIVE:
        return stem[:-1] + _INFINITIVE[stem[-1]]
    return stem


def _terms_of_part(part: str, dialect: _Dialect) -> list[str]:
    """The stem of a plain word; of an ordinal, the number too."""
    part = part[:_LONG_WORD]
    if part[0].isdigit():
        ordinal = _ORDINAL.fullmatch(part)
        return [ordinal[1]] if ordinal else [part]
    return [] if part in _STOPS[dialect.language] else [dialect.stem(part)]


def _snowball(language: str, word: str) -> str:
    with _lock:
        return fold(_STEMMERS[language].stemWord(word))


def _snowball_unaccented(word: str) -> str:
    """The Portuguese stem, with its accents or without: educação, educacao -> educ."""
    return _snowball("pt", _CLOSING.sub(_accented, _ABBREVIATED.get(word, word)) if word.isascii() else word)


def _accented(closing: re.Match[str]) -> str:
    return _ACCENTED[closing[0]]


_EN = _Dialect("en", partial(_snowball, "en"))
_PT = {"snowball-1": _Dialect("pt", partial(_snowball, "pt")), "snowball-2": _Dialect("pt", _snowball_unaccented)}
_ANALYSERS = {
    (analyzer, language): lru_cache(maxsize=200_000)(partial(_analyse, dialects))
    for analyzer in ANALYZERS
    for language, dialects in (("pt", (_PT[analyzer],)), ("en", (_EN,)), ("und", (_EN, _PT[analyzer])))
}
