"""Reads what a model wrote behind `Action:` and `Action Input:` as the call that it means.

| written | read as |
| --- | --- |
| `Action Input: {"query": "moonglass", "k": 2}` | these arguments |
| `Action Input: moonglass` | the only required parameter, if there is just one |
| `Action: search[moonglass]` or `search("moonglass")` | the same: the form of the ReAct paper |
| `Action: search(query="moonglass", k=2)` | these arguments |
| `Action: search {"query": "moonglass"}` | these arguments |
| `Action: {"action": "search", "action_input": ...}` | the form of LangChain's structured agents |

What is left open is an error, never a guess.
"""

import ast
import json
import re

from .json_input import body_start, read_object
from .messages import ToolCall
from .react_text import unfenced
from .tools import Tool, ToolRegistry

_IN_BRACKETS = re.compile(r"([\w.\-]+)\s*(?:\[(.*)\]|\((.*)\)|（(.*)）)", re.DOTALL)
_THEN_OBJECT = re.compile(r"([\w.\-]+)[ \t:：,，`*]*\n?\s*(```.*|\{.*)", re.DOTALL)
_KEYWORD = re.compile(r"\s*[A-Za-z_]\w*\s*=[^=]")
MAX_KEYWORD_CHARS = 10_000


def split_action(action: str, action_input: str | None) -> tuple[str, str]:
    """The tool's name, and the text of its input. ValueError if there is no name."""
    if action.startswith(("{", "```")):
        value = read_object(action)
        names = [value[key] for key in ("action", "name", "tool") if key in value]
        if not names or not isinstance(names[0], str):
            raise ValueError("the Action has no tool's name")
        keys = ("action_input", "arguments", "input", "args", "parameters")
        inputs = [value[key] for key in keys if key in value]
        given = inputs[0] if inputs else action_input or ""
        return names[0], given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    bare = action.strip("*`\"' ")
    together = _IN_BRACKETS.fullmatch(bare) or _THEN_OBJECT.fullmatch(bare)
    if together and not action_input:
        name, text = (group for group in together.groups() if group is not None)
        return name, text
    name = action.split("\n")[0].strip(" \t*_`'\"<>[]()。.：:")
    if not name:
        raise ValueError("the Action has no tool's name")
    return name, action_input or ""


def read_call(name: str, text: str, tools: ToolRegistry) -> ToolCall:
    """The call of a tool with the input written for it. ValueError if that is left open."""
    found = tools.find(name)
    if not text.strip():
        if found and found.parameters.get("required"):
            raise ValueError(f"the Action Input of {name} is missing")
        return ToolCall(name)
    if text[body_start(text) :].startswith("{"):
        return ToolCall(name, read_object(text))
    if (keywords := _keywords(text)) is not None:
        return ToolCall(name, keywords)
    if found is None or not found.parameters.get("properties"):
        # A wrong name has to be mended first; "None" is what models give a tool that takes nothing.
        return ToolCall(name)
    return ToolCall(name, {_lone_parameter(found): _unquoted(unfenced(text))})


def _lone_parameter(tool: Tool) -> str:
    parameter = tool.lone_parameter()
    if parameter is None:
        names = ", ".join(tool.parameters.get("properties", {})) or "none"
        message = f"the Action Input of {tool.name} must be a JSON object; arguments: {names}"
        raise ValueError(message)
    return parameter


def _unquoted(text: str) -> object:
    """A JSON string or list as what it stands for; any other text as it is."""
    try:
        value = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, (str, list)) else text


def _keywords(text: str) -> dict[str, object] | None:
    """The arguments of `query="moonglass", k=2`; None if the text is not of that form."""
    if len(text) > MAX_KEYWORD_CHARS or not _KEYWORD.match(text):
        return None
    try:
        call = ast.parse(f"f({text})", mode="eval").body
        keywords = call.keywords if isinstance(call, ast.Call) and not call.args else []
        values = {word.arg: ast.literal_eval(word.value) for word in keywords if word.arg}
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return None
    return values or None
