"""The dialect of Hermes and Qwen: a call is a JSON object between <tool_call> tags.

    <tool_call>
    {"name": "calculator", "arguments": {"expression": "2 + 2"}}
    </tool_call>

The system message is the one that the chat template of Qwen2.5 writes when it is given tools, so
that such a model reads what it was trained on, whatever server it runs behind. A reply without a
call is the answer. Chapter 42 explains it. Source: `chat_template` in Qwen2.5's tokenizer files.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from .json_input import read_object
from .messages import Decision, FinalAnswer, Message, Reply, ToolCall
from .protocols import Prompt, correction, join_turns, strip_reasoning, with_instructions
from .tools import ToolRegistry

_INSTRUCTIONS = """\
# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{tools}
</tools>

For each function call, return a json object with function name and arguments within \
<tool_call></tool_call> XML tags:
<tool_call>
{{"name": <function-name>, "arguments": <args-json-object>}}
</tool_call>"""

_REMEDY = 'Write <tool_call>\n{"name": ..., "arguments": {...}}\n</tool_call>, whole'
_OPEN = re.compile(r"<tool_call>", re.IGNORECASE)
_RESPONSE = re.compile(r"<tool_response>", re.IGNORECASE)


@dataclass(frozen=True)
class HermesToolCall:
    """Calls between <tool_call> tags, several in a reply where the model likes."""

    name: str = "hermes"
    stop: tuple[str, ...] = ("<tool_response>",)

    def render(self, messages: Sequence[Message], tools: ToolRegistry) -> Prompt:
        """Calls and results as text between tags."""
        specs = "\n".join(json.dumps(each.to_openai(), ensure_ascii=False) for each in tools)
        instructions = _INSTRUCTIONS.format(tools=specs) if specs else ""
        turns = join_turns(self._turn(message) for message in messages)
        return Prompt(with_instructions(turns, instructions), [], self.stop)

    def parse(self, reply: Reply, tools: ToolRegistry) -> Decision:
        """All calls of the reply, or none: if one is broken, no other is run."""
        text = _own_part(reply.text)
        bodies = _OPEN.split(text)[1:]
        if not bodies:
            answer = text.strip()
            if not answer:
                return correction("the reply is empty", "Call a tool, or answer the question")
            return FinalAnswer(answer)
        try:
            return [_read_call(body, place) for place, body in enumerate(bodies)]
        except ValueError as error:
            return correction(str(error), _REMEDY)

    def thought(self, reply: Reply, tools: ToolRegistry) -> str:
        """What stands before the first call."""
        return _OPEN.split(_own_part(reply.text))[0].strip()

    def format_observation(self, message: Message) -> Message:
        """The result between <tool_response> tags; a text that holds such a tag cannot end it."""
        content = message["content"].replace("</tool_response>", "< /tool_response>")
        return {"role": "user", "content": f"<tool_response>\n{content}\n</tool_response>"}

    def _turn(self, message: Message) -> Message:
        if message["role"] == "tool":
            return self.format_observation(message)
        parts = [message["content"]] if message["content"] else []
        for wire in message.get("tool_calls", ()):
            call = ToolCall.from_wire(wire)
            body = json.dumps({"name": call.name, "arguments": call.arguments}, ensure_ascii=False)
            parts.append(f"<tool_call>\n{body}\n</tool_call>")
        return {"role": message["role"], "content": "\n".join(parts)}


def _own_part(text: str) -> str:
    """What the model may say: not its reasoning, and no result that it made up."""
    return _RESPONSE.split(strip_reasoning(text))[0]


def _read_call(body: str, place: int) -> ToolCall:
    """One call. ValueError says what is wrong with it."""
    value = read_object(body)
    name, arguments = value.get("name"), value.get("arguments", value.get("parameters", {}))
    if not isinstance(name, str) or not name:
        raise ValueError('a call needs a "name"')
    if isinstance(arguments, str):  # JSON inside JSON
        arguments = read_object(arguments) if arguments.strip() else {}
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, dict):
        raise ValueError(f'the "arguments" of {name!r} must be a JSON object')
    return ToolCall(name, arguments, f"call_{place}")
