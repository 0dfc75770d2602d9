"""A server on loopback that speaks the OpenAI protocol, as well or badly as a test wants.

    with StubServer(lambda request: say(request.prompt[::-1])) as server:
        OpenAIModel(server.url, "stub")
        server.requests

The function given gets each request and says what comes back; it runs in the request's own thread,
so it may wait. What it does not answer with a Response breaks the connection.
"""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Request:
    """What a client sent, and when."""

    number: int
    """From 0, in the order in which they came."""
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    time_s: float = field(default_factory=time.monotonic)

    @property
    def prompt(self) -> str:
        """The raw prompt, or the last message."""
        return self.body.get("prompt") or self.body["messages"][-1]["content"]


@dataclass(frozen=True)
class Response:
    """What goes back: JSON, or text as it is."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def say(content: str | None, finish_reason: str = "stop", **message: Any) -> Response:
    """A chat completion."""
    said = {"role": "assistant", "content": content, **message}
    return Response({"choices": [{"index": 0, "message": said, "finish_reason": finish_reason}]})


def error(
    status: int, message: str = "no such luck", code: str | None = None, **headers: str
) -> Response:
    """An error in OpenAI's form. retry_after="2": a header of that name"""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response({"error": {"message": message, "code": code}}, status, named)


def echo(
    tokens: list[str], logprobs: list[float | None], best: list[float | None], usage: bool = True
) -> Response:
    """A completion of one token, "!", after the prompt's own, with all their log-probabilities."""
    tops = [None if top is None else {"x": top, "y": top - 1} for top in best]
    choice = {
        "index": 0,
        "text": "".join(tokens) + "!",
        "finish_reason": "length",
        "logprobs": {
            "tokens": [*tokens, "!"],
            "token_logprobs": [*logprobs, -9.0],
            "top_logprobs": [*tops, {"!": -9.0}],
        },
    }
    counted = {"usage": {"prompt_tokens": len(tokens), "completion_tokens": 1}} if usage else {}
    return Response({"choices": [choice], **counted})


class StubServer:
    """Answers by a function, keeps the requests, and counts how many it had at once."""

    def __init__(self, respond: Callable[[Request], Response | None]) -> None:
        self._respond = respond
        self._lock = threading.Lock()
        self.requests: list[Request] = []
        self.at_once = self.most_at_once = 0
        self.closing = threading.Event()
        """Set when the test is over: a response that waits should wait for this."""

    def __enter__(self) -> "StubServer":
        self._http = _Http(("127.0.0.1", 0), _Handler)
        self._http.stub = self
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"
        # An often repeated poll, so that the end is not waited for.
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()

    def answer(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> Response | None:
        with self._lock:
            request = Request(len(self.requests), path, headers, body)
            self.requests.append(request)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return self._respond(request)
        finally:
            with self._lock:
                self.at_once -= 1


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    stub: StubServer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Http

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def do_GET(self) -> None:
        self._answer({})

    def _answer(self, body: dict[str, Any]) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.close_connection = True
        response = self.server.stub.answer(self.path, headers, body)
        if response is None:
            return
        text = response.body if isinstance(response.body, str) else json.dumps(response.body)
        data = text.encode()
        self.send_response(response.status)
        sent = {"Content-Type": "application/json", **response.headers, "Connection": "close"}
        for name, value in {**sent, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
