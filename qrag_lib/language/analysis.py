"""Words, and the index terms that full-text search matches."""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import chain

import Stemmer

from qrag_lib.language.stopwords import STOP_WORDS

ANALYZER = "snowball-1"

# A word with what is joined to it inside: d'água, fazê-lo, 1.234,56, T1437.001, os.environ, base_fee, a@b.org
_WORD = re.compile(r"[^\W_]++(?:[._\-'’,:@&]{1,2}[^\W_]++){0,20}+(?:\+\+|#(?!\w))?")
_JOINT = re.compile(r"[^\w+#]+|_+")
_HUMP = re.compile(r"(?<=[a-zà-öø-ÿ])(?=[A-ZÀ-Þ])")
_ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th|os?|as?)")
_CLITIC = re.compile(r"(\w+?)(?:-(?:me|te|se|nos|vos|lhes?|l?[oa]s?|n[oa]s?))+")
_GROUPED = re.compile(r"(\d{1,3})((?:([.,])\d{3})(?:\3\d{3})*)((?:[.,]\d{1,2})?)")
_LONG_WORD = 64  # characters; what is longer (base64, hashes) is kept by its beginning
_DROPPED = dict.fromkeys(map(ord, "ºª\u00ad\u200b\u200c\u200d\u2060\ufeff"))  # 5º is found by 5; invisible joiners
_INFINITIVE = {"á": "ar", "ê": "er", "é": "er", "í": "ir", "ô": "or"}  # fazê-lo is fazer + o
_lock = threading.Lock()  # a Stemmer is not for two threads at once
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


def terms(text: str, language: str = "und") -> list[str]:
    """Index terms in the order of the text: stop words dropped, stemmed, lower case, without accents.

    language: "pt" or "en"; any other gives the terms of both stemmers, to match either.
    A compound gives its parts and the whole without its joints: EIP-1559 -> eip1559, eip, 1559.

    >>> terms("As universidades públicas", "pt"), terms("EIP-1559", "en")
    (['univers', 'public'], ['eip1559', 'eip', '1559'])
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.translate(_DROPPED))
    analyse = _ANALYSERS.get(language, _analyse_und)
    return list(chain.from_iterable(map(analyse, _WORD.findall(text))))


@lru_cache(maxsize=200_000)
def _analyse_pt(word: str) -> tuple[str, ...]:
    return tuple(_terms_of_word(word, "pt"))


@lru_cache(maxsize=200_000)
def _analyse_en(word: str) -> tuple[str, ...]:
    return tuple(_terms_of_word(word, "en"))


@lru_cache(maxsize=200_000)
def _analyse_und(word: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(chain(_terms_of_word(word, "en"), _terms_of_word(word, "pt"))))


_ANALYSERS = {"pt": _analyse_pt, "en": _analyse_en}


def _terms_of_word(word: str, language: str) -> Iterable[str]:
    """Terms of one word as `_WORD` finds it."""
    lower = word.lower().replace("’", "'")
    if lower in _STOPS[language]:
        return []
    parts = [p for p in _JOINT.split(_ungrouped(lower)) if p]
    if parts == [lower]:
        parts = _humps(word, lower)
    if len(parts) == 1:
        return _terms_of_part(parts[0], language)
    return _terms_of_compound(lower, parts, language)


def _ungrouped(number: str) -> str:
    """1.234,56 and 1,234.56 without the marks of thousands; any other word as it is."""
    match = _GROUPED.fullmatch(number)
    return match[1] + match[2].replace(match[3], "") + match[4] if match else number


def _humps(word: str, lower: str) -> list[str]:
    """Parts of a camelCase name; an ordinary word is one part."""
    if word[1:].islower() or word.isupper():
        return [lower]
    return [part.lower() for part in _HUMP.split(word)]


def _terms_of_compound(word: str, parts: list[str], language: str) -> Iterable[str]:
    """The whole without its joints, then the parts; a verb with its pronouns gives the verb."""
    verb = _CLITIC.fullmatch(word) if language == "pt" else None
    if verb is not None:
        return _terms_of_part(_infinitive(verb[1], word), language)
    parts = [p for p in parts if len(p) > 1 or p.isdigit()]
    if "'" in word and len(parts) < 2:  # John's, d'água
        return chain.from_iterable(_terms_of_part(p, language) for p in parts)
    whole = _terms_of_part("".join(parts) if "'" in word else _JOINT.sub("", word), language)
    rest = (_terms_of_part(p, language) for p in parts if p not in _STOPS[language])
    return dict.fromkeys(chain(whole, chain.from_iterable(rest)))


def _infinitive(stem: str, word: str) -> str:
    """fazê of fazê-lo is fazer; other verb forms stay."""
    if word[len(stem) : len(stem) + 2] == "-l" and stem[-1] in _INFINITIVE:
        return stem[:-1] + _INFINITIVE[stem[-1]]
    return stem


def _terms_of_part(part: str, language: str) -> list[str]:
    """The stem of a plain word; of an ordinal, the number too."""
    part = part[:_LONG_WORD]
    if part[0].isdigit():
        ordinal = _ORDINAL.fullmatch(part)
        return [ordinal[1]] if ordinal else [part]
    if part in _STOPS[language]:
        return []
    with _lock:
        return [fold(_STEMMERS[language].stemWord(part))]
