"""Where the workers of a folder are found: a private folder, and the names of what lies in it."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from local_models.errors import ModelUnavailable
from local_models.interface.messages import _
from local_models.worker.listening import MAX_SOCKET_PATH, takes_long_paths

ALREADY = 76  # exit code of a worker that found another in its place
_NAME_ROOM = 24  # bytes of "/<key>-<pid>.sock"


@dataclass(frozen=True)
class Note:
    """What a worker says of itself, in its private folder, for others to find it.

    address: "unix:<path>" or "tcp:<port>" of this machine. token: what every request must carry.
    ooms: files that count kills for want of memory, and what each counted at the start.
    """

    key: str
    pid: int
    address: str
    token: str = field(repr=False)
    factory: str
    arguments: Mapping[str, Any]
    step: int
    started: float
    ooms: Mapping[str, int] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Put the note in its place, whole or not at all."""
        path = note_path(folder, self.key, self.pid)
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(self)), "utf-8")
        draft.chmod(0o600)
        draft.replace(path)


@dataclass(frozen=True)
class Order:
    """What a worker is started with. step: how many smaller plans `arguments` lies below what was wanted.

    key: of what was wanted, so that whoever wants the same finds a worker of a smaller plan too.
    threads: of the libraries that compute; None leaves it to them. idle_s: without a request, then it ends.
    """

    folder: str
    key: str
    factory: str
    arguments: Mapping[str, Any]
    step: int = 0
    idle_s: float = 600.0
    threads: int | None = None


def key_of(factory: str, arguments: Mapping[str, Any]) -> str:
    """The name of what is hosted: the same for everybody on this machine who asks for the same.

    >>> key_of("offload", {"a": 1, "b": 2}) == key_of("offload", {"b": 2, "a": 1})
    True
    """
    asked = json.dumps([socket.gethostname(), factory, arguments], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()[:10]


def private_folder(root: Path) -> Path:
    """The folder of this user's workers under `root`, made where it is missing, closed to everybody else.

    Where `root` cannot hold one (read only, modes ignored, path too long for a socket), a folder of
    the same name for everybody stands in the system's temporary folder.
    Raises ModelUnavailable where that is not this user's own either.
    """
    for folder in (places := _places(root)):
        if _is_private(folder):
            return folder
    raise ModelUnavailable(
        _("{folder} cannot be made, or is open to others").format(folder=places[-1]),
        hint=_("remove it, or let its owner remove it; a worker's socket must be yours alone"),
    )


def found_folder(root: Path) -> Path | None:
    """The private folder under `root` if there is one; nothing is made."""
    return next((folder for folder in _places(root) if folder.is_dir() and _is_private(folder)), None)


def _places(root: Path) -> list[Path]:
    root = root.expanduser().resolve()
    beside = root / f"workers-{_user()}"
    named = hashlib.sha256(os.fsencode(root)).hexdigest()[:12]
    elsewhere = Path(tempfile.gettempdir(), f"qrag-{_user()}-{named}")
    fits = takes_long_paths() or len(os.fsencode(beside)) + _NAME_ROOM <= MAX_SOCKET_PATH
    return [beside, elsewhere] if fits else [elsewhere]


def note_path(folder: Path, key: str, pid: int) -> Path:
    """Where the note of a worker lies."""
    return folder / f"{key}-{pid}.json"


def socket_path(folder: Path, key: str, pid: int) -> Path:
    """Where the socket of a worker lies."""
    return folder / f"{key}-{pid}.sock"


def lock_path(folder: Path, key: str) -> Path:
    """The lock of those who host `key`: one at a time."""
    return folder / f"{key}.lock"


def log_path(folder: Path, key: str) -> Path:
    """What the workers of `key` had to say."""
    return folder / f"{key}.log"


def notes(folder: Path, key: str = "*") -> Iterator[Note]:
    """The notes in the folder; those of dead workers too. A torn one is left out."""
    for path in sorted(folder.glob(f"{key}-*.json")):
        try:
            yield Note(**json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            continue


def remove(folder: Path, key: str) -> None:
    """Remove notes and sockets of `key`. Only who holds its lock may: then nobody serves them."""
    for path in folder.glob(f"{key}-*"):
        path.unlink(missing_ok=True)


def _user() -> int:
    return os.getuid() if sys.platform != "win32" else 0


def _is_private(folder: Path) -> bool:
    """Whether the folder is there, or could be made, and belongs to this user alone."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or (sys.platform != "win32" and status.st_uid != os.geteuid()):
            return False
        folder.chmod(0o700)
        mode = stat.S_IMODE(folder.lstat().st_mode)
        return sys.platform == "win32" or mode == 0o700
    except OSError:
        return False
