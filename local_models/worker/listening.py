"""The socket of a worker: a unix socket for this user alone, or loopback TCP where there are none."""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MAX_SOCKET_PATH = 103  # bytes; macOS takes 104, the last a zero
_BACKLOG = 64
_CONNECT_S = 5.0
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: struct ucred


def takes_long_paths() -> bool:
    """Whether a socket may lie anywhere, its path as long as may be."""
    return sys.platform == "linux" and Path("/proc/self/fd").is_dir()


def listen(path: Path) -> tuple[socket.socket, str]:
    """A listening socket at `path` and its address; loopback TCP where system or disk has no such sockets."""
    if sys.platform != "win32":
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with _short(path) as place:
                listener.bind(place)
            path.chmod(0o600)
            listener.listen(_BACKLOG)
            return listener, f"unix:{path}"
        except OSError:  # FAT, some network and guest file systems
            listener.close()
    listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
    return listener, f"tcp:{listener.getsockname()[1]}"


def connect(address: str) -> socket.socket:
    """A connection to a worker's address. Raises OSError where nobody listens."""
    kind, _colon, place = address.partition(":")
    if kind == "tcp":
        return socket.create_connection(("127.0.0.1", int(place)), timeout=_CONNECT_S)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short(Path(place)) as short:
            connection.settimeout(_CONNECT_S)  # a worker that hangs takes no more than its backlog
            connection.connect(short)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """The path of a socket as short as the system takes it: on Linux through a descriptor of its folder."""
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH or not takes_long_paths():
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def is_ours(connection: socket.socket) -> bool:
    """Whether the other end is a process of this user, as the kernel says; True where it cannot say.

    There the token stands alone: it lies in a folder that nobody else may read.
    """
    if sys.platform != "linux" or connection.family != socket.AF_UNIX:
        return True
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return bool(_CREDENTIALS.unpack(told)[1] == os.geteuid())
