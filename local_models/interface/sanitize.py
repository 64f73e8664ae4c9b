"""Text made harmless: what a terminal or a browser would obey becomes visible instead."""

from __future__ import annotations

import html
import re

# C0 but tab and line feed, DEL and C1; bidi controls; line and paragraph separators; BOM and interlinear
# marks; lone surrogates; tag characters. The zero-width joiners stay: emoji and Indic scripts need them.
OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def plain(text: object) -> str:
    """The text with every character that a screen would obey made visible; line breaks and tabs stay.

    >>> plain("a\\x1b[2Jb\\u202e")
    'a␛[2Jb⟨U+202E⟩'
    """
    return OBEYED.sub(_visible, str(text).replace("\r\n", "\n"))


def line(text: object) -> str:
    """The text on one line: what `plain` gives, with white space folded; for names and titles.

    >>> line("report\\n2024.pdf")
    'report␊2024.pdf'
    """
    return " ".join(plain(str(text).replace("\n", "\u240a")).split())


def escape(text: object) -> str:
    """The text as HTML that shows it and does nothing else.

    >>> escape("<img src=x onerror='alert(1)'>")
    '&lt;img src=x onerror=&#x27;alert(1)&#x27;&gt;'
    """
    return html.escape(plain(text), quote=True)


def excerpt(text: str, limit: int = 300) -> str:
    """The beginning of a text on one line, cut at a word; `…` says that it was cut.

    >>> excerpt("one two three", 9)
    'one two…'
    """
    folded = " ".join(plain(text[: 4 * limit]).split())
    if len(folded) <= limit and len(text) <= 4 * limit:
        return folded
    return folded[:limit].rsplit(" ", 1)[0].rstrip(",;:.· ") + "…"


def _visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"⟨U+{code:04X}⟩"
