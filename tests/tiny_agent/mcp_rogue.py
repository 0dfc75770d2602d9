"""A server that misbehaves in the way its first argument names, for tests of our client.

python mcp_rogue.py MODE [FILE]   FILE gets each line that the server reads
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Message = dict[str, Any]
TOOL: Message = {"name": "say", "description": "Say it.", "inputSchema": {"type": "object"}}
held: list[Message] = []


def write(text: str | bytes) -> None:
    sys.stdout.buffer.write(text.encode() if isinstance(text, str) else text)
    sys.stdout.buffer.flush()


def send(**message: Any) -> None:
    write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")


def complain(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def text_result(text: str) -> Message:
    return {"content": [{"type": "text", "text": text}]}


def behave(message: Message, version: str = "2025-11-25") -> None:
    """What a server should do."""
    match message:
        case {"method": "initialize", "id": number}:
            server = {"name": "rogue", "version": "1"}
            result = {"protocolVersion": version, "capabilities": {"tools": {}}}
            send(id=number, result={**result, "serverInfo": server})
        case {"method": "tools/list", "id": number}:
            send(id=number, result={"tools": [TOOL]})
        case {"method": "tools/call", "id": number, "params": {"arguments": arguments}}:
            send(id=number, result=text_result(str(arguments.get("text", ""))))


def on_call(action: Callable[[Message], object]) -> Callable[[Message], object]:
    """Behave, but for calls of a tool."""

    def handle(message: Message) -> None:
        (action if message.get("method") == "tools/call" else behave)(message)

    return handle


def on_list(*results: Any) -> Callable[[Message], object]:
    """Behave, but list the tools in these answers, the last of them again and again."""
    left = list(results)

    def handle(message: Message) -> None:
        if message.get("method") != "tools/list":
            behave(message)
        else:
            send(id=message["id"], result=left.pop(0) if len(left) > 1 else left[0])

    return handle


def lists(**fields: Any) -> Callable[[Message], object]:
    """Behave, but list one tool, with these fields changed."""
    return on_list({"tools": [{**TOOL, **fields}]})


def crash(message: Message) -> None:
    complain("reading the star map\nno such star: Xanadu\n")
    os._exit(7)


def babble(message: Message) -> None:
    for line in ("Welcome to the rogue server!", "", "[1, 2", "42", '{"id": []}', "[" * 100_000):
        write(line + "\n")
    write(b"\xff\xfe\n")
    behave(message)


def misnumber(message: Message) -> None:
    for number in (str(message["id"]), [message["id"]], message["id"] + 1000):
        send(id=number, result=text_result("for someone else"))


def flood(message: Message) -> None:
    complain("a line of the log\n" * 20_000 + "x" * 300_000)
    behave(message)


def ask_first(message: Message) -> None:
    """Answer only to a client that answers a ping, and refuses what it does not know."""
    send(method="notifications/message", params={"level": "info", "data": "hello"})
    send(method="notifications/tools/list_changed")
    send(id="p", method="ping")
    send(id=message["id"], method="sampling/createMessage", params={})
    answers = [json.loads(sys.stdin.readline()) for _ in range(2)]
    send(id=message["id"], result=text_result(json.dumps(answers)))


def hold(message: Message) -> None:
    """Answer five calls at once, the last first."""
    held.append(message)
    if len(held) == 5:
        for each in reversed(held):
            behave(each)


def batch(message: Message) -> None:
    log = {"jsonrpc": "2.0", "method": "notifications/message", "params": {}}
    answer = {"jsonrpc": "2.0", "id": message["id"], "result": text_result("one of two")}
    write(json.dumps([answer, log]) + "\n")


def in_pieces(message: Message) -> None:
    text = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": text_result("一二")})
    for piece in (text[:30], text[30:], "\r\n"):
        write(piece)
        time.sleep(0.02)


def cut_off(message: Message) -> None:
    write(f'{{"jsonrpc": "2.0", "id": {message["id"]}, "result": {{"content"')
    os._exit(0)


def unfinished(message: Message) -> None:
    answer = {"jsonrpc": "2.0", "id": message["id"], "result": text_result("the last word")}
    write(json.dumps(answer))
    os._exit(0)


def hang_up(message: Message) -> None:
    os.close(1)
    time.sleep(60)


def late_once(message: Message) -> None:
    if not held:
        held.append(message)
        time.sleep(0.4)
    behave(message)


def speaks(version: str) -> Callable[[Message], object]:
    return lambda message: behave(message, version)


def answers(**fields: Any) -> Callable[[Message], object]:
    """Answer calls with these fields beside the id."""
    return on_call(lambda message: send(id=message["id"], **fields))


def refuse(message: Message) -> None:
    if "id" in message:
        send(id=message["id"], error={"code": -32601, "message": "Method not found"})


def newer(message: Message) -> None:
    """Know no handshake, and no revision that there is."""
    if message.get("method") == "server/discover":
        send(id=message["id"], result={"supportedVersions": ["2099-01-01"]})
    else:
        refuse(message)


MODES: dict[str, Callable[[Message], object]] = {
    "behave": behave,
    "silent": lambda message: None,
    "silent-call": on_call(lambda message: None),
    "late-once": on_call(late_once),
    "crash-at-start": crash,
    "crash-mid-call": on_call(crash),
    "garbage": babble,
    "garbage-only": lambda message: write("Listening on port 8080\n\n"),
    "echo": lambda message: write(json.dumps(message) + "\n"),
    "refuse": refuse,
    "newer": newer,
    "log-only": on_call(lambda message: send(method="notifications/message", params={})),
    "wrong-id": on_call(misnumber),
    "wrong-version": speaks("1999-01-01"),
    "no-version": lambda message: send(id=message["id"], result={}),
    "old-version": speaks("2024-11-05"),
    "flood-stderr": flood,
    "huge-line": on_call(lambda m: send(id=m["id"], result=text_result("字" * 3_000_000))),
    "error": answers(error={"code": -32602, "message": "Unknown tool", "data": {"known": ["a"]}}),
    "odd-error": answers(error="no"),
    "no-result": answers(),
    "list-result": answers(result=[1]),
    "odd-content": answers(
        result={"content": [7, {"type": "hologram"}, {"type": "text", "text": 7}]}
    ),
    "no-content": answers(result={"content": "text"}),
    "data-only": answers(result={"content": [], "structuredContent": {"星": [1, 2]}}),
    "silent-error": answers(result={"content": [], "isError": True}),
    "surrogate": answers(result=text_result("half \ud800 a pair")),
    "asks-back": answers(result={"resultType": "input_required", "inputRequests": {}}),
    "asks-first": on_call(ask_first),
    "reversed": on_call(hold),
    "batch": on_call(batch),
    "in-pieces": on_call(in_pieces),
    "cut-off": on_call(cut_off),
    "unfinished": on_call(unfinished),
    "hang-up": on_call(hang_up),
    "deaf": on_call(lambda message: time.sleep(60)),
    "pages": on_list(
        {"tools": [TOOL], "nextCursor": ""},
        {"tools": [{**TOOL, "name": "sing"}], "nextCursor": "c"},
        {"tools": [{**TOOL, "name": "hum"}]},
    ),
    "circle": on_list({"tools": [], "nextCursor": "again"}),
    "no-list": on_list({"tools": "say"}),
    "nameless": on_list({"tools": [{"inputSchema": {"type": "object"}}]}),
    "odd-properties": lists(inputSchema={"type": "object", "properties": []}),
    "odd-required": lists(inputSchema={"type": "object", "required": [[]]}),
    "odd-hints": lists(annotations=["readOnlyHint"], description=None),
}


def read_on(handle: Callable[[Message], object], log: Path | None) -> None:
    for line in iter(sys.stdin.readline, ""):
        if log:
            with log.open("a", encoding="utf-8") as stream:
                stream.write(line)
        handle(json.loads(line))
    if log:
        with log.open("a", encoding="utf-8") as stream:
            stream.write("the end\n")


def main() -> None:
    sys.stdin.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    mode, log = sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else None
    if mode == "exit-at-once":
        complain("the licence has run out\n")
        sys.exit(3)
    if mode == "ping-at-once":
        send(id=0, method="ping")
        held.append(json.loads(sys.stdin.readline()))  # initialize, or the answer
        held.append(json.loads(sys.stdin.readline()))
        behave(next(each for each in held if each.get("method")))
    if mode == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if mode == "launcher":  # as npx and the like: the server proper is a child of what was started
        sys.exit(subprocess.call([sys.executable, __file__, "stays", *sys.argv[2:]]))
    stays = mode in ("stays", "stubborn")
    if stays and log:
        log.write_text(f"{os.getpid()}\n")
    read_on(MODES.get(mode, behave), log)
    if stays:  # although its input was closed
        time.sleep(60)


if __name__ == "__main__":
    main()
