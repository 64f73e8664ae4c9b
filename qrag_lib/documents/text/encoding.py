"""Bytes to text: UTF-8, UTF-16, UTF-32, Windows-1252 and the two mixed in one file."""

from __future__ import annotations

import codecs

from qrag_lib.errors import DocumentRefused
from qrag_lib.i18n import _

_BOMS = [
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
]
_SAMPLE = 64 * 1024
_ENOUGH = 64  # letters from which another one-byte or Asian encoding can be told
_CONTROLS = bytes(c for c in range(0x20) if c not in b"\t\n\r\f\v\0\x1a\x1b") + b"\x7f"
# What charset-normalizer may answer; its other guesses on short texts are mostly wrong.
_OTHERS = ["cp1250", "cp1251", "koi8_r", "cp1253", "cp1254", "cp1255", "cp1256", "shift_jis", "euc_jp", "gb18030",
           "big5", "euc_kr"]  # fmt: skip


def decode(data: bytes) -> tuple[str, str]:
    """The text and the name of its encoding; `utf-8+cp1252` is a mixture.

    Raises DocumentRefused (binary) where the bytes are no text.

    >>> decode("ação".encode() + "ção".encode("latin-1"))
    ('açãoção', 'utf-8+cp1252')
    """
    encoding = _marked(data) or _wide(data)
    if encoding:
        return data.decode(encoding, "replace"), encoding
    check_text(data)
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        return _mixed(data)


def _marked(data: bytes) -> str:
    return next((name for mark, name in _BOMS if data.startswith(mark)), "")


def _wide(data: bytes) -> str:
    """UTF-16 without a mark: in text of the West every other byte is zero."""
    sample = data[:_SAMPLE]
    half = len(sample) // 2
    if half < 2 or len(data) % 2:
        return ""
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if odd > 0.4 * half and even < 0.02 * half:
        return "utf-16-le"
    return "utf-16-be" if even > 0.4 * half and odd < 0.02 * half else ""


def check_text(data: bytes) -> None:
    """Refuse bytes that are no text: zeros, control characters, EBCDIC."""
    sample = data[:_SAMPLE]
    controls = len(sample) - len(sample.translate(None, _CONTROLS))
    if controls > 0.01 * len(sample) or sample.count(0) > 0.3 * len(sample):
        raise _binary(_("{n} of the first {total} bytes are control characters").format(n=controls, total=len(sample)))
    if sample.count(0x40) > 0.08 * len(sample) and sample.count(0x20) < 0.01 * len(sample):
        raise _binary(_("it looks like EBCDIC, the encoding of mainframes"))


def _binary(why: str) -> DocumentRefused:
    return DocumentRefused(
        "binary",
        _("the content is not text: {why}").format(why=why),
        hint=_("save it as UTF-8 text, or remove it from the folder"),
    )


def _mixed(data: bytes) -> tuple[str, str]:
    valid = _high_bytes(data.decode("utf-8", "ignore").encode())
    if valid > 0.05 * _high_bytes(data):
        return data.decode("utf-8", "qrag-cp1252"), "utf-8+cp1252"
    return _single_byte(data)


def _high_bytes(data: bytes) -> int:
    return len(data) - len(data.translate(None, bytes(range(128, 256))))


def _single_byte(data: bytes) -> tuple[str, str]:
    text = data.decode("cp1252", "qrag-cp1252")
    sample = text[:_SAMPLE]
    letters = sum(c.isalpha() for c in sample)
    foreign = sum(c.isalpha() and not c.isascii() for c in sample)
    if foreign <= 0.4 * letters or letters < _ENOUGH:
        return text, "cp1252"
    from charset_normalizer import from_bytes

    best = from_bytes(data[:_SAMPLE], cp_isolation=_OTHERS).best()
    return (data.decode(best.encoding, "replace"), best.encoding) if best else (text, "cp1252")


def _as_cp1252(error: UnicodeError) -> tuple[str, int]:
    """Error handler: a stray byte is Windows-1252 (or Latin-1), an encoded surrogate is U+FFFD."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    stray = error.object[error.start : error.start + 3]
    if len(stray) == 3 and stray[0] == 0xED and 0xA0 <= stray[1] <= 0xBF and 0x80 <= stray[2] <= 0xBF:
        return "\ufffd", error.start + 3
    byte = stray[:1]
    return _CP1252.get(byte[0], byte.decode("latin-1")), error.start + 1


_CP1252 = {c: bytes([c]).decode("cp1252") for c in range(256) if c not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)}
codecs.register_error("qrag-cp1252", _as_cp1252)
