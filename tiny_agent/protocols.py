"""What a dialect is: how a model asks for a tool, and is told what came of it.

| dialect | a call is | the tools stand in |
| --- | --- | --- |
| `react.ReActText` | two lines, `Action:` and `Action Input:` | the system message |
| `hermes.HermesToolCall` | `<tool_call>{"name": ..., ...}</tool_call>` | the system message |
| `openai_tools.OpenAITools` | a field of the server's reply | a field of the request |

`render` turns the conversation into what the model reads, `parse` its reply into a decision,
`format_observation` a result into a message. A conversation is kept free of dialect (`messages`),
so a call that was written sloppily is read back by the model in its proper form. Chapter 42
compares the three.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from .messages import Decision, Message, ParseError, Reply
from .models import ToolSpec
from .tools import Tool, ToolRegistry

CORRECTION = "Format error: "
"""How a message begins that tells the model what was wrong with its reply."""

_REASONING = re.compile(r"\A\s*<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL)
_LONE_END = re.compile(r"\A.*?</think(?:ing)?>", re.DOTALL)


@dataclass(frozen=True)
class Prompt:
    """All that a model is sent."""

    messages: list[Message]
    tools: list[ToolSpec]
    stop: tuple[str, ...]


class Dialect(Protocol):
    """One way of calling tools."""

    @property
    def name(self) -> str:
        """What the command line calls it."""
        ...

    def render(self, messages: Sequence[Message], tools: ToolRegistry) -> Prompt:
        """What the model reads. The tools' instructions follow a leading system message."""
        ...

    def parse(self, reply: Reply, tools: ToolRegistry) -> Decision:
        """What the reply asks for. Raises nothing, whatever the reply."""
        ...

    def thought(self, reply: Reply, tools: ToolRegistry) -> str:
        """What the model said before it called or answered; empty if nothing."""
        ...

    def format_observation(self, message: Message) -> Message:
        """A message of the role "tool", as this dialect's model reads it."""
        ...


def strip_reasoning(text: str) -> str:
    """The text without the <think> blocks that it begins with, and without a lone </think>.

    Some servers send the end of a block whose beginning stood in the prompt. A block that was
    begun and not ended is all reasoning.
    """
    while _REASONING.match(text):
        text = _REASONING.sub("", text, count=1)
    end = _LONE_END.match(text)
    if end and "<think" not in end.group():
        return text[end.end() :]
    return text


def correction(problem: str, remedy: str) -> ParseError:
    """The error that tells a model what was wrong with its reply, and what to write instead."""
    return ParseError(f"{CORRECTION}{problem}. {remedy}")


def is_correction(message: Message) -> bool:
    """Whether a message of the user's is one of ours about the format."""
    return message["role"] == "user" and message["content"].startswith(CORRECTION)


def with_instructions(messages: Sequence[Message], instructions: str) -> list[Message]:
    """The messages, with the instructions at the end of one system message that comes first."""
    first, rest = ([messages[0]], messages[1:]) if _starts_with_system(messages) else ([], messages)
    parts = [message["content"] for message in first] + [instructions]
    return [{"role": "system", "content": "\n\n".join(filter(None, parts))}, *rest]


def join_turns(messages: Iterable[Message]) -> list[Message]:
    """Neighbours of one role as one message: many chat templates want the roles to alternate."""
    joined: list[Message] = []
    for message in messages:
        if joined and joined[-1]["role"] == message["role"] != "system":
            content = f"{joined[-1]['content']}\n{message['content']}"
            joined[-1] = {"role": message["role"], "content": content}
        else:
            joined.append({"role": message["role"], "content": message["content"]})
    return joined


def describe(tool: Tool) -> str:
    """A tool in a few lines of text: what it does, and the JSON object that it takes."""
    properties = tool.parameters.get("properties", {})
    required = tool.parameters.get("required", [])
    lines = [f"{tool.name}: {' '.join(tool.description.split())}"]
    for name, schema in properties.items():
        default = f", default {json.dumps(schema['default'])}" if "default" in schema else ""
        need = "required" if name in required else f"optional{default}"
        text = f": {schema['description']}" if "description" in schema else ""
        lines.append(f'  "{name}" ({type_name(schema, tool)}, {need}){text}')
    return "\n".join(lines)


def type_name(schema: dict[str, object], tool: Tool) -> str:
    """A JSON Schema in a word where one will do, else as JSON."""
    if isinstance(reference := schema.get("$ref"), str):
        definitions = tool.parameters.get("$defs", {})
        return type_name(definitions.get(reference.rpartition("/")[2], {}), tool)
    if isinstance(values := schema.get("enum"), list):
        return " or ".join(json.dumps(value, ensure_ascii=False) for value in values)
    if isinstance(kinds := schema.get("anyOf"), list):
        return " or ".join(type_name(kind, tool) for kind in kinds)
    if isinstance(items := schema.get("items"), dict):
        return f"array of {type_name(items, tool)}"
    if isinstance(fields := schema.get("properties"), dict):
        inner = ", ".join(f'"{key}": {type_name(field, tool)}' for key, field in fields.items())
        return f"object {{{inner}}}"
    return str(schema.get("type", "any"))


def _starts_with_system(messages: Sequence[Message]) -> bool:
    return bool(messages) and messages[0]["role"] == "system"
