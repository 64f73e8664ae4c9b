"""Whether a full stop ends a sentence: abbreviations, initials, ordinals, ellipses."""

from __future__ import annotations

import re

from qrag_lib.language.stopwords import ENGLISH, PORTUGUESE, PORTUGUESE_AUXILIARIES, listed

# Before a name or a thing that they announce: never the last word of a sentence.
_ANNOUNCING = listed(
    """
    sr sra srs sras srta dr dra drs dras prof profa profs exmo exma ilmo ilma revmo dom eng engª arq adv dep sen min des
    pres gov cel cap ten sgt gen maj alm ver st sta sto fr pe pde me mma
    av trav pça pc rod estr jd vl qd ed edif
    mr mrs ms messrs mx mme mlle rev hon gen col lt sgt capt cmdr adm maj pvt rep sen gov supt det insp
    vs cf eg ie e.g i.e p.ex ex viz ca approx aprox tel fax obs ref refs
    """
)
# Before a number (or a letter, a Roman numeral, a mark); elsewhere an ordinary word or end.
_NUMBERED = listed(
    """
    art arts artt inc incs al alín par § n nº no nos nr nrs num núm nums p pp pg pgs pág págs fl fls f ff séc sécs
    cap caps vol vols tit tít sec seç seção fig figs tab tabs eq eqs ed eds ch chap chs sect secs para paras pt pts
    app apênd ex exs ver op cit cód dec res port proc ac rel lin col cols jan fev mar abr mai jun jul ago set out nov
    dez feb apr may aug sept oct dec ano
    """
)
# May stand inside or at the end: an end only if what follows begins like a sentence.
_EITHER = listed(
    """
    exa exas exª excia mag magª emª s.a s.as ltda cia inc ltd co corp bros jr sr jun sen filho etc al dept univ assn
    u.s u.k u.n e.u.a eua d.c a.c d.c a.m p.m ph.d m.sc b.sc m.a b.a n.y l.a st rd ave blvd
    """
)
_LONGEST_PART = 40  # characters
_TOKEN_WINDOW = 24  # characters; longer words are no abbreviations
_TOKEN = re.compile(r"[^\s(\[{\"'“”‘’«»/—–*_`~]+\Z")
_NEXT = re.compile(r"[\s\"'“”‘’«»(\[{*_`¿¡—–•\-]{0,40}([^\W\d_]+|\d|\S)?([.\s]?)\s?(\w?)")
_ROMAN_OR_LETTER = re.compile(r"(?:[IVXLCDM]+|[A-Za-z])\Z")
# Names a part of a text and goes on with what it says: "**Art. 12.** A multa", "Parágrafo único. O entulho".
_PART = re.compile(
    r"[\W_]*(?:art(?:igo|icle|s)?\b\.?|§{1,2}|par[áa]grafo|cl[áa]usula|section|clause)\W{0,4}(?:[úu]nic[oa]"
    r"|\d[\d.]{0,8}[ºª°]?(?:-[A-Z])?|[IVXLC]{1,7}|(?:primeir|segund|terceir|quart|quint|sext|sétim|oitav|non|décim)[oa])"
    r"\W{0,3}\Z",
    re.IGNORECASE,
)
_PORTUGUESE = PORTUGUESE | PORTUGUESE_AUXILIARIES
_STARTERS = {"pt": _PORTUGUESE, "en": ENGLISH, "und": _PORTUGUESE | ENGLISH}


def ends_sentence(text: str, start: int, stop: int, after: int, end: int, language: str, lower_case: bool) -> bool:
    """True where the stop at `stop`, with what closes it up to `after`, ends a sentence.

    start, end: the sentence begun, and its block. lower_case: the block has no capitals.
    """
    if text[stop] in "。！？":
        return True
    following = _NEXT.match(text, after, end)
    assert following is not None  # every part of the expression may be empty
    word = following[1] or ""
    goes_on = word[:1].islower() and not lower_case
    if text[stop] != "." or text[stop + 1 : stop + 2] in (".", "!", "?"):
        return not goes_on
    token = _token(text, start, stop)
    if stop - start < _LONGEST_PART and _PART.match(text, start, stop):
        return False
    if not token or goes_on:
        return not goes_on and bool(text[start:stop].strip())
    return _ends_after(token, word, following, language, first=stop - len(token) <= start)


def _token(text: str, start: int, stop: int) -> str:
    """The word before the stop, with the points inside it."""
    match = _TOKEN.search(text[max(start, stop - _TOKEN_WINDOW) : stop])
    return match[0] if match else ""


def _ends_after(token: str, word: str, following: re.Match[str], language: str, *, first: bool) -> bool:
    """The decision for a single full stop after `token`, before the capitalised `word`."""
    key = token.lower()
    if first and (token.isdigit() or _ROMAN_OR_LETTER.match(token)):
        return False  # 3. Item, IV. Title
    starts = _begins_sentence(word, following, language)
    if key in _EITHER and key not in _ANNOUNCING:
        return starts or key == "etc"
    if key in _ANNOUNCING:
        return False
    if key in _NUMBERED:
        return not (word[:1].isdigit() or word[:1] in "§nN" or _ROMAN_OR_LETTER.match(word) is not None)
    if len(token) == 1 and token.isalpha():
        return starts
    if "." in token and all(len(part) < 3 and part.isalpha() for part in token.split(".")):
        return starts
    return True


def _begins_sentence(word: str, following: re.Match[str], language: str) -> bool:
    """True where a capitalised word is one that sentences begin with: a function word, not an initial."""
    lower = word.lower()
    if lower not in _STARTERS.get(language, _STARTERS["und"]):
        return not word[:1].isalnum()
    return len(word) > 1 or (following[2].isspace() and following[3].islower())
