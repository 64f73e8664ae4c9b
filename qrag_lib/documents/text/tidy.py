"""Text as it is stored: composed, without what nobody sees, and always encodable as UTF-8."""

from __future__ import annotations

import re
import unicodedata

_LIGATURES = {0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl", 0xFB05: "st", 0xFB06: "st"}
_SPACES = [0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000]
_BREAKS = [0x0B, 0x0C, 0x1C, 0x1D, 0x1E, 0x85, 0x2028, 0x2029]
# Controls, soft hyphen, zero-width space, word joiner, byte order mark and the marks that turn the
# writing direction: none of them is seen. The joiners U+200C and U+200D stay: emoji and Persian need them.
_UNSEEN = [
    *(c for c in range(0x20) if c not in (0x09, 0x0A)),
    *range(0x7F, 0xA0),
    0xAD,
    0x200B,
    0x2060,
    0xFEFF,
    0xFFFE,
    0xFFFF,
    *range(0x202A, 0x202F),
    *range(0x2066, 0x206A),
]
# Bullets of the Symbol and Wingdings fonts, which arrive in the private use area.
_BULLETS = [0xF0B7, 0xF0A7, 0xF0D8, 0xF0FC]
_TABLE: dict[int, str | None] = {
    **dict.fromkeys(_UNSEEN),
    **dict.fromkeys(_BREAKS, "\n"),
    **dict.fromkeys(_SPACES, " "),
    **dict.fromkeys(_BULLETS, "•"),
    **_LIGATURES,
}
_SPECIAL = re.compile("[" + "".join(re.escape(chr(c)) for c in _TABLE) + "]")
# Only the start of a run of spaces is tried: a megabyte of them takes no longer than of letters.
_TRAILING = re.compile(r"(?<![ \t])[ \t]++(?=\n)")
_BLANKS = re.compile(r"\n{3,}")
_SURROGATE = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """The same text in NFC, with `\\n` line ends, plain spaces and no invisible characters.

    Ligatures become letters, at most one blank line follows another, and lone surrogates become
    U+FFFD, so that the result can always be written. Nothing else changes: m² stays m².

    >>> clean("e\\ufb01caz\\xad \\r\\n\\r\\n\\r\\n\\r\\nm²\\x00")
    'eficaz\\n\\nm²'
    """
    text = _TRAILING.sub("", unseen(text))
    return _BLANKS.sub("\n\n", text).lstrip("\n").rstrip()


def unseen(text: str) -> str:
    """The text without what nobody sees; lines and their indents stay as they are."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if _SURROGATE.search(text):
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if _SPECIAL.search(text):
        text = text.translate(_TABLE)
    return unicodedata.normalize("NFC", text)


def squeeze(text: str) -> str:
    """One line: every run of white space is one space.

    >>> squeeze("  a \\n b")
    'a b'
    """
    return " ".join(text.split())
