"""A quote as a person reads it: without the marks of Markdown and HTML, every word and digit in its place.

The exact quote stays what can be checked in the document; this is only how it is shown. A rule
says what is cut out of a text or put in the place of marks; `clean_spans` says where each
character came from, so that a stretch of the quote can be found in its clean form.
"""

from __future__ import annotations

import html
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Final

from qrag_lib.language.stopwords import listed

Edit = tuple[int, int, str]  # from, to, what stands there instead
Rule = Callable[[str], Iterator[Edit]]

_BEFORE: Final = "x: "  # stands before a cell while it is cleaned
_PASSES: Final = 4  # marks within marks; what is still moving after it is no document but an attack
# Held back while marks are taken away, where they are no marks: characters that no text holds.
_HELD: Final = dict(zip("*_<>&\\[]|{}~#`", map(chr, range(0xFDD0, 0xFDE0)), strict=False))
_HOLD, _RELEASE = str.maketrans(_HELD), str.maketrans({held: mark for mark, held in _HELD.items()})
_MARKED = re.compile(r"[*_`<>&\[\]{}\\|~#\t\n\r\xad\u200b\u2060\ufeff\ufdd0-\ufdef]|^[^\w\"'“(]|\s\s|\s\Z")
_WORD = re.compile(r"\w")
_CODE = re.compile(r"(?<!`)(`{1,2}+)([^`]{1,300}+)\1(?!`)")
_HARMED = re.compile(r"[*_<&\[\\|{}>#]|[-+•–]\s")  # in code: perhaps taken for a mark by the rules below
_DUNDER = re.compile(r"(?<!\w)__[a-z][a-z0-9_]{0,40}__(?!\w)")
_NOT_EMPHASIS = re.compile(
    r"\*{1,3}(?=\.[\d*])|(?<=[\d*.]-)\*{2,3}|\*{1,2}(?=(?:kw)?args\b)|\*(?=\.[a-z]{1,5}\b)|\*\*(?=/)|\*{4,}|_{4,}"
    r"|(?<=[\w)])\*(?=[\w(])|(?<=\d)\*{2}(?=\w)|(?<=\w)\*{2}(?=\d)|(?<=\s)\*(?=\s+\S)"
)
_UNDERLINE = re.compile(r"(?<=[^\s_])_{1,3}(?![\w{(\\])|(?<!\w)_{1,3}(?=[^\s_])")
_BREAK = re.compile(r"(?<![^\W_])([^\W_]++)([-\u2010][ \t]*\n[ \t>]*)([^\W_]+)")
_SUPERSCRIPT = re.compile(r"<(su[pb])>\s?([0-9oaªº+-]{1,6})\s?</\1>", re.IGNORECASE)
_RAISED = {
    "sup": str.maketrans("0123456789+-oa", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ºª"),
    "sub": str.maketrans("0123456789+-", "₀₁₂₃₄₅₆₇₈₉₊₋"),
}
_CELL_END, _EDGE = re.compile(r"[ \t]?\|(?:[ \t]?\|)*[ \t]?"), re.compile(r"^\|[ \t]|[ \t]\|$")
_ENTITY = re.compile(r"&(?:amp;)*(?:#(?:\d{1,7}|x[0-9a-fA-F]{1,6})|[a-zA-Z][a-zA-Z0-9]{1,30});")
_SHOWN_TAG = re.compile(
    r"&(?:amp;)*lt;/?[a-zA-Z!][^&<>]{0,80}&(?:amp;)*gt;"
)  # writes about a tag, and means it to be seen
_FORMS = "a|abbr|b|big|cite|code|del|dfn|em|font|i|ins|kbd|mark|nobr|q|s|samp|small|span|strike|strong|sub|sup|tt|u|var"
_PLACES = (
    "blockquote|br|center|dd|details|div|dl|dt|figcaption|figure|h[1-6]|hr|img|li|ol|p|pre|section|summary|table"
    "|tbody|td|tfoot|th|thead|tr|ul"
)
# Before and after a hyphen at the end of a line that belongs to the word.
_FIRST_PARTS = listed(
    """
    ex vice pré pós pró recém além aquém bem mal sem não anti auto guarda bio sócio luso afro técnico político
    self well non co all half one two three high low long short post pre
    """
)
_CLITICS = listed("me te se lhe lhes nos vos lo la los las o a os as")


def clean(text: str) -> str:
    """The text on one line without marks of Markdown and HTML, hyphens of line ends and soft hyphens.

    Nothing else changes: words, digits and their order stay, `a * b`, `snake_case` and `<name>` too.
    Cells of a table row are parted by `·`. A clean text is its own clean form.

    >>> clean("- O **Art. 5º** (veja [a lei](lei.md)) dá trinta\\ndias de pra-\\nzo.[^1]")
    'O Art. 5º (veja a lei) dá trinta dias de prazo.'
    """
    return clean_spans(text)[0]


def clean_spans(text: str) -> tuple[str, list[int]]:
    """The clean text, and for each of its characters where in the original it comes from, ascending.

    >>> clean_spans("**a** b")
    ('a b', [2, 5, 6])
    """
    origins = list(range(len(text)))
    if not _MARKED.search(text):
        return text, origins
    for _pass in range(_PASSES):
        before = text
        for rule in _RULES:
            text, origins = _apply(rule, text, origins)
        text = text.translate(_RELEASE)
        if text == before:
            return text, origins
    for rule in _BLUNT:
        text, origins = _apply(rule, text, origins)
    return text, origins


def cell_spans(text: str) -> tuple[str, list[int]]:
    """What `clean_spans` gives, for a cell of a table: what it begins with marks no list, and signs alone stay.

    >>> cell_spans("- **5**")[0], cell_spans("#")[0]
    ('- 5', '#')
    """
    shown, origins = clean_spans(_BEFORE + text)
    first = bisect_left(origins, len(_BEFORE))
    if not shown[first:].strip() and not _WORD.search(text):
        return text, list(range(len(text)))
    return shown[first:], [origin - len(_BEFORE) for origin in origins[first:]]


def parted(text: str, start: int, end: int) -> tuple[str, str, str]:
    """The clean text in three parts: before, inside and after the stretch of the original; together `clean(text)`.

    >>> parted("O prazo é de **trinta** dias.", 13, 23)
    ('O prazo é de ', 'trinta', ' dias.')
    """
    shown, origins = clean_spans(text)
    left, right = bisect_left(origins, start), bisect_left(origins, end)
    inside = shown[left:right]
    left += len(inside) - len(inside.lstrip())
    right = max(left, right - (len(inside) - len(inside.rstrip())))
    return shown[:left], shown[left:right], shown[right:]


def _apply(rule: Rule, text: str, origins: list[int]) -> tuple[str, list[int]]:
    """The text after the rule's edits, which come in order, and where its characters come from."""
    parts: list[str] = []
    places: list[int] = []
    done = 0
    for start, end, new in rule(text):
        parts += (text[done:start], new)
        places += origins[done:start]
        places += [origins[min(start + i, end - 1)] for i in range(len(new))]
        done = end
    if not done:
        return text, origins
    return "".join([*parts, text[done:]]), places + origins[done:]


def _drop(pattern: str, new: str = "") -> Rule:
    """A rule: what matches goes."""
    expression = re.compile(pattern, re.MULTILINE | re.IGNORECASE)
    return lambda text: ((*match.span(), new) for match in expression.finditer(text))


def _unwrap(pattern: str) -> Rule:
    """A rule: of what matches only the first group stays."""
    expression = re.compile(pattern, re.MULTILINE | re.IGNORECASE)

    def edits(text: str) -> Iterator[Edit]:
        for match in expression.finditer(text):
            group = next(i for i, found in enumerate(match.groups(), 1) if found is not None)
            yield match.start(), match.start(group), ""
            yield match.end(group), match.end(), ""

    return edits


def _code(text: str) -> Iterator[Edit]:
    """Ticks go; where what they hold would be taken for marks, they stay and hold it back."""
    for match in _CODE.finditer(text):
        start, end = match.span(2)
        if _HARMED.search(match[2]) and clean(match[2]) != " ".join(match[2].split()):
            yield *match.span(), match[0].translate(_HOLD)
        else:
            yield match.start(), start, ""
            yield end, match.end(), ""


def _hold(expression: re.Pattern[str]) -> Rule:
    """A rule: what matches is held back until the end."""
    return lambda text: ((*match.span(), match[0].translate(_HOLD)) for match in expression.finditer(text))


def _raise(text: str) -> Iterator[Edit]:
    """Raised and lowered digits keep their place: 10² does not become 102."""
    for match in _SUPERSCRIPT.finditer(text):
        yield *match.span(), match[2].translate(_RAISED[match[1].lower()])


def _join(text: str) -> Iterator[Edit]:
    """Words and numbers cut at the end of a line are whole again."""
    for match in _BREAK.finditer(text):
        left, right = match[1].lower(), match[3]
        stays = not right[0].islower() or left[-1].isdigit() or left in _FIRST_PARTS or right in _CLITICS
        yield *match.span(2), "-" if stays or text[match.start() - 1 : match.start()] == "-" else ""


def _resolve(text: str) -> Iterator[Edit]:
    """Entities become their characters, but for those that nobody sees."""
    for match in _ENTITY.finditer(text):
        name = match[0].rpartition("&")[2].rpartition("amp;")[2] or "amp;"
        meant = html.unescape(f"&{name}")
        if len(meant) <= 2 and (meant.isprintable() or meant.isspace()):
            yield *match.span(), meant


def _underlines(text: str) -> Iterator[Edit]:
    """Emphasis by underscores; an identifier such as `_id` keeps its own."""
    found = list(_UNDERLINE.finditer(text))
    last = max((m.start() for m in found if m.start() and not text[m.start() - 1].isspace()), default=-1)
    for match in found:
        if match.start() <= last or not text[match.end()].islower():
            yield *match.span(), ""


def _rows(text: str) -> Iterator[Edit]:
    """Pipes of table rows: none at the edges, `·` between cells."""
    for line in re.finditer(r"[^\n]+", text):
        if "|" not in line[0]:
            continue
        row = line[0].strip().startswith("|") and line[0].count("|") > 1
        for match in (_CELL_END if row else _EDGE).finditer(line[0]):
            edge = match.start() == 0 or match.end() == len(line[0])
            yield line.start() + match.start(), line.start() + match.end(), "" if edge else " · "


_SPACES: Final = (_drop(r"\s{2,}|[^\S ]", " "), _drop(r"^ | \Z"))
_BULLETS: Final = _drop(
    r"^[ \t]*(?:(?:#{1,6}|[-*•▪◦‣·]|[+–](?![ \t]+\d)|/{3}|:{3}|!{3})(?:[ \t]+|$)|>+[ \t]*(?![\d\s=<]|R\$))+"
)
_RULES: Final[tuple[Rule, ...]] = (
    _drop(r"  +", " "),  # long runs first: no rule below is slow on them
    _drop(r" ?\t[ \t]*", "\t"),
    _drop("\xad[ \t]*\n[ \t]*(?=\\w)|[\xad\u200b\u2060\ufeff\ufdd0-\ufdef]"),
    _drop(r"^[ \t>]*(?:`{3,}+[ \t]*[\w+#.{}=\" -]{0,60}|~{3,}+[ \t]*)$"),
    _code,
    _hold(_DUNDER),
    _raise,
    _drop(r"<!--[^<]{0,1000}?-->"),
    _drop(rf"</?(?:{_FORMS})(?:\s[^<>]{{0,500}})?/?>"),
    _drop(rf"</?(?:{_PLACES})(?:\s[^<>]{{0,500}})?/?>", " "),
    _drop(r"</(?-i:[A-Z])\w{1,40}>|<(?-i:[A-Z])\w{1,40}\s[\w-]{1,40}=[^<>]{0,300}>"),  # components of MDX
    _unwrap(r"<((?:https?|ftp)://[^<>\s]{1,500}|[\w.+-]{1,60}@[\w.-]{1,100})>"),
    _drop(r"[ \t]?\[\^[\w-]{1,30}\]:?|(?<=[.,;:!?”\"»])\[\d{1,3}\]"),
    _unwrap(
        r"!?\[((?:[^\[\]]|\[[^\[\]]{0,100}\]){0,500})\]\([^()\s]{0,1000}(?:\([^()\s]{0,200}\)[^()\s]{0,200})?(?:\s[^()]{0,300})?\)"
    ),
    _unwrap(
        r"(?<![\w\]])!?\[(?!\d)([^\[\]]{1,500})\]\[[^\[\]]{0,100}\]|\[\[(?:[^\[\]|]{1,200}\|)?([^\[\]|]{1,300})\]\]"
    ),
    _drop(r"[ \t]*\{[ \t]*(?:[#:*%]|\.(?!\d))[^{}]{0,300}\}"),
    _drop(r"^[ \t>]*[-=*_~|:+ \t]{3,}$|[ \t]+#{2,6}[ \t]*$"),
    _BULLETS,
    _join,
    _unwrap(r"\\([*_`\[\]{}()#+!|<>~$\"'-])|(?<=\d)\\(\.)|\\()$"),
    _hold(_SHOWN_TAG),
    _resolve,
    _hold(_NOT_EMPHASIS),
    _drop(r"\*"),
    _underlines,
    _drop(r"`+"),
    _rows,
    _drop(r"(?<=[^\s.):;–-])[ ]*\t[ \t]*(?=\S)", " · "),
    *_SPACES,
)
_BLUNT: Final[tuple[Rule, ...]] = (
    _drop(r"[*_`<>&\[\]{}\\|~#/:!+\-=•▪◦‣·–\xad\u200b\u2060\ufeff\ufdd0-\ufdef]+", " "),
    *_SPACES,
)
