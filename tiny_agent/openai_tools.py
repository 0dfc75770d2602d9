"""The dialect of function calling: the server itself tells calls and text apart.

The tools travel beside the messages, and calls come back in a field of their own, several at a time
where the model likes. What is left to do is to distrust their arguments, which are a JSON text that
the model wrote. Source: https://platform.openai.com/docs/guides/function-calling.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .hermes import HermesToolCall, plain_answer, read_calls
from .json_input import encodable, read_object, tool_name
from .messages import Decision, Message, Reply, ToolCall, WireCall
from .protocols import Prompt, correction, said
from .tools import ToolRegistry


@dataclass(frozen=True)
class OpenAITools:
    """Calls in the server's own field; a reply without one is the answer."""

    name: str = "openai"

    def render(self, messages: Sequence[Message], tools: ToolRegistry) -> Prompt:
        """The conversation as it is: it is kept in this form."""
        turns = [_acceptable(message, tools) for message in messages]
        return Prompt(turns, [each.to_openai() for each in tools], ())

    def parse(self, reply: Reply, tools: ToolRegistry) -> Decision:
        """All calls of the reply, or none: if one is broken, no other is run.

        A server that does not know how its model calls leaves the calls in the text, as Hermes
        and Qwen write them.
        """
        cut_off = reply.finish_reason == "length"
        try:
            calls = [_read_call(*numbered, cut_off) for numbered in enumerate(reply.tool_calls)]
            calls = calls or read_calls(said(reply), tools)
        except ValueError as error:
            return correction(str(error), "Call it again, with all of its arguments as JSON")
        return calls or plain_answer(reply)

    def thought(self, reply: Reply, tools: ToolRegistry) -> str:
        """The text beside the calls; without a call it is the answer."""
        if reply.tool_calls:
            return said(reply).strip()
        return HermesToolCall().thought(reply, tools)

    def format_observation(self, message: Message) -> Message:
        """The message as it is: the protocol has a role for it."""
        return message.copy()


def _acceptable(message: Message, tools: ToolRegistry) -> Message:
    """The message; names that a model made up without the characters that OpenAI refuses."""
    message = message.copy()
    if "tool_calls" in message:
        message["tool_calls"] = [_renamed(wire, tools) for wire in message["tool_calls"]]
    return message


def _renamed(wire: WireCall, tools: ToolRegistry) -> WireCall:
    function = wire["function"]
    if tools.find(function["name"]):
        return wire
    name = re.sub(r"[^a-zA-Z0-9_-]", "_", function["name"])[:64]
    return {"id": wire["id"], "type": "function", "function": {**function, "name": name}}


def _read_call(place: int, wire: WireCall, cut_off: bool) -> ToolCall:
    """One call. ValueError says what is wrong with it."""
    function = wire["function"]
    name, arguments = tool_name(encodable(function["name"])), encodable(function["arguments"])
    identity = wire["id"] or f"call_{place}"
    if arguments.strip() in ("", "null") and not cut_off:  # how some models give a tool nothing
        return ToolCall(name, {}, identity)
    try:
        return ToolCall(name, read_object(arguments), identity)
    except ValueError as error:
        raise ValueError(f"the arguments of {name!r}: {error}") from error
