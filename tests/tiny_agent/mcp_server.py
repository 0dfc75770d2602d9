"""A well-behaved server, made with the official SDK, for tests of our client.

python mcp_server.py              serves revisions with a handshake, as any client asks first
python mcp_server.py --stateless  refuses the handshake, as a server of 2026-07-28 alone would
"""

import json
import os
import sys

import anyio
from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import (
    AudioContent,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
    ToolAnnotations,
)
from pydantic import BaseModel

server = MCPServer("universe", log_level="WARNING")
waiting: list[float] = []
crowds: list[int] = []
stopped: list[float] = []


class Planet(BaseModel):
    """What is known of a planet."""

    name: str
    moons: int


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def repeat(text: str, times: int = 1) -> str:
    """Say a text, one or several times.

    Args:
        text: What to say.
        times: How often.
    """
    return text * times


@server.tool(annotations=ToolAnnotations(destructive_hint=True))
def fail(reason: str) -> str:
    """Fail for a reason."""
    raise ToolError(reason)


@server.tool()
def planet(name: str) -> Planet:
    """Look a planet up."""
    return Planet(name=name, moons=2)


@server.tool(name="planet.picture")
def picture() -> Image:
    """Show a planet."""
    return Image(data=b"not really a picture", format="png")


@server.tool(structured_output=False)
def everything() -> list[
    TextContent | ImageContent | AudioContent | ResourceLink | EmbeddedResource
]:
    """Return one thing of each kind."""
    notes = TextResourceContents(uri="file:///notes.txt", mime_type="text/plain", text="笔记")
    return [
        TextContent(type="text", text="first"),
        ImageContent(type="image", data="AAAA", mime_type="image/png"),
        AudioContent(type="audio", data="AAAAAAAA", mime_type="audio/wav"),
        ResourceLink(type="resource_link", uri="file:///big.csv", name="big.csv"),
        EmbeddedResource(type="resource", resource=notes),
        TextContent(type="text", text="last"),
    ]


@server.tool()
async def slow(seconds: float) -> str:
    """Wait."""
    waiting.append(seconds)
    crowds.append(len(waiting))
    try:
        await anyio.sleep(seconds)
    except anyio.get_cancelled_exc_class():
        stopped.append(seconds)
        raise
    finally:
        waiting.remove(seconds)
    return f"waited {seconds:g} s"


@server.tool()
def waits_stopped() -> list[float]:
    """Which waits of `slow` were cancelled."""
    return stopped


@server.tool()
def most_waits() -> int:
    """How many waits of `slow` there were at once, at most."""
    return max(crowds)


@server.tool()
async def chatty(context: Context) -> str:
    """Send log lines and progress, ping the client, and ask it what it cannot answer."""
    await context.info("a line of the log")
    await context.report_progress(1, 2, "half way")
    await context.session.send_ping()
    try:
        await context.session.list_roots()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "it answered"


@server.tool()
def environment() -> dict[str, str]:
    """What the server finds in its environment."""
    return dict(os.environ)


def refuse_handshake() -> None:
    """Answer the first message, `initialize`, as a server does that has no such method."""
    request = json.loads(os.read(0, 65536))
    data = {"supported": ["2026-07-28"], "requested": request["params"]["protocolVersion"]}
    error = {"code": -32022, "message": "Unsupported protocol version", "data": data}
    answer = {"jsonrpc": "2.0", "id": request["id"], "error": error}
    os.write(1, json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    if "--stateless" in sys.argv:
        refuse_handshake()
    server.run("stdio")
