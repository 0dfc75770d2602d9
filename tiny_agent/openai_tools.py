"""The dialect of function calling: the server itself tells calls and text apart.

The tools travel beside the messages, and calls come back in a field of their own, several at a time
where the model likes. What is left to do is to distrust their arguments, which are a JSON text that
the model wrote. Source: https://platform.openai.com/docs/guides/function-calling.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from .json_input import read_object
from .messages import Decision, FinalAnswer, Message, Reply, ToolCall, WireCall
from .protocols import Prompt, correction, strip_reasoning
from .tools import ToolRegistry


@dataclass(frozen=True)
class OpenAITools:
    """Calls in the server's own field; a reply without one is the answer."""

    name: str = "openai"

    def render(self, messages: Sequence[Message], tools: ToolRegistry) -> Prompt:
        """The conversation as it is: it is kept in this form."""
        return Prompt([message.copy() for message in messages], [t.to_openai() for t in tools], ())

    def parse(self, reply: Reply, tools: ToolRegistry) -> Decision:
        """All calls of the reply, or none: if one is broken, no other is run."""
        calls = []
        for wire in reply.tool_calls:
            try:
                calls.append(_read_call(wire))
            except ValueError as error:
                name = wire["function"]["name"]
                return correction(f"the arguments of {name!r}: {error}", "Call it again, whole")
        if calls:
            return calls
        answer = self.thought(reply, tools)
        if not answer:
            return correction("the reply is empty", "Call a tool, or answer the question")
        return FinalAnswer(answer)

    def thought(self, reply: Reply, tools: ToolRegistry) -> str:
        """The text beside the calls."""
        return strip_reasoning(reply.text).strip()

    def format_observation(self, message: Message) -> Message:
        """The message as it is: the protocol has a role for it."""
        return message.copy()


def _read_call(wire: WireCall) -> ToolCall:
    function = wire["function"]
    arguments = function["arguments"]
    read = read_object(arguments) if arguments.strip() else {}
    return ToolCall(function["name"], read, wire["id"])
