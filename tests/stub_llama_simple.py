"""Stands for llama.cpp's llama-simple: prints the prompt, then a text by and by, and on stderr what it counted."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from stub_openai import WORDS


def make_program(folder: Path) -> Path:
    """A program llama-simple in a folder."""
    path = folder / "llama-simple"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "$@"\n')
    path.chmod(0o755)
    return path


def main() -> None:
    given = dict(zip(sys.argv[1:5:2], sys.argv[2:5:2], strict=True))
    (prompt,) = sys.argv[5:]
    if given["-m"].endswith("broken.gguf"):
        sys.exit("main: error: unable to load model")
    if prompt == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    written = WORDS[: int(given["-n"])]
    print(
        end="<s>"
        + (
            ""
            if "forget the prompt" in prompt
            else prompt.replace("the lid", " the lid").replace("\n", "").replace("\u2581", " ")
        )
    )
    for word in written:
        print(end=word, flush=True)
        time.sleep(5 if "slowly" in prompt else 0)
    print()
    print(f"main: decoded {len(written)} tokens in 0.01 s, speed: 900.00 t/s", file=sys.stderr)


if __name__ == "__main__":
    main()
