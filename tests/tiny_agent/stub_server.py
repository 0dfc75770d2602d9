"""A server on loopback that speaks the OpenAI chat protocol, and says what it was told to.

    with StubServer([error(429, retry_after_s=0.01), say("Hello.")]) as server:
        OpenAIModel(server.url, "stub").generate(...)
        server.requests[0].body["messages"]

It gives one response of the script to each request for a chat completion. `say` is right in every
way, as a whole and as a stream; the others are the ways in which servers fail. Like OpenAI's, it
refuses a request that breaks the protocol, so that a test with `say` checks what was sent, too.
"""

import itertools
import json
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]
Response = Callable[["Exchange"], None]
"""Answers a request, in whatever way."""

_HEAD = {"id": "chatcmpl-1", "created": 0, "model": "stub"}
DONE = "data: [DONE]\n\n"


@dataclass(frozen=True)
class Request:
    """What a client sent. The names of its headers are in lower case."""

    path: str
    headers: dict[str, str]
    body: Json


# --- Responses. ---


def say(
    text: str,
    calls: Sequence[tuple[str, Json]] = (),
    finish_reason: str | None = None,
    usage: tuple[int, int] | None = (11, 3),
    ignores_stop: bool = False,
    pieces: Sequence[str] | None = None,
    bytes_each: int | None = None,
) -> Response:
    """A reply as it should be, streamed where a stream is asked for.

    calls: (name, arguments) of the tools to call · usage: tokens of prompt and reply; None tells
    none · pieces: the text as it is cut up in a stream · bytes_each: what is sent at once of a
    stream, whatever it cuts through
    """

    def respond(exchange: "Exchange") -> None:
        request = exchange.request.body
        stop = [] if ignores_stop else request.get("stop") or []
        said = min((text.split(word, 1)[0] for word in stop), key=len, default=text)
        reason = finish_reason or ("tool_calls" if calls else "stop")
        message = _message(said, calls)
        told = _usage(usage)
        if not request.get("stream"):
            choice = {"index": 0, "message": message, "finish_reason": reason}
            exchange.send_json(_HEAD | {"object": "chat.completion", "choices": [choice]} | told)
            return
        cut = _cut(said, pieces)
        events = [event(delta) for delta in _deltas(cut, message.get("tool_calls", ()))]
        events.append(event({}, reason))
        if request.get("stream_options", {}).get("include_usage") and told:
            events.append(_line(_HEAD | {"object": "chat.completion.chunk", "choices": []} | told))
        exchange.send_stream([*events, DONE], bytes_each)

    return respond


def deltas(
    *parts: Json | str, finish_reason: str | None = "stop", end: str = DONE, torn: bool = False
) -> Response:
    """A stream of these deltas, or of raw text, whatever was asked for.

    finish_reason: None leaves out the last event · torn: break the connection without an end
    """
    events = [part if isinstance(part, str) else event(part) for part in parts]
    if finish_reason:
        events.append(event({}, finish_reason))
    return lambda exchange: exchange.send_stream([*events, end], torn=torn)


def for_ever(text: str) -> Response:
    """A stream that says this again and again, until the client hangs up."""

    def respond(exchange: "Exchange") -> None:
        def events() -> Iterable[str]:
            while not exchange.server.closing.wait(0.001):
                yield event({"content": text})

        exchange.send_stream(events())

    return respond


def body(content: object, status: int = 200, kind: str = "application/json") -> Response:
    """Any body at all: text as it is, anything else as JSON."""
    return lambda exchange: exchange.send_json(content, status, kind)


def error(
    status: int, message: str = "no such luck", retry_after_s: float | None = None
) -> Response:
    """An error in OpenAI's form. retry_after_s: above 0, or the client takes a pause of its own"""
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    content = {"error": {"message": message, "type": "stub", "code": None}}
    return lambda exchange: exchange.send_json(content, status, headers=headers)


def slow(delay_s: float, then: Response) -> Response:
    """The same response, after a while."""

    def respond(exchange: "Exchange") -> None:
        if not exchange.server.closing.wait(delay_s):
            then(exchange)

    return respond


def hang_up(exchange: "Exchange") -> None:
    """No response: the connection is closed."""


def event(delta: Json, finish_reason: str | None = None) -> str:
    """One event of a stream."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return _line(_HEAD | {"object": "chat.completion.chunk", "choices": [choice]})


# --- The server. ---


@dataclass
class StubServer:
    """Gives the responses of a script, one a request, and keeps the requests.

    models: what it lists as its models; a response instead fails at it
    """

    script: Sequence[Response] = ()
    models: Sequence[str] | Response = ("stub",)
    requests: list[Request] = field(default_factory=list)
    """Those for a chat completion, refused ones included."""
    list_requests: list[Request] = field(default_factory=list)
    """Those for the list of models."""
    hung_up: threading.Event = field(default_factory=threading.Event)
    """A client has closed its connection before all was sent."""
    closing: threading.Event = field(default_factory=threading.Event)
    url: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _given: int = 0

    def __enter__(self) -> "StubServer":
        self._http = _Http(("127.0.0.1", 0), _Handler)
        self._http.stub = self
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"
        # An often repeated poll, so that the end is not waited for.
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()

    def answer(self, exchange: "Exchange") -> None:
        """Respond to one request."""
        request = exchange.request
        if request.path == "/v1/models":
            self.list_requests.append(request)
            self._list_models(exchange)
        elif request.path != "/v1/chat/completions":
            error(404, f"there is no {request.path}")(exchange)
        else:
            with self._lock:  # the order of the requests is that of the responses
                self.requests.append(request)
                problem = complaint(request.body)
                respond = error(400, problem) if problem else self._next()
            respond(exchange)

    def _next(self) -> Response:
        self._given += 1
        if self._given > len(self.script):
            return error(400, f"the script has only {len(self.script)} responses")
        return self.script[self._given - 1]

    def _list_models(self, exchange: "Exchange") -> None:
        if callable(self.models):
            self.models(exchange)
        else:
            listed = [{"id": name, "object": "model"} for name in self.models]
            exchange.send_json({"object": "list", "data": listed})


class Exchange:
    """One request, and the means to answer it."""

    def __init__(self, server: StubServer, request: Request, handler: "_Handler") -> None:
        self.server, self.request, self._handler = server, request, handler

    def send_json(
        self,
        content: object,
        status: int = 200,
        kind: str = "application/json",
        headers: Json | None = None,
    ) -> None:
        """A body as a whole: text as it is, anything else as JSON."""
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        data = _bytes(text)
        length = {"Content-Length": str(len(data))}
        self._handler.begin(status, {"Content-Type": kind, **length, **(headers or {})})
        self._handler.wfile.write(data)

    def send_stream(
        self, events: Iterable[str], bytes_each: int | None = None, torn: bool = False
    ) -> None:
        """Server-sent events in chunks: one an event, or of so many bytes."""
        kind = {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"}
        self._handler.begin(200, kind)
        chunks: Iterable[bytes] = (_bytes(text) for text in events if text)
        if bytes_each:
            data = b"".join(chunks)
            chunks = (data[i : i + bytes_each] for i in range(0, len(data), bytes_each))
        for chunk in chunks:
            self._handler.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        if not torn:
            self._handler.wfile.write(b"0\r\n\r\n")


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    stub: StubServer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # small chunks leave at once
    server: _Http

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(json.loads(data))

    def do_GET(self) -> None:
        self._answer({})

    def begin(self, status: int, headers: Json) -> None:
        """The status line and the headers. One request a connection: none outlives the server."""
        self.send_response(status)
        for name, value in {**headers, "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()

    def _answer(self, sent: Json) -> None:
        self.close_connection = True
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.path, headers, sent)
        try:
            self.server.stub.answer(Exchange(self.server.stub, request, self))
        except (BrokenPipeError, ConnectionResetError, ConnectionAbortedError):
            self.server.stub.hung_up.set()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


# --- What the protocol wants. ---


def complaint(request: Json) -> str:
    """Why OpenAI's server would refuse the request; "" if it would not."""
    if len(request.get("stop") or ()) > 4:
        return "stop: at most 4 sequences"
    if request.get("tools") == []:
        return "tools: [] is too short"
    if "stream_options" in request and not request.get("stream"):
        return "stream_options: only allowed when stream is enabled"
    open_calls: list[str] = []
    for place, message in enumerate(request.get("messages", ())):
        if problem := _message_complaint(message, open_calls):
            return f"messages[{place}]: {problem}"
        if message["role"] == "tool":
            open_calls.remove(message["tool_call_id"])
        else:
            open_calls = [call["id"] for call in message.get("tool_calls", ())]
    return "messages: the last calls have no results" if open_calls else ""


def _message_complaint(message: Json, open_calls: list[str]) -> str:
    known = {"role", "content", "tool_calls", "tool_call_id"}
    if unknown := set(message) - known:
        return f"unknown {', '.join(sorted(unknown))}"
    if message.get("tool_calls") == []:
        return "tool_calls: [] is too short"
    if message["role"] == "tool":
        found = message.get("tool_call_id") in open_calls
        return "" if found else "a result must follow its call, which no tool_call_id names"
    if open_calls:
        return f"the calls {', '.join(open_calls)} have no results before it"
    ids = [call["id"] for call in message.get("tool_calls", ())]
    return "two calls have one id" if len(ids) > len(set(ids)) else ""


# --- The parts of a right response. ---


def _message(text: str, calls: Sequence[tuple[str, Json]]) -> Json:
    message: Json = {"role": "assistant", "content": text or (None if calls else "")}
    if calls:
        message["tool_calls"] = [
            {
                "id": f"call_{name}_{place}",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False)},
            }
            for place, (name, arguments) in enumerate(calls)
        ]
    return message


def _deltas(pieces: Sequence[str], calls: Sequence[Json]) -> Iterable[Json]:
    yield {"role": "assistant", "content": "" if pieces else None}
    for piece in pieces:
        yield {"content": piece}
    for index, call in enumerate(calls):
        function = call["function"]
        yield {"tool_calls": [{**call, "index": index, "function": {**function, "arguments": ""}}]}
        for piece in _cut(function["arguments"]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _cut(text: str, pieces: Sequence[str] | None = None) -> list[str]:
    """The text in pieces: as long as those given, as far as it goes, or of 4 characters."""
    sizes = [4] * len(text) if pieces is None else [len(piece) for piece in pieces]
    ends = list(itertools.accumulate(sizes))
    cut = [text[end - size : end] for end, size in zip(ends, sizes, strict=True)]
    return [piece for piece in cut if piece]


def _usage(tokens: tuple[int, int] | None) -> Json:
    if tokens is None:
        return {}
    prompt, completion = tokens
    total = prompt + completion
    counted = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
    return {"usage": counted}


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")  # of a lone surrogate: as JSON spells it


def _line(data: Json) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"
