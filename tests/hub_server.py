"""A hub on loopback: what huggingface_hub asks of the real one, with the faults that a line and a server can have."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

LARGE = 1024  # bytes from which on a file is kept as git-lfs keeps it: by its SHA-256


@dataclass
class Faults:
    """What goes wrong. Each is used up as it happens.

    cut: by file, places in it at which the line is cut, in order; wrong: by file, how often a byte of it is
    other; status: answers before the next sound one, of any request for files; delay_s: before every block;
    ring: files are redirected to where they were asked for.
    """

    cut: dict[str, list[int]] = field(default_factory=dict)
    wrong: Counter[str] = field(default_factory=Counter)
    status: list[int] = field(default_factory=list)
    api_status: list[int] = field(default_factory=list)
    ranges: bool = True
    delay_s: float = 0.0
    silent: bool = False
    redirect_to: str = ""
    ring: bool = False
    listing: bytes = b""


@dataclass(frozen=True)
class Asked:
    """One request as it came. start: the byte that it asked to begin at."""

    method: str
    name: str
    start: int
    token: str


class HubServer(ThreadingHTTPServer):
    """Serves folders as models. sent: bytes of each file that went out; asked: every request for a file."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.models: dict[str, dict[str, bytes]] = {}
        self.gated: set[str] = set()
        self.large = LARGE
        self.faults = Faults()
        self.sent: Counter[str] = Counter()
        self.asked: list[Asked] = []

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def publish(self, model: str, files: dict[str, bytes] | Path) -> str:
        """Have a model on the hub; its commit."""
        if isinstance(files, Path):
            files = {p.name: p.read_bytes() for p in sorted(files.iterdir()) if p.is_file() and p.name[0] != "."}
        self.models[model] = files
        return self.commit(model)

    def commit(self, model: str) -> str:
        files = self.models[model]
        return hashlib.sha1(repr(sorted((n, digest(c)) for n, c in files.items())).encode()).hexdigest()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that leave in the middle are the point."""


def digest(content: bytes, large: int = LARGE) -> str:
    """SHA-256 of a large file, git's SHA-1 of a small one."""
    if len(content) >= large:
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def sibling(name: str, content: bytes, large: int) -> dict[str, Any]:
    each: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": "0" * 40}
    if len(content) >= large:
        return each | {"lfs": {"sha256": digest(content), "size": len(content), "pointerSize": 134}}
    return each | {"blobId": digest(content, large)}


def leaf(name: str, content: bytes, large: int) -> dict[str, Any]:
    each: dict[str, Any] = {"type": "file", "path": name, "size": len(content), "oid": "0" * 40}
    if len(content) >= large:
        return each | {"lfs": {"oid": digest(content), "size": len(content), "pointerSize": 134}}
    return each | {"oid": digest(content, large)}


class Handler(BaseHTTPRequestHandler):
    server: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if self.server.faults.silent:
            time.sleep(3)
            self.close_connection = True
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/(.+)", path):
            self.api(match[1], match[2], self.info)
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/([^/]+)/?", path):
            self.api(match[1], match[2], self.tree)
        elif match := re.fullmatch(r"(/cdn)?/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self.resolve(match[2], match[3], match[4], at_cdn=bool(match[1]))
        else:
            self.error(404, "RepoNotFound")

    def api(self, model: str, revision: str, answer: Any) -> None:
        if self.server.faults.api_status:
            self.error(self.server.faults.api_status.pop(0))
        elif self.lets_in(model, revision):
            self.json(self.server.faults.listing or json.dumps(answer(model)).encode())

    def info(self, model: str) -> dict[str, Any]:
        files = self.server.models[model]
        siblings = [sibling(name, content, self.server.large) for name, content in files.items()]
        return {"_id": "1", "id": model, "sha": self.server.commit(model), "siblings": siblings, "private": False}

    def tree(self, model: str) -> list[dict[str, Any]]:
        return [leaf(name, content, self.server.large) for name, content in self.server.models[model].items()]

    def lets_in(self, model: str, revision: str) -> bool:
        if model in self.server.gated and self.headers.get("authorization") != "Bearer good":
            self.error(401 if not self.headers.get("authorization") else 403, "GatedRepo")
        elif model not in self.server.models:
            self.error(401, "RepoNotFound")
        elif revision not in ("main", self.server.commit(model)):
            self.error(404, "RevisionNotFound")
        else:
            return True
        return False

    def resolve(self, model: str, revision: str, name: str, *, at_cdn: bool) -> None:
        faults = self.server.faults
        start = int((re.match(r"bytes=(\d+)-", self.headers.get("range", "")) or [0, 0])[1])
        self.server.asked.append(Asked(self.command, name, start, self.headers.get("authorization", "")))
        if faults.status:
            self.error(faults.status.pop(0))
        elif at_cdn or self.lets_in(model, revision):
            if name not in self.server.models[model]:
                self.error(404, "EntryNotFound")
            elif faults.ring:
                self.redirect(model, name, self.path)
            elif faults.redirect_to and not at_cdn:
                self.redirect(model, name, f"{faults.redirect_to}/cdn{self.path}")
            else:
                self.file(model, name, start)

    def about(self, model: str, name: str) -> dict[str, str]:
        content = self.server.models[model][name]
        tag = f'"{digest(content, self.server.large)}"'
        headers = {"X-Repo-Commit": self.server.commit(model), "ETag": tag, "Accept-Ranges": "bytes"}
        if len(content) >= self.server.large:
            headers |= {"X-Linked-Etag": tag, "X-Linked-Size": str(len(content))}
        return headers

    def redirect(self, model: str, name: str, to: str) -> None:
        self.send_response(302)
        for key, value in (self.about(model, name) | {"Location": to, "Content-Length": "0"}).items():
            self.send_header(key, value)
        self.end_headers()

    def file(self, model: str, name: str, start: int) -> None:
        faults, content = self.server.faults, self.server.models[model][name]
        whole = len(content)
        if start and start >= whole:
            self.error(416)
            return
        start = start if faults.ranges else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
        for key, value in (self.about(model, name) | {"Content-Length": str(whole - start)}).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.body(name, content, start)

    def body(self, name: str, content: bytes, start: int) -> None:
        faults = self.server.faults
        if faults.wrong[name] > 0:
            faults.wrong[name] -= 1
            content = content[:-1] + bytes([content[-1] ^ 1])
        places = faults.cut.get(name, [])
        end = places.pop(0) if places else len(content)
        for at in range(start, end, 64 * 1024):
            block = content[at : min(end, at + 64 * 1024)]
            time.sleep(faults.delay_s)
            self.wfile.write(block)
            self.server.sent[name] += len(block)
        if end < len(content):
            self.wfile.flush()
            self.close_connection = True

    def json(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def error(self, status: int, code: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        if status in (429, 503):
            self.send_header("Retry-After", "0")
        if code:
            self.send_header("X-Error-Code", code)
        self.end_headers()


@contextmanager
def hub_server() -> Iterator[HubServer]:
    """A hub that is there until the end of the block."""
    server = HubServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
