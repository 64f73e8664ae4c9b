"""The programs of llama.cpp: which of them a path means, and how one is run so that it never outlives us."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import IO, Final

from local_models.errors import ModelUnavailable, SettingsError
from local_models.interface.messages import _

SERVER: Final = "llama-server"
SIMPLE: Final = "llama-simple"
# ends the program when this process is gone, however it ended: the pipe closes then
_GUARD = """
import os, subprocess, sys, threading
program = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
def end():
    sys.stdin.buffer.read()
    program.terminate()
    try:
        program.wait(10)
    except subprocess.TimeoutExpired:
        program.kill()
threading.Thread(target=end, daemon=True).start()
code = program.wait()
os._exit(code if code >= 0 else 128 - code)
"""


def find_program(path: Path) -> Path:
    """What runs a GGUF file: llama-server at the path, beside it or below it, else llama-simple. Raises SettingsError.

    The server is preferred: it keeps the model loaded, and its prompts are not among a program's arguments.
    """
    if not path.is_file():
        folders = (path, path / "bin", path / "build" / "bin")
        places = [folder / name for name in (SERVER, SIMPLE) for folder in folders]
    elif is_simple(path):
        places = [path.with_stem(SERVER), path]
    elif path.stem in ("llama-cli", "main"):  # a conversation with a person
        places = [path.with_stem(SERVER), path.with_stem(SIMPLE)]
    else:
        places = [path]
    for place in places:
        if place.is_file():
            return place
    raise SettingsError(
        _("there is no {program} at {path}").format(program=f"{SERVER} / {SIMPLE}", path=path),
        hint=_("set LLAMA_CPP_PATH to llama.cpp's llama-server, or to the folder that holds it"),
    )


def is_simple(program: Path) -> bool:
    """Whether a program is llama-simple, which writes one text and ends."""
    return program.stem.startswith(SIMPLE)


def guarded(command: list[str], log: IO[bytes], *, read: bool = False) -> subprocess.Popen[bytes]:
    """A program started under a guard that ends it with this process, or once its own stdin is closed.

    read: what it prints comes by `stdout`, and what it complains of goes to the log; else both go there.
    """
    guard = [sys.executable, "-I", "-S", "-c", _GUARD]
    printed = subprocess.PIPE if read else log
    # a session of its own: Ctrl-C in a terminal or notebook stops a text, not the model
    apart = sys.platform != "win32"
    said = [word.encode() for word in command] if sys.platform != "win32" else command  # in any locale
    try:
        return subprocess.Popen(
            [*guard, *said], stdin=subprocess.PIPE, stdout=printed, stderr=log, start_new_session=apart
        )
    except (OSError, ValueError) as error:
        raise ModelUnavailable(
            _("{program} cannot be started: {error}").format(program=command[0], error=error)
        ) from error


def last_line(log: IO[bytes]) -> str:
    """The last line of what a program said, shortened."""
    log.seek(0)
    said = log.read()[-2000:].decode("utf-8", "replace").strip().splitlines()
    return said[-1][:200] if said else "-"
