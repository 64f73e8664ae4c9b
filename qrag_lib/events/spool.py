"""The file that events are appended to.

An event is one line, written by one call at the end of the file: processes do not mix. A full file is put aside, the
oldest of those go. What cannot be written is not noted; it never fails whoever does the work.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Final

from qrag_lib.events.event import Event

FILE: Final = "events.jsonl"
LARGEST: Final = 4 << 20  # bytes of a file
KEPT: Final = 8  # files that are full
LONGEST: Final = 64 << 10  # bytes of an event; what is longer is not noted
_KNOWN = {each.name for each in fields(Event)}


class Spool:
    """The events of a workspace, in a folder of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def append(self, event: Event) -> None:
        """Note an event, if that is possible: about 0.1 ms, no sync."""
        with suppress(OSError, ValueError, TypeError):
            line = json.dumps(asdict(event), ensure_ascii=False, default=str).encode("utf-8", "surrogatepass") + b"\n"
            if len(line) > LONGEST:
                return
            path = self.folder / FILE
            try:
                file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except FileNotFoundError:
                self.folder.mkdir(mode=0o700)
                file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(file, line)
                full = os.fstat(file).st_size > LARGEST
            finally:
                os.close(file)
            if full:
                self._put_aside()

    def read(self) -> Iterator[Event]:
        """Every event that is kept, the latest first; a line that was cut by a kill is passed over."""
        for path in reversed(self._files()):
            with suppress(OSError):
                lines = path.read_bytes().splitlines()
                yield from (event for line in reversed(lines) if (event := _event(line)) is not None)

    @contextmanager
    def ship(self) -> Iterator[list[Event]]:
        """All events, oldest first, to be sent on: nobody else gets them; they are gone when the block ends well."""
        taken = self.folder / f"shipping-{uuid.uuid4().hex}"
        files = self._files()
        if files:
            taken.mkdir()
        for path in files:
            with suppress(OSError):  # another has just taken it
                path.rename(taken / (path.name if path.name != FILE else _aside()))
        mine = sorted(taken.glob("*.jsonl"))
        try:
            yield [e for path in mine for line in path.read_bytes().splitlines() if (e := _event(line)) is not None]
        except BaseException:
            for path in mine:
                path.rename(self.folder / path.name)
            raise
        else:
            for path in mine:
                path.unlink()
        finally:
            with suppress(OSError):
                taken.rmdir()

    def _files(self) -> list[Path]:
        """The files, oldest first."""
        aside = sorted(self.folder.glob("events-*.jsonl"))
        return [*aside, *([self.folder / FILE] if (self.folder / FILE).exists() else [])]

    def _put_aside(self) -> None:
        (self.folder / FILE).rename(self.folder / _aside())
        for path in sorted(self.folder.glob("events-*.jsonl"))[:-KEPT]:
            path.unlink(missing_ok=True)


def _aside() -> str:
    return f"events-{time.time_ns():020}-{os.getpid()}.jsonl"


def _event(line: bytes) -> Event | None:
    try:
        told: dict[str, Any] = json.loads(line)
        cited = tuple((str(d), int(a), int(b)) for d, a, b in told.pop("cited", ()))
        return Event(**{name: value for name, value in told.items() if name in _KNOWN}, cited=cited)
    except (ValueError, TypeError, AttributeError):
        return None
