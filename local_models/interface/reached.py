"""How the command `qrag` is reached in this installation."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import sysconfig
from functools import lru_cache
from pathlib import Path

_COMMAND = re.compile(r"(?<![\w./-])qrag(?= [A-Za-z-])")


def as_reached(text: str) -> str:
    """The text of the program with every `qrag VERB` in it as it must be typed here.

    Only for texts of our own: what a document says is never changed.
    """
    return _COMMAND.sub(lambda _match: command(), text) if "qrag " in text else text


def command() -> str:
    """`qrag` where the shell finds this installation by that name, else the path to it, else `python -m qrag_lib`."""
    script = _script()
    if script is None:
        return f"{_typed(sys.executable)} -m qrag_lib"
    return "qrag" if _found(script) else _typed(script)


@lru_cache(maxsize=1)
def _script() -> str | None:
    """The program `qrag` beside this Python, or the one that was started."""
    beside = shutil.which("qrag", path=sysconfig.get_path("scripts"))
    started = Path(sys.argv[0] if sys.argv else "")
    return beside or (str(started.absolute()) if started.stem == "qrag" and started.is_file() else None)


def _found(script: str) -> bool:
    """Whether the shell finds that program by its name."""
    named = shutil.which("qrag")
    return named is not None and os.path.realpath(named) == os.path.realpath(script)


def _typed(program: str) -> str:
    """The path of a program as one types it: from the current folder where it lies below that."""
    return shlex.quote(program.removeprefix(f"{Path.cwd()}{os.sep}"))
