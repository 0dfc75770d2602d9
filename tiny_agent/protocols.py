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

from .json_input import INVISIBLE, encodable
from .messages import Decision, Message, ParseError, Reply
from .models import ToolSpec
from .tools import Tool, ToolRegistry

CORRECTION = "Format error: "
"""How a message begins that tells the model what was wrong with its reply."""

_BEGIN = re.compile(rf"[\s{INVISIBLE}]*+<think(?:ing)?>", re.IGNORECASE)
_END = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
# Within a line it counts where no quotation has begun: there it may be in an argument, or quoted.
_LONE_END = re.compile(
    r"""^[^"`\n]*</think(?:ing)?>|</think(?:ing)?>(?=[^\S\n]*+$)""", re.IGNORECASE | re.MULTILINE
)
_END_OF_TURN = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>")
_CONTROL = re.compile(
    r"<(?=/?(?:tool_call|tool_response|think|thinking)>|\|\w{1,40}\|>)", re.IGNORECASE
)


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


def said(reply: Reply) -> str:
    """What a model says in its reply: not its reasoning, nor the token that ends its turn."""
    text = encodable(reply.text).rstrip()
    for token in _END_OF_TURN:  # some servers leave it there
        text = text.removesuffix(token).rstrip()
    return strip_reasoning(text)


def strip_reasoning(text: str) -> str:
    """The text without the <think> blocks that it begins with, and without a lone </think>.

    Some servers send the end of a block whose beginning stood in the prompt. A block that was
    begun and not ended is all reasoning.
    """
    start = 0
    while begin := _BEGIN.match(text, start):
        end = _END.search(text, begin.end())
        if end is None:
            return ""
        start = end.end()
    text = text[start:]
    lone = _LONE_END.search(text)
    return text[lone.end() :] if lone and "<think" not in text[: lone.end()] else text


def nothing_said(reply: Reply) -> str:
    """The problem with a reply that says nothing."""
    if not reply.text.strip():
        return "the reply is empty"
    cut_off = ", which was cut off: think less" if reply.finish_reason == "length" else ""
    return f"there is nothing after the reasoning{cut_off}"


def defused(text: str) -> str:
    """The text with a space in the tags and tokens that mean something to a model or its server.

    "</tool_response>" in a tool's result would end it, "<|im_end|>" the whole turn.
    """
    return _CONTROL.sub("< ", text)


def correction(problem: str, remedy: str) -> ParseError:
    """The error that tells a model what was wrong with its reply, and what to write instead."""
    return ParseError(f"{CORRECTION}{problem}. {remedy}")


def is_correction(message: Message) -> bool:
    """Whether a message of the user's is one of ours about the format."""
    return message["role"] == "user" and message["content"].startswith(CORRECTION)


def with_instructions(messages: Sequence[Message], instructions: str) -> list[Message]:
    """The messages, with the instructions at the end of a system message that comes first."""
    if not instructions:
        return list(messages)
    if not messages or messages[0]["role"] != "system":
        return [{"role": "system", "content": instructions}, *messages]
    own = messages[0]["content"]
    content = f"{own}\n\n{instructions}" if own else instructions
    return [{"role": "system", "content": content}, *messages[1:]]


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
    required = tool.parameters.get("required", [])
    lines = [f"{tool.name}: {_one_line(tool.description)}"]
    for name, given in tool.parameters.get("properties", {}).items():
        schema = given if isinstance(given, dict) else {}  # true: anything goes
        default = f", default {_json(schema['default'])}" if "default" in schema else ""
        need = "required" if name in required else f"optional{default}"
        text = f": {_one_line(schema['description'])}" if "description" in schema else ""
        lines.append(f'  "{name}" ({type_name(schema, tool)}, {need}){text}')
    return "\n".join(lines)


def type_name(schema: object, tool: Tool, inside: tuple[str, ...] = ()) -> str:
    """A JSON Schema in a few words. inside: the references that it is part of, for a tree"""
    if not isinstance(schema, dict):
        return "any"
    if isinstance(reference := schema.get("$ref"), str):
        name = reference.rpartition("/")[2]
        definition = tool.parameters.get("$defs", {}).get(name)
        return name if name in inside else type_name(definition, tool, (*inside, name))
    if isinstance(
        values := schema.get("enum", [schema["const"]] if "const" in schema else None), list
    ):
        return " or ".join(map(_json, values))
    if isinstance(kinds := schema.get("anyOf", schema.get("oneOf")), list):
        return " or ".join(type_name(kind, tool, inside) for kind in kinds)
    if isinstance(items := schema.get("items"), dict):
        return f"array of {type_name(items, tool, inside)}"
    if isinstance(fields := schema.get("properties"), dict):
        parts = (f'"{key}": {type_name(field, tool, inside)}' for key, field in fields.items())
        return f"object {{{', '.join(parts)}}}"
    kind = schema.get("type", "any")
    return " or ".join(map(str, kind)) if isinstance(kind, list) else str(kind)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _one_line(text: object) -> str:
    return " ".join(str(text).split())
