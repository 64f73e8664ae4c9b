"""The next step after a refusal, where the reader that refused knows no better one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from qrag_lib.errors import DocumentRefused
from qrag_lib.i18n import _
from qrag_lib.types import Refusal


def next_step(reason: str) -> str:
    """What a person can do about a file refused for this reason.

    >>> next_step("empty")
    'remove it, or write something into it'
    """
    steps = {
        "empty": _("remove it, or write something into it"),
        "encrypted": _("remove the password, save it and ingest it again"),
        "no_text": _("recognise its text first, for example with `ocrmypdf in.pdf out.pdf`"),
        "unsupported": _("save it as PDF, HTML, Markdown or plain text"),
        "binary": _("convert it to a document with text, or remove it"),
        "bomb": _("do not open it if it came from a stranger; if it is yours, save it again"),
        "too_large": _("split the file, or raise the limit"),
        "too_slow": _("split the file, or raise the limit of seconds"),
        "too_much_memory": _("split the file, or raise the limit of memory"),
        "unreadable": _("check the path and the permissions"),
        "not_a_file": _("ingest the file itself"),
    }
    return steps.get(reason, _("get the file again, or open it in its program and save it"))


@contextmanager
def hinted() -> Iterator[None]:
    """A refusal that passes through and names no next step gets the one of its reason."""
    try:
        yield
    except DocumentRefused as refused:
        if refused.hint:
            raise
        raise DocumentRefused(refused.reason, refused.message, hint=next_step(refused.reason)) from refused


def refusal_of(name: str, refused: DocumentRefused) -> Refusal:
    """The refusal as a value that can be listed."""
    return Refusal(name, refused.reason, refused.message, refused.hint or next_step(refused.reason))
