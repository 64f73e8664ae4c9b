"""Results on standard output; errors, hints and progress on standard error."""

from __future__ import annotations

import os
import sys
import traceback
from argparse import Namespace
from io import TextIOWrapper

from qrag_lib.cli.exits import Exit, exit_of
from qrag_lib.errors import NothingRead, QragError
from qrag_lib.i18n import _
from qrag_lib.settings import wants_style
from qrag_lib.show import answer_text, dumps, line, plain, search_command
from qrag_lib.types import Answer


def speak_utf8() -> None:
    """Write UTF-8 whatever the locale says; what cannot be written comes out as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def result(value: object, options: Namespace) -> None:
    """The value: one JSON document for a program, its text for people."""
    if value is not None:
        sys.stdout.write((dumps(value) if options.json else _text(value, options).rstrip()) + "\n")
        sys.stdout.flush()


def failed(error: QragError, options: Namespace) -> int:
    """One line and the hint; the traceback only with --debug. What was done until then comes first."""
    if isinstance(error, NothingRead) and not options.json:
        result(error.report, options)
    return _report(error, line(error.message), line(error.hint or ""), options)


def broke(error: Exception, options: Namespace) -> int:
    """An error that nobody foresaw: its kind and message, and how to see more."""
    message = f"{type(error).__name__}: {error}"
    return _report(error, line(message), _("run the command again with --debug to see where"), options)


def remark(text: str) -> None:
    """A line for whoever waits."""
    sys.stderr.write(line(text) + "\n")
    sys.stderr.flush()


def reader_left() -> int:
    """Nothing: the other end of the pipe is closed, and Python must not complain about it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Exit.READER_LEFT


def _text(value: object, options: Namespace) -> str:
    """The text for people: an answer in bold where the terminal knows it, and with a next step that works here."""
    if not isinstance(value, Answer):
        return plain(value)
    repeated = ["--workspace", options.workspace] if options.workspace else []
    return answer_text(value, bold=_knows_bold(), onward=plain(search_command(value.question, repeated)))


def _knows_bold() -> bool:
    return sys.stdout.isatty() and wants_style()


def _report(error: Exception, message: str, hint: str, options: Namespace) -> int:
    code = exit_of(error)
    if options.debug:
        sys.stderr.write(plain("".join(traceback.format_exception(error))))
    else:
        sys.stderr.write(f"qrag: {message}\n" + (f"→ {hint}\n" if hint else ""))
    if options.json:
        told = {"error": type(error).__name__, "message": message, "hint": hint, "exit": int(code)}
        told |= {"report": error.report} if isinstance(error, NothingRead) else {}
        sys.stdout.write(dumps(told) + "\n")
    return code
