"""Loads the libraries and a model once, and forks a process for each job that it reads from its input."""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

import fault_jobs


def main() -> None:
    fault_jobs.load(sys.argv[1])
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(answer(asked)), flush=True)


def answer(asked: dict[str, Any]) -> Any:
    if "wait" in asked:
        return {"status": os.waitpid(asked["wait"], 0)[1]}
    if "job" in asked:
        return {"pid": forked(asked)}
    return asked


def forked(asked: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    os.setpgid(0, 0)
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    result = outcome(asked)
    out = Path(asked["out"])
    out.with_suffix(".part").write_text(json.dumps(result))
    out.with_suffix(".part").rename(out)
    os._exit(0)


def outcome(asked: dict[str, Any]) -> Any:
    try:
        return getattr(fault_jobs, asked["job"])(*asked["arguments"], **asked["options"])
    except BaseException as error:
        known = {"error": type(error).__name__, "message": str(error), "hint": getattr(error, "hint", "")}
        return known | {"traceback": traceback.format_exc()}


if __name__ == "__main__":
    main()
