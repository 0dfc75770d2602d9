"""The server: a model behind the OpenAI protocol, so that every client of it can use the model.

    python -m qwen_blog serve --model FOLDER
    curl http://127.0.0.1:8000/v1/models

Routes and bytes only: `server_requests` reads what is asked, `engine` answers it, `server_replies`
puts that into the protocol's words. Needs the extra `serve` (starlette, uvicorn). Chapter 24.
Leaves out: keys and TLS, so it listens to this machine alone unless told otherwise; a reverse proxy
has both.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from .batching import ContextLengthError
from .engine import Engine, EngineClosedError, EngineError, QueueFullError, Ticket
from .server_replies import ChatShaper, CompletionShaper, Shaper, joined
from .server_requests import ApiError, Call, parse_chat, parse_completion

MAX_BODY_BYTES = 2**21  # 131,072 tokens of Chinese, escaped, are some 1.2 MB
RETRY_AFTER_S = 1
STOP_WITHIN_S = 3
CLIENT_GONE = 499  # nginx's own; no client ever sees it


class Kind(NamedTuple):
    """One of the two kinds of completion."""

    parse: Callable[..., Call]
    shaper: type[Shaper]


def create_app(engine: Engine, name: str) -> Starlette:
    """The application. The engine starts and ends with it. name: what clients call the model"""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with engine:
            yield

    async def health(_: Request) -> Response:
        counts = {"running": engine.running, "waiting": engine.waiting}
        return _json({"status": "ok", **counts})

    async def models(_: Request) -> Response:
        model = {"id": name, "object": "model", "created": 0, "owned_by": "qwen_blog"}
        return _json({"object": "list", "data": [model]})

    async def chat(request: Request) -> Response:
        return await _complete(request, engine, name, Kind(parse_chat, ChatShaper))

    async def complete(request: Request) -> Response:
        return await _complete(request, engine, name, Kind(parse_completion, CompletionShaper))

    routes = [
        Route("/health", health),
        Route("/v1/models", models),
        Route("/v1/chat/completions", chat, methods=["POST"]),
        Route("/v1/completions", complete, methods=["POST"]),
    ]
    handlers: dict[Any, Any] = {
        ApiError: _told,
        ClientDisconnect: _gone,
        HTTPException: _not_there,
        Exception: _failed,
    }
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)


async def _complete(request: Request, engine: Engine, name: str, kind: Kind) -> Response:
    """Read, wait for the model, reply. ApiError if that comes to nothing."""
    raw = await _read_json(request)
    # in a thread: a long text takes its time to be cut into tokens
    call = await run_in_threadpool(kind.parse, raw, engine.model, engine.tokenizer, name)
    shaper = kind.shaper(call, engine.tokenizer, name)
    ticket = _submit(engine, call)
    if call.stream:
        return _Events(engine, ticket, shaper)
    try:
        return await _unless_gone(request, _whole(ticket, shaper))
    finally:
        engine.cancel(ticket)


def _submit(engine: Engine, call: Call) -> Ticket:
    try:
        return engine.submit(call.request)
    except ContextLengthError as error:
        raise ApiError(400, str(error), call.param, "context_length_exceeded") from error
    except ValueError as error:
        raise ApiError(400, str(error), call.param) from error
    except (QueueFullError, EngineClosedError) as error:
        raise ApiError(503, str(error), code="overloaded") from error


async def _whole(ticket: Ticket, shaper: Shaper) -> Response:
    try:
        updates = [update async for update in ticket]
    except (EngineError, EngineClosedError) as error:
        raise _engine_failed(error) from error
    return _json(shaper.reply(joined(updates)))


def _engine_failed(error: Exception) -> ApiError:
    return ApiError(503 if isinstance(error, EngineClosedError) else 500, str(error))


async def _unless_gone(request: Request, work: Awaitable[Response]) -> Response:
    """What the work returns; it is cut short if the client does not wait for it."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    tasks = asyncio.ensure_future(work), asyncio.ensure_future(gone())
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return tasks[0].result() if tasks[0].done() else Response(status_code=CLIENT_GONE)
    finally:
        for task in tasks:
            task.cancel()


class _Events(StreamingResponse):
    """Server-sent events: a line `data: {json}` for each chunk, and `data: [DONE]` at the end."""

    def __init__(self, engine: Engine, ticket: Ticket, shaper: Shaper) -> None:
        self.engine, self.ticket, self.shaper = engine, ticket, shaper
        headers = {"cache-control": "no-cache"}
        super().__init__(self._events(), headers=headers, media_type="text/event-stream")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ends when the client goes; then, too, the row is freed."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.engine.cancel(self.ticket)

    async def _events(self) -> AsyncIterator[bytes]:
        try:
            async for update in self.ticket:
                if chunks := self.shaper.chunks(update):
                    yield b"".join(_event(chunk) for chunk in chunks)
        except (EngineError, EngineClosedError) as error:  # the status was sent long ago
            yield _event(_engine_failed(error).body())
        yield b"data: [DONE]\n\n"


def _event(content: dict[str, Any]) -> bytes:
    return b"data: " + _bytes(content) + b"\n\n"


async def _read_json(request: Request) -> Any:
    """The body. ApiError if it is too large or no JSON."""
    body, size = bytearray(), 0
    async for piece in request.stream():
        size += len(piece)
        # read to its end, though not kept: an answer in the midst of a request is often lost
        body += piece if size <= MAX_BODY_BYTES else b""
    if size > MAX_BODY_BYTES:
        raise ApiError(413, f"the body has {size:,} bytes, at most {MAX_BODY_BYTES:,} are read")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"the body is no valid JSON: {error}") from error


def _bytes(content: dict[str, Any]) -> bytes:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "backslashreplace")  # half a surrogate pair becomes JSON's \ud83d


def _json(
    content: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    return Response(_bytes(content), status, headers, "application/json")


async def _told(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    headers = {"retry-after": str(RETRY_AFTER_S)} if error.status == 503 else None
    return _json(error.body(), error.status, headers)


async def _gone(_: Request, error: Exception) -> Response:
    """The client left in the midst of its request: nobody reads this."""
    return Response(status_code=CLIENT_GONE)


async def _not_there(request: Request, error: Exception) -> Response:
    """No such path (404), or another method (405)."""
    assert isinstance(error, HTTPException)
    message = f"{request.method} {request.url.path}: {error.detail}"
    return _json(ApiError(error.status_code, message).body(), error.status_code)


async def _failed(_: Request, error: Exception) -> Response:
    """A mistake in the server: its traceback is in the log, not in the reply."""
    return _json(ApiError(500, "the server failed; its log says how").body(), 500)


def bind(host: str, port: int) -> socket.socket:
    """The door, before any work is done for it. port: 0 takes a free one · OSError names both"""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except (OSError, OverflowError) as error:
        message = f"cannot listen on {host}, port {port} ({error}): choose another --port"
        raise OSError(message) from error


def serve(engine: Engine, name: str, door: socket.socket) -> None:
    """Serve until Ctrl-C; what is under way then ends with an error."""
    with suppress(KeyboardInterrupt):  # uvicorn ends in order, then raises it once more
        Server(engine, name).run(sockets=[door])


class Server(uvicorn.Server):
    """uvicorn would wait for the longest reply before it ends."""

    def __init__(self, engine: Engine, name: str) -> None:
        app = create_app(engine, name)
        super().__init__(
            uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=STOP_WITHIN_S)
        )
        self.engine = engine

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Replies first, then connections."""
        await self.engine.close()
        await super().shutdown(sockets)
