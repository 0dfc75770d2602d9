"""Reads what a model wrote behind `Action:` and `Action Input:` as the call that it means.

| written | read as |
| --- | --- |
| `Action Input: {"query": "moonglass", "k": 2}` | these arguments |
| `Action Input: query="moonglass", k=2` | these arguments |
| `Action Input: moonglass` | the only required parameter, if there is just one |
| `Action: search[moonglass]` or `search("moonglass")` | the same: the form of the ReAct paper |
| `Action: search(query="moonglass", k=2)` | these arguments |
| `Action: search {"query": "moonglass"}` | these arguments |
| `Action: {"action": "search", "action_input": ...}` | the form of LangChain's structured agents |

What is left open, or was cut off, is an error and never a guess.
"""

import json
import re

from .json_input import begins_object, named_call, read_object, read_value, tool_name
from .messages import ToolCall
from .react_text import unfenced
from .tools import Tool, ToolRegistry

_NAME = r"([\w./-]++)"
_CLOSING = {"[": "]", "(": ")", "（": "）", "【": "】"}
_OPENED = re.compile(rf"{_NAME}[ \t]{{0,3}}([\[(（【])")
_SEPARATED = re.compile(rf"{_NAME}[\s:：,，*`]{{0,8}}")
_ARGUMENT = re.compile(r"\s*+([^\W\d]\w*+)\s*+[=:：](?!=)")
_COMMA = re.compile(r"[^\S\n]*+(?:[,，\n]|\Z)")
_NOTHING = {"", "none", "null", "n/a", "无", "無"}
_QUOTES = {"'": "'", "“": "”", "‘": "’", "「": "」"}


def split_action(action: str, action_input: str | None, tools: ToolRegistry) -> tuple[str, str]:
    """The tool's name, and the text of its input. ValueError if either cannot be told."""
    if not action:
        raise ValueError("the Action names no tool")
    given = (action_input or "").strip()
    if begins_object(action):
        name, value = named_call(read_object(action))
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        return name, given if value is None else text
    bare = unfenced(action).strip("*`\"' ")
    first, _, rest = bare.partition("\n")
    first = first.strip()
    if tools.find(first):
        return first, given or (rest if begins_object(rest) else "")
    if opened := _OPENED.match(bare):
        name = tool_name(opened[1])
        return name, given or _in_brackets(bare[opened.end() :], name, opened[2])
    named = _SEPARATED.match(bare)
    if named and not given and begins_object(bare[named.end() :]):
        return tool_name(named[1]), bare[named.end() :]
    return tool_name(first.strip(" \t*_`'\"<>[]()。.：:,，")), given


def read_call(name: str, text: str, tools: ToolRegistry, cut_off: bool = False) -> ToolCall:
    """The call of a tool with the input written for it. ValueError if that is left open.

    cut_off: the reply ended for want of tokens, so that only an object is known to be whole
    """
    found = tools.find(name)
    if begins_object(text):
        return ToolCall(name, read_object(text))
    if cut_off:
        raise ValueError("the reply was cut off within the Action; think less and write it again")
    if text.strip(" \n\"'`().。").casefold() in _NOTHING:
        if found and found.parameters.get("required"):
            raise ValueError(f"the Action Input of {name} is missing; {_takes(found)}")
        return ToolCall(name)
    if found is None or not found.parameters.get("properties"):
        return ToolCall(name)  # a wrong name has to be mended first
    return ToolCall(name, _arguments(unfenced(text), found))


def read_answer(text: str) -> str:
    """The answer that was written as the input of an action: `Finish[42]`, `{"answer": "42"}`."""
    if begins_object(text):
        values = list(read_object(text).values())
        if len(values) == 1 and isinstance(values[0], str):
            return values[0].strip()
    value = _unquoted(unfenced(text))
    return value.strip() if isinstance(value, str) else text.strip()


def _in_brackets(text: str, name: str, opening: str) -> str:
    """What stands in brackets, the first of which is open. ValueError if they do not match."""
    if begins_object(text):
        return text
    closing, depth = _CLOSING[opening], 1
    for match in re.finditer(f"[{re.escape(opening + closing)}]", text):
        depth += 1 if match.group() == opening else -1
        if depth == 0:
            behind = text[match.end() :].partition("\n")[0]
            if behind.strip(" \t.。;；`*"):
                break
            return text[: match.start()].strip()
    raise ValueError(f"the brackets after {name} do not match; write the Action Input as JSON")


def _arguments(text: str, tool: Tool) -> dict[str, object]:
    """The arguments in a text that is no object. ValueError if it may mean several things."""
    known = tool.parameters["properties"]
    named = _ARGUMENT.match(text)
    if named and named[1] in known:
        return _named(text, tool)
    value = _unquoted(text)
    if isinstance(value, str) and begins_object(value):  # an object within a JSON string
        inner = read_object(value)
        if inner.keys() <= known.keys():
            return inner
    parameter = tool.lone_parameter()
    if parameter is None:
        raise ValueError(f"the Action Input of {tool.name} is no JSON object; {_takes(tool)}")
    return {parameter: value}


def _named(text: str, tool: Tool) -> dict[str, object]:
    """The arguments of `query="moonglass", k=2`. ValueError if the text is not of that form."""
    values: dict[str, object] = {}
    place = 0
    while place < len(text):
        argument = _ARGUMENT.match(text, place)
        name = argument[1] if argument else None
        if argument is None or name in values or name not in tool.parameters["properties"]:
            raise ValueError(f"the Action Input of {tool.name} is no JSON object; {_takes(tool)}")
        values[argument[1]], end = read_value(text, argument.end())
        comma = _COMMA.match(text, end)
        if comma is None:
            raise ValueError(f"the Action Input of {tool.name} is no JSON object; {_takes(tool)}")
        place = comma.end()
    return values


def _unquoted(text: str) -> object:
    """A quoted text or a JSON list as what it stands for; any other text as it is.

    ValueError if further values follow: nobody says which arguments they are
    """
    if text.startswith(('"', "[")):
        try:
            value, end = read_value(text)
        except ValueError:
            return text
        behind = text[end:].strip()
        if text.startswith('"') and behind.startswith(","):
            raise ValueError("arguments without names; write the Action Input as a JSON object")
        return text if behind or not isinstance(value, str | list) else value
    closing = _QUOTES.get(text[:1])
    if closing and len(text) > 1 and text.find(closing, 1) == len(text) - 1:
        return text[1:-1]
    return text


def _takes(tool: Tool) -> str:
    """What the arguments of a tool are called."""
    required = tool.parameters.get("required", [])
    names = [
        f"{name}{'' if name in required else ' (optional)'}"
        for name in tool.parameters["properties"]
    ]
    return f"its arguments are: {', '.join(names) or 'none'}"
