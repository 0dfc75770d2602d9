"""From a tool as a server lists it to a `Tool` of ours, and from its result to text.

A server is another's program: nothing it lists is taken for granted, least of all what it says of
its own harmlessness. Source: https://modelcontextprotocol.io/specification, server, tools. Chapter
42 shows it. Leaves out: showing images, reading the resources that a result points to.
"""

import json
import re
from collections.abc import Callable
from inspect import cleandoc
from typing import Any

from .tool_schema import Schema
from .tools import Tool, ToolError

Call = Callable[[str, dict[str, object]], str]


def as_tool(entry: Any, call: Call, prefix: str = "", trusted: bool = False) -> Tool:
    """A tool that a server lists, as one of ours; `call(name, arguments)` is what runs it.

    trusted: whether the server's word that a tool is read-only frees it from approval. Otherwise
    every tool needs it. ValueError if the entry is no tool
    """
    match entry:
        case {"name": str(name), "inputSchema": dict(schema)} if is_sound(schema):
            hints = entry.get("annotations")
        case _:
            raise ValueError(f"lists what is no tool: {excerpt(entry)}")
    read_only = isinstance(hints, dict) and hints.get("readOnlyHint") is True
    # What every chat server allows in a name
    own_name = re.sub(r"[^a-zA-Z0-9_-]", "_", prefix + name)[:64]
    return Tool(
        name=own_name,
        description=cleandoc(str(entry.get("description") or entry.get("title") or name)),
        parameters={"properties": {}, **schema},
        function=lambda **arguments: call(name, arguments),
        check=lambda arguments: check_names(own_name, schema, arguments),
        needs_approval=not (trusted and read_only),
        timeout_s=None,  # the call has a limit of its own, at which it also tells the server
    )


def is_sound(schema: Schema) -> bool:
    """Whether a schema is built as far as we rely on it: an object's, its names texts."""
    properties, required = schema.get("properties", {}), schema.get("required", [])
    lists_names = isinstance(required, list) and all(isinstance(name, str) for name in required)
    return schema.get("type") == "object" and isinstance(properties, dict) and lists_names


def check_names(tool: str, schema: Schema, arguments: dict[str, object]) -> dict[str, object]:
    """The arguments. ToolError if a required one is missing, or one has an unknown name.

    The rest is the server's to check. A schema that is composed of others may allow any name.
    """
    known = schema.get("properties", {})
    composed = any(
        key in schema for key in ("$ref", "allOf", "anyOf", "oneOf", "patternProperties")
    )
    more = composed or schema.get("additionalProperties", "properties" not in schema) is not False
    problems = [f"there is no argument {n!r}" for n in arguments if n not in known and not more]
    missing = [name for name in schema.get("required", []) if name not in arguments]
    problems += [f"the argument {name!r} is missing" for name in missing]
    if problems:
        listed = ", ".join(known) or "none"
        raise ToolError(f"{tool}: {'; '.join(problems)}. The arguments are: {listed}.")
    return arguments


def result_text(result: dict[str, Any]) -> str:
    """What a result says to a model: its texts, a note of all that is none, or else its data."""
    content = result.get("content")
    parts = content if isinstance(content, list) else []
    texts = [_part_text(part) for part in parts]
    data = result.get("structuredContent")
    if data is not None and not any(isinstance(p, dict) and p.get("type") == "text" for p in parts):
        texts.append(json.dumps(data, ensure_ascii=False))
    return "\n".join(texts).encode("utf-8", "replace").decode()  # half a surrogate pair is no text


def _part_text(part: Any) -> str:
    match part:
        case {"type": "text", "text": str(text)}:
            return text
        case {"type": "resource", "resource": {"uri": uri, "text": str(text)}}:
            return f"[{uri}]\n{text}"
        case {"type": "image" | "audio" as kind, "data": str(data)}:
            size = len(data) * 3 // 4  # of base64
            return f"[{kind}, {part.get('mimeType')}, about {size} bytes: not shown]"
        case {"type": "resource_link", "uri": uri} | {"type": "resource", "resource": {"uri": uri}}:
            return f"[resource {uri}: not read]"
    return f"[of a kind not known here: {excerpt(part)}]"


def excerpt(value: object) -> str:
    """The beginning of a value, for an error."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:200]}..."
