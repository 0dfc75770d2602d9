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

from .json_input import body_start, excerpt, named_call, read_object, read_value
from .messages import Decision, FinalAnswer, Message, ParseError, Reply, ToolCall
from .protocols import (
    Prompt,
    correction,
    defused,
    join_turns,
    nothing_said,
    said,
    with_instructions,
)
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

_REMEDY = """\
Write each call whole, as one JSON object:
<tool_call>
{"name": ..., "arguments": {...}}
</tool_call>"""
# Within a sentence a tag is one only where a call follows: the answer may be about tags.
_TAG = re.compile(
    r"(?:^[^\S\n]*+|(?=<tool_call>\s*+[{\[]))<tool_(?:(?P<call>call)|response)>",
    re.IGNORECASE | re.MULTILINE,
)
_BARE = re.compile(
    r"""\{\s*+["']name["']\s*+:\s*+["']([^"'\n]{1,100})["']\s*+,\s*+["']arguments["']"""
)


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
        try:
            calls = read_calls(said(reply), tools)
        except ValueError as error:
            return correction(str(error), _REMEDY)
        return calls or plain_answer(reply)

    def thought(self, reply: Reply, tools: ToolRegistry) -> str:
        """What stands before the first call; without a call all of it is the answer."""
        text = said(reply)
        tag = _TAG.search(text)
        return text[: tag.start()].strip() if tag and tag["call"] else ""

    def format_observation(self, message: Message) -> Message:
        """The result between <tool_response> tags; a text that holds such a tag cannot end it."""
        content = defused(message["content"])
        return {"role": "user", "content": f"<tool_response>\n{content}\n</tool_response>"}

    def _turn(self, message: Message) -> Message:
        if message["role"] == "tool":
            return self.format_observation(message)
        calls = [ToolCall.from_wire(wire) for wire in message.get("tool_calls", ())]
        content = message["content"]
        if calls:  # the text beside them may hold tags that called nothing
            content = defused(content)
        parts = [content] if content else []
        for call in calls:
            body = json.dumps({"name": call.name, "arguments": call.arguments}, ensure_ascii=False)
            parts.append(f"<tool_call>\n{body}\n</tool_call>")
        return {"role": message["role"], "content": "\n".join(parts)}


def read_calls(text: str, tools: ToolRegistry) -> list[ToolCall]:
    """The calls in a text, in order, with the ids call_0, call_1 ...; [] if there is none.

    A call is a JSON object {"name": ..., "arguments": {...}} behind the tag <tool_call>, which
    counts where it begins a line, or where a { or [ is next: an answer may speak of tags. Behind
    one tag may stand several objects, or a list of them; the tag that closes it may be missing.
    Whatever follows a <tool_response> that begins a line was made up. A text that is nothing but
    an object with the name of a tool and "arguments" is a call that has lost its tags, and so is
    one with nothing but a </tool_call> behind it; a code fence around it is let pass.
    The arguments may be a JSON string that holds the object, null or missing: then there are none.
    `json_input` reads the JSON with the slips that models make (`read_value`), and the object with
    the keys that they use (`named_call`).
    ValueError says what is wrong with a call, and then no other is returned: it is not finished,
    or has no name, or arguments that are no object, or a </tool_call> ends the text without a call
    """
    bare = _BARE.match(text, body_start(text))
    if bare and tools.find(bare[1]):
        objects, end = _objects(text, 0)
        if text[end:].strip("` \n") in ("", "</tool_call>"):
            return _calls(objects)
    objects, place = [], 0
    while (tag := _TAG.search(text, place)) and tag["call"]:
        more, place = _objects(text, tag.end())
        objects += more
    if not objects and text.rstrip().endswith("</tool_call>"):
        raise ValueError("there is a </tool_call> without a <tool_call>")
    return _calls(objects)


def plain_answer(reply: Reply) -> FinalAnswer | ParseError:
    """The answer of a reply that calls nothing, without a result that it made up."""
    text = said(reply)
    tag = _TAG.search(text)
    answer = text[: tag.start() if tag else None].strip()
    if not answer:
        return correction(nothing_said(reply), "Call a tool, or answer the question")
    return FinalAnswer(answer)


def _objects(text: str, start: int) -> tuple[list[object], int]:
    """What begins there, and where it ends: an object, several in a row, or a list of them."""
    objects: list[object] = []
    while not objects or text.startswith("{", body_start(text, start)):
        value, start = read_value(text, start)
        objects += value if isinstance(value, list) else [value]
    return objects, start


def _calls(objects: list[object]) -> list[ToolCall]:
    return [_call(value, place) for place, value in enumerate(objects)]


def _call(value: object, place: int) -> ToolCall:
    """One call. ValueError says what is wrong with it."""
    if not isinstance(value, dict):
        raise ValueError(f"a call is a JSON object, not {excerpt(json.dumps(value))}")
    name, arguments = named_call(value)
    if isinstance(arguments, str):  # JSON inside JSON
        arguments = read_object(arguments) if arguments.strip() else {}
    arguments = {} if arguments is None else arguments
    if not isinstance(arguments, dict):
        raise ValueError(f'the "arguments" of {name!r} must be a JSON object')
    return ToolCall(name, arguments, f"call_{place}")
