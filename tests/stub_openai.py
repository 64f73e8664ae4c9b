"""A server that speaks OpenAI's protocol, and misbehaves as it is told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WORDS = ["Red", " is", " the", " lid", ",", " or", " so", " they", " said", " at", " noon", "."]


class StubOpenAI(ThreadingHTTPServer):
    """Answers each question as the next of `moods` says, and well once they are used up.

    asked: (path, headers, body) of every request. models: what /models lists; another one is unknown.
    busy_listings: how often it answers 503 instead.
    """

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.moods: list[str] = []
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        self.busy_listings = 0
        self.models: list[dict[str, Any]] = [{"id": "tiny", "max_model_len": 2048}]
        self.key = ""
        self.released = threading.Event()  # ends a silence
        self.hung_up = threading.Event()  # an endless answer found nobody listening

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def questions(self) -> list[Any]:
        return [body for path, _headers, body in self.asked if path.endswith("/chat/completions")]


@contextmanager
def stub_openai() -> Iterator[StubOpenAI]:
    server = StubOpenAI()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StubOpenAI

    def log_message(self, *_args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers), None))
        listed = {"object": "list", "data": self.server.models}
        if self.path != "/health" and self.server.busy_listings:
            self.server.busy_listings -= 1
            self.whole(503, {"error": {"message": "loading"}})
            return
        self.whole(200, {"status": "ok"} if self.path == "/health" else listed)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((self.path, dict(self.headers), body))
        mood, _space, detail = (self.server.moods.pop(0) if self.server.moods else "well").partition(" ")
        if self.server.key and self.headers["authorization"] != f"Bearer {self.server.key}":
            self.whole(401, {"error": {"message": f"wrong key {self.headers['authorization']}"}})
        elif body["model"] not in [model["id"] for model in self.server.models]:
            self.whole(404, {"error": {"message": f"The model `{body['model']}` does not exist"}})
        else:
            getattr(self, f"be_{mood}")(body, detail)

    def be_well(self, body: Any, _detail: str) -> None:
        words = _words(body)
        cut = words[: body["max_tokens"]]
        self.stream()
        for word in cut:
            self.event({"choices": [{"delta": {"content": word}, "finish_reason": None}]})
        finish = "length" if len(cut) < len(words) else "stop"
        self.event({"choices": [{"delta": {}, "finish_reason": finish}]})
        self.event({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": len(cut)}})
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def be_state(self, _body: Any, detail: str) -> None:
        state, _space, wait = detail.partition(" ")
        headers = {"retry-after": wait} if wait else {}
        self.whole(int(state), {"error": {"message": f"state {state}"}}, headers)

    def be_context(self, _body: Any, _detail: str) -> None:
        self.whole(400, {"error": {"message": "This model's maximum context length is 2048 tokens"}})

    def be_cut(self, _body: Any, detail: str) -> None:
        self.stream()
        for word in WORDS[: int(detail)]:
            self.event({"choices": [{"delta": {"content": word}}]})
        self.close_connection = True

    def be_torn(self, _body: Any, _detail: str) -> None:
        """Announces more bytes than come."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", "100000")
        self.end_headers()
        self.event({"choices": [{"delta": {"content": "Red"}}]})
        self.close_connection = True

    def be_gone(self, _body: Any, _detail: str) -> None:
        self.close_connection = True

    def be_silent(self, _body: Any, detail: str) -> None:
        """Says some words and then nothing."""
        self.stream()
        for word in WORDS[: int(detail)]:
            self.event({"choices": [{"delta": {"content": word}}]})
        self.wfile.write(b": still here\n\n")
        self.server.released.wait(20)
        self.close_connection = True

    def be_pinging(self, _body: Any, _detail: str) -> None:
        """Keeps the line open and writes nothing."""
        self.stream()
        try:
            while not self.server.released.wait(0.02):
                self.wfile.write(b": still here\n\n")
        except OSError:
            self.close_connection = True

    def be_garbled(self, _body: Any, detail: str) -> None:
        self.stream()
        for word in WORDS[: int(detail)]:
            self.event({"choices": [{"delta": {"content": word}}]})
        self.wfile.write(b'data: {"choices": [{"delta"\n\n')
        self.close_connection = True

    def be_json(self, _body: Any, detail: str) -> None:
        """Streams these words of JSON as the only event."""
        self.stream()
        self.wfile.write(f"data: {detail}\n\n".encode())
        self.close_connection = True

    def be_html(self, _body: Any, _detail: str) -> None:
        self.raw(200, b"<!doctype html><title>Welcome</title>", {"content-type": "text/html"})

    def be_whole(self, _body: Any, _detail: str) -> None:
        """Does not stream."""
        choice = {"message": {"role": "assistant", "content": "".join(WORDS)}, "finish_reason": "stop"}
        self.whole(200, {"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 12}})

    def be_endless(self, _body: Any, _detail: str) -> None:
        self.stream()
        try:
            while not self.server.released.is_set():
                self.event({"choices": [{"delta": {"content": " word"}}]})
                time.sleep(0.001)
        except OSError:
            self.server.hung_up.set()
            self.close_connection = True

    def be_elsewhere(self, _body: Any, detail: str) -> None:
        self.raw(307, b"", {"location": detail})

    def be_long(self, _body: Any, _detail: str) -> None:
        self.stream()
        self.wfile.write(b"data: " + b"x" * (2**20 + 2**16))
        self.close_connection = True

    def stream(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()

    def event(self, value: Any) -> None:
        self.wfile.write(f"data: {json.dumps(value)}\n\n".encode())

    def whole(self, state: int, value: Any, headers: dict[str, str] | None = None) -> None:
        self.raw(state, json.dumps(value).encode(), {"content-type": "application/json", **(headers or {})})

    def raw(self, state: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(state)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _words(body: Any) -> list[str]:
    """The same for the same question and seed; stop strings are obeyed."""
    turn = body.get("seed", 0) % len(WORDS) if body["temperature"] else 0
    text = "".join(WORDS[turn:] + WORDS[:turn])
    for stop in body.get("stop", ()):
        text = text.partition(stop)[0]
    return [text[i : i + 4] for i in range(0, len(text), 4)]
