"""Which language a text is in, by its function words, endings and letters."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

from qrag_lib.language.stopwords import ENGLISH, PORTUGUESE, PORTUGUESE_AUXILIARIES, listed

Language = Literal["pt", "en", "und"]
LANGUAGES: tuple[Language, ...] = ("pt", "en", "und")

# Function words of the neighbours of Portuguese and English, so that their texts are "und":
# Spanish, French, Italian, German, Dutch.
_FOREIGN = listed(
    """
    el los las y en del una unas con por pero lo su sus muy más está están fue son hay cuando donde quién qué cuál cómo
    también le les des du et est une dans pour qui sur pas plus au aux ce cette ces avec sont mais où leur nous vous
    elle il gli di che è per della dei delle nel nella alla sono anche come più questo quale chi
    der die das und ist nicht mit von den dem ein eine auf für sich im zu auch als wer wie oder wird sind
    het een van op zijn niet voor met aan ook naar werd
    """
)
# Words that neighbours share with Portuguese and English.
_SHARED_ABROAD = listed("de que a se no para como o e me te in is was an on to as al or do os esta este son")
_ARTICLES_ABROAD = {"la", "lo", "las", "los", "per"}
_PORTUGUESE = (PORTUGUESE | PORTUGUESE_AUXILIARIES) - _ARTICLES_ABROAD
# Verbs that questions begin with.
_ASKING = {
    "pt": listed("cite liste descreva explique defina resuma diga dê mostre encontre compare indique informe"),
    "en": listed("name list describe explain define summarize summarise tell show give find compare state"),
}
_SHARED = 0.5  # weight of a word that two languages share ("do", "as", "no", "me")
_ABROAD = 0.35  # the same for the neighbour: fewer texts are in its language
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_PT_ENDING = re.compile(r"(?:ção|ções|ão|ões|ãe|ães|inho|inha|eiro|eira|agem|ável|ível|mente|idade|ência|ância)$")
_EN_ENDING = re.compile(r"(?:ing|tions?|ness|ship|ful|less|ght|ally|ous|ck|wn|th|ly|ed)$")
_FOREIGN_ENDING = re.compile(r"(?:ción|ciones|dad|zione|zioni|ità|eux|ment|ung|ungen|keit|heit|lich|chen)$")
_PT_WEAK = re.compile(r"(?:[oa]s?|[aei]r|ou|[aei]m|iu|il)$")
_EN_WEAK = re.compile(r"(?:[bcdfgkptvwyx]|[^aeiou]s|ll|[bcdfghklmnprstvw]e|er)$")
_PT_LETTERS = frozenset("ãõçáéíóúâêôà")
_PT_ONLY_LETTERS = frozenset("ãõ")
_FOREIGN_LETTERS = frozenset("ñ¿¡äöüßøåæœèìòùëïîûÿ")
_SAMPLE = 250  # characters looked at in each of three places of a long text
_SURE = 0.75  # evidence that a text needs; one unshared function word gives it
_CLEAR = 4.0  # evidence against a prior


def detect(text: str, prior: Language = "und") -> Language:
    """The language of the text: "pt", "en", or "und" for another one, code, numbers and the unclear.

    prior: what the text is expected to be in, as a part of a document is in the document's
    language; only clear evidence then says otherwise.

    >>> detect("Quem criou a lei?"), detect("who is the rector"), detect("x = 3.14")
    ('pt', 'en', 'und')
    """
    portuguese, english, foreign = _weigh(text)
    found: Language = "pt" if portuguese > english else "en"
    best, other = max(portuguese, english), max(min(portuguese, english), foreign)
    if prior == "und":
        return found if best >= _SURE and best > other else "und"
    return found if best >= _CLEAR and best > 2 * other else prior


def _weigh(text: str) -> tuple[float, float, float]:
    """Evidence in the text for Portuguese, English and another language."""
    portuguese = english = foreign = 0.0
    for word in _WORD.findall(_sample(text).lower()):
        weights = _evidence(word)
        if weights is not None:
            portuguese += weights[0]
            english += weights[1]
            foreign += weights[2]
    return portuguese, english, foreign


def _sample(text: str) -> str:
    """The text, or its beginning, middle and end where it is long."""
    if len(text) <= 3 * _SAMPLE:
        return text
    middle = (len(text) - _SAMPLE) // 2
    return "\n".join((text[:_SAMPLE], text[middle : middle + _SAMPLE], text[-_SAMPLE:]))


@lru_cache(maxsize=50_000)
def _evidence(word: str) -> tuple[float, float, float] | None:
    """What one word says for Portuguese, English and another language; None if nothing."""
    known = (
        word in _PORTUGUESE or word in _ASKING["pt"],
        word in ENGLISH or word in _ASKING["en"],
        word in _FOREIGN or word in _SHARED_ABROAD,
    )
    if any(known):
        weight, abroad = (1.0, 1.0) if sum(known) == 1 else (_SHARED, _ABROAD)
        portuguese, english, foreign = weight * known[0], weight * known[1], abroad * known[2]
    else:
        portuguese, english, foreign = _by_ending(word) if len(word) > 3 else (0.0, 0.0, 0.0)
    letters = frozenset(word)
    portuguese += 0.5 * bool(letters & _PT_LETTERS) + 0.5 * bool(letters & _PT_ONLY_LETTERS)
    foreign += 0.9 * bool(letters & _FOREIGN_LETTERS) + 0.5 * bool(max(word) > "\u024f")
    return (portuguese, english, foreign) if portuguese or english or foreign else None


def _by_ending(word: str) -> tuple[float, float, float]:
    """What the ending of a word says: the weak endings need three or four words to count."""
    if _FOREIGN_ENDING.search(word):
        return 0.0, 0.0, 0.6
    portuguese = 0.6 if _PT_ENDING.search(word) else 0.25 * bool(_PT_WEAK.search(word))
    english = 0.5 if _EN_ENDING.search(word) else 0.25 * bool(_EN_WEAK.search(word))
    return portuguese, english, 0.0
