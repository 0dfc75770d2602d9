"""A client of the Model Context Protocol: tools that another program has, as tools of ours.

    with MCPClient(["python", "server.py"]) as client:
        registry = ToolRegistry([calculator, *client.tools(prefix="files_")])

The server is a child process. Either side writes JSON-RPC 2.0 messages, one a line: requests (id,
method, params), answers (the same id, a result or an error), notifications (no id, no answer).

    client                                       server
      | -- initialize {protocolVersion} ---------> |   which revision do we speak?
      | <----------------- {protocolVersion} ----- |
      | -- notifications/initialized ------------> |
      | -- tools/list {cursor} ------------------> |   what can you do?
      | <----------------- {tools, nextCursor} --- |   (asked again while there is a cursor)
      | -- tools/call {name, arguments} ---------> |   do it
      | <----------------- {content, isError} ---- |

The revision of 2026-07-28 has no handshake: every request says its revision in `_meta`. Servers of
either kind will do. `mcp_stdio` carries the lines, `mcp_tools` makes their tools ours. Source:
https://modelcontextprotocol.io/specification, lifecycle, versioning, tools, cancellation. Chapter
42 shows it. Leaves out: HTTP, resources, prompts, questions that a server asks back (sampling,
elicitation), starting a server again that broke down.
"""

import atexit
import itertools
import json
import shlex
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from .mcp_stdio import MCPError, Pipe
from .mcp_tools import as_tool, excerpt, result_text
from .tools import Tool, ToolError

HANDSHAKE_VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
"""The revisions that begin with `initialize`, newest first; what is used here is alike in all."""
STATELESS_VERSION = "2026-07-28"
"""The first revision without `initialize`."""
CLIENT_INFO = {"name": "tiny-agent", "version": "0.1.0"}
METADATA = {
    "io.modelcontextprotocol/protocolVersion": STATELESS_VERSION,
    "io.modelcontextprotocol/clientInfo": CLIENT_INFO,
    "io.modelcontextprotocol/clientCapabilities": {},
}
"""What every request says where there is no handshake."""
MAX_PAGES = 100
"""A list of tools that goes on after that many answers is taken for a circle."""

Json = dict[str, Any]
"""An object of JSON, as it came: nothing in it is sure."""


class RefusedError(MCPError):
    """A request that the server answered with an error of its own."""


class MCPClient:
    """One server and the requests to it. Several threads may call at once.

    command: the program and its arguments · env: what it gets beside PATH, HOME and the like ·
    timeout_s: the longest wait for any answer, the first one too, which takes a start ·
    watch: is called with each line, "-> {...}" if sent, "<- {...}" if come
    """

    def __init__(
        self,
        command: Sequence[str],
        env: dict[str, str] | None = None,
        timeout_s: float = 30.0,
        watch: Callable[[str], None] = lambda line: None,
    ) -> None:
        if isinstance(command, str) or not command:
            example = shlex.split(command) if isinstance(command, str) else ["python", "server.py"]
            raise ValueError(f"command={command!r} must be a list, such as {example}")
        if timeout_s <= 0:
            raise ValueError(f"timeout_s={timeout_s} must be above 0")
        self.command, self.env, self.timeout_s = list(command), env or {}, timeout_s
        self.version: str | None = None
        """The revision agreed upon; None before the start."""
        self._watch = watch
        self._pipe: Pipe | None = None
        self._starting = threading.RLock()
        self._numbers = itertools.count(1)
        self._waiting: dict[object, Future[Json]] = {}
        self._ended: str | None = None
        self._lock = threading.Lock()  # of the two above

    def __enter__(self) -> "MCPClient":
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the server and agree on a revision, unless that was done. MCPError if it fails."""
        with self._starting:
            if self._pipe or self._ended:
                return
            self._pipe = Pipe(self.command, self.env, self._receive, self._broke, self._watch)
            atexit.register(self.close)
            try:
                self._pipe.start()
                self._greet()
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """End the server, if it runs: ask it, then make it. The client is of no more use."""
        atexit.unregister(self.close)
        self._end("was closed; make a new client")
        if self._pipe:
            self._pipe.close()

    def tools(self, prefix: str = "", trusted: bool = False) -> list[Tool]:
        """What the server offers now, as tools for a `ToolRegistry`. MCPError if it cannot say.

        prefix: stands before each name, so that two servers do not clash · trusted: tools that the
        server calls read-only need no approval. Otherwise all need it: what a server says of itself
        is only its word. Its descriptions are read by the model in either case.
        """
        entries: list[Any] = []
        params: Json = {}
        for _ in range(MAX_PAGES):
            page = self.request("tools/list", params)
            if not isinstance(page.get("tools"), list):
                raise self._error(f"answers tools/list with {excerpt(page)}")
            entries += page["tools"]
            if page.get("nextCursor") is None:  # "" is a cursor like any other
                return self._as_tools(entries, prefix, trusted)
            params = {"cursor": page["nextCursor"]}
        raise self._error(f"has more tools after {MAX_PAGES} pages; does its list go in a circle?")

    def _as_tools(self, entries: list[Any], prefix: str, trusted: bool) -> list[Tool]:
        try:
            return [as_tool(entry, self.call, prefix, trusted) for entry in entries]
        except ValueError as error:
            raise self._error(str(error)) from error

    def call(self, name: str, arguments: dict[str, object]) -> str:
        """What a tool of the server says. ToolError if the call fails, in whatever way."""
        try:
            result = self.request("tools/call", {"name": name, "arguments": arguments})
        except (MCPError, ValueError) as error:  # ValueError: an argument that JSON cannot hold
            raise ToolError(f"{name}: {error}") from error
        if result.get("resultType", "complete") != "complete":
            raise ToolError(f"{name} asks its user something, and there is no one to ask here")
        text = result_text(result)
        if result.get("isError"):
            raise ToolError(text or f"{name} failed and does not say why")
        return text

    def request(self, method: str, params: Json | None = None) -> Json:
        """The result of any method. RefusedError if it is an error, MCPError if none comes."""
        self.start()
        meta = {"_meta": METADATA} if self.version == STATELESS_VERSION else {}
        number, answer = next(self._numbers), Future[Json]()
        with self._lock:
            if self._ended:
                raise self._error(self._ended)
            self._waiting[number] = answer
        try:
            self._send({"id": number, "method": method, "params": {**(params or {}), **meta}})
            return self._result(method, answer.result(self.timeout_s))
        except TimeoutError:
            raise self._late(number, method) from None
        finally:
            self._take(number)

    # How a session begins

    def _greet(self) -> None:
        # The specification would have us ask `server/discover` first. Older servers may never
        # answer that, while those that speak both kinds of revision do answer this.
        hello = {"protocolVersion": HANDSHAKE_VERSIONS[0], "capabilities": {}}
        try:
            answer = self.request("initialize", {**hello, "clientInfo": CLIENT_INFO})
        except RefusedError as refusal:
            self._greet_stateless(refusal)
        else:
            self._agree([answer.get("protocolVersion")], HANDSHAKE_VERSIONS)
            self._send({"method": "notifications/initialized"})

    def _greet_stateless(self, refusal: RefusedError) -> None:
        self.version = STATELESS_VERSION  # so that the request says so
        try:
            answer = self.request("server/discover")
        except RefusedError as error:
            raise MCPError(f"{refusal}; is it an MCP server?") from error
        self._agree(answer.get("supportedVersions"), (STATELESS_VERSION,))

    def _agree(self, theirs: object, ours: Sequence[str]) -> None:
        common = [each for each in ours if isinstance(theirs, list) and each in theirs]
        if not common:
            known = ", ".join((STATELESS_VERSION, *HANDSHAKE_VERSIONS))
            raise self._error(f"speaks the protocol of {theirs}, this client {known}; update one")
        self.version = common[0]

    # Messages, and what becomes of them

    def _send(self, message: Json) -> None:
        if self._pipe:
            self._pipe.send({"jsonrpc": "2.0", **message})

    def _receive(self, message: Any) -> bool:
        """Take what came. False if it is no message, or an answer that no one waits for."""
        match message:
            case {"method": str(method), "id": number}:
                self._send({"id": number, **reply(method)})
            case {"method": str()}:
                pass  # a notification: a line of a log, a list that changed. tools() asks anew
            case {"id": int() | float() as number}:
                answer = self._take(number)
                if answer is None:
                    return False
                answer.set_result(message)
            case [_, *_]:  # several at once: the revision of 2025-03-26 has that
                each_one = [self._receive(each) for each in message]
                return all(each_one)
            case _:
                return False
        return True

    def _take(self, number: object) -> Future[Json] | None:
        """What waits for this answer, and does so no longer."""
        with self._lock:
            return self._waiting.pop(number, None)

    def _result(self, method: str, message: Json) -> Json:
        match message:
            case {"error": {"code": code, "message": said}}:
                data = message["error"].get("data")
                more = f" {excerpt(data)}" if data else ""
                raise self._error(f"refuses {method}: {said} ({code}){more}", RefusedError)
            case {"result": dict(result)}:
                return result
        raise self._error(f"answers {method} with {excerpt(message)}, which is no result")

    def _late(self, number: int, method: str) -> MCPError:
        """The error of a request without an answer; the server is told not to go on with it."""
        if method != "initialize":  # which may not be cancelled
            reason = f"no answer within {self.timeout_s:g} s"
            params = {"requestId": number, "reason": reason}
            self._send({"method": "notifications/cancelled", "params": params})
        news = self._pipe.news() if self._pipe else ""
        doubt = "" if self.version else ", or is it no MCP server?"
        said = (
            f"did not answer {method} within {self.timeout_s:g} s; raise timeout_s{doubt}. {news}"
        )
        return self._error(said.strip())

    def _broke(self) -> None:
        news = self._pipe.news() if self._pipe else ""
        self._end(f"has ended; run the command in a terminal to see why. {news}".strip())

    def _end(self, reason: str) -> None:
        with self._lock:
            self._ended = self._ended or reason
            answers = list(self._waiting.values())
            self._waiting.clear()
        for answer in answers:
            answer.set_exception(self._error(self._ended))

    def _error(self, what: str, kind: type[MCPError] = MCPError) -> MCPError:
        return kind(f"the MCP server `{shlex.join(self.command)}` {what}")


def reply(method: str) -> Json:
    """What a server gets that asks us something: it may see whether we live, and nothing else."""
    if method == "ping":
        return {"result": {}}
    return {"error": {"code": -32601, "message": f"this client has no method {method}"}}


def read_mcp_config(path: str | Path, timeout_s: float = 30.0) -> dict[str, MCPClient]:
    """The servers of a file, by name, none of them started. ValueError if it is no such file.

    Desktop programs have them: {"mcpServers": {"files": {"command": "npx", "args": ["-y", "..."],
    "env": {"TOKEN": "..."}}}}.
    """
    try:
        config = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from error
    match config:
        case {"mcpServers": dict(servers)}:
            return {name: _configured(path, name, servers[name], timeout_s) for name in servers}
    raise ValueError(f'{path} must hold {{"mcpServers": {{"a name": {{"command": "..."}}}}}}')


def _configured(path: str | Path, name: str, entry: Any, timeout_s: float) -> MCPClient:
    match entry:
        case {"command": str(command)}:
            args, env = entry.get("args") or [], entry.get("env") or {}
            if isinstance(args, list) and isinstance(env, dict):
                texts = {key: str(value) for key, value in env.items()}
                return MCPClient([command, *map(str, args)], texts, timeout_s)
    form = '"command", a list "args" and "env"; servers behind a URL cannot be used'
    raise ValueError(f"{path}: the server {name!r} must have {form}")
