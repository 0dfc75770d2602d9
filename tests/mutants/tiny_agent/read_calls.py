import json
import re

from tiny_agent.json_input import named_call, read_value
from tiny_agent.messages import ToolCall


def as_calls(values):
    calls = []
    for value in values:
        if not isinstance(value, dict):
            raise ValueError("no object")
        name, given = named_call(value)
        if isinstance(given, str):
            given, _ = read_value(given) if given.strip() else ({}, 0)
        if given is not None and not isinstance(given, dict):
            raise ValueError("arguments that are no object")
        calls.append(ToolCall(name, given or {}, f"call_{len(calls)}"))
    return calls


def values_at(text, place):
    """All JSON values that stand there, and where they end."""
    value, place = read_value(text, place)
    values = list(value) if isinstance(value, list) else [value]
    while text[place:].lstrip().startswith("{"):
        value, place = read_value(text, place)
        values.append(value)
    return values, place


def lost_tags(text, tools):
    """The value that is all of a text; None if it is something else."""
    body = re.sub(r"\A\s*(```\w*\s)?\s*", "", text)
    named = re.match(r"""\{\s*["']name["']\s*:\s*["'](.+?)["']\s*,\s*["']arguments["']""", body)
    if not named or tools.find(named[1]) is None:
        return None
    value, end = read_value(body, 0)
    rest = body[end:].replace("```", "").strip()
    return value if rest in ("", "</tool_call>") else None


# %% right
def read_calls(text, tools):
    lone = lost_tags(text, tools)
    if lone is not None:
        return as_calls([lone])
    values, place, low = [], 0, text.lower()
    while True:
        at = low.find("<tool_", place)
        if at < 0:
            break
        begins = text[:at].rpartition("\n")[2].strip() == ""
        if low.startswith("<tool_response>", at) and begins:
            break
        end = at + len("<tool_call>")
        if low.startswith("<tool_call>", at) and (begins or text[end:].lstrip()[:1] in ("{", "[")):
            more, place = values_at(text, end)
            values.extend(more)
        else:
            place = at + 1
    if not values and text.rstrip().endswith("</tool_call>"):
        raise ValueError("a call ends that has not begun")
    return as_calls(values)


# %% wrong: what stands between the tags is cut out, though an argument may hold a tag
def read_calls(text, tools):
    lone = lost_tags(text, tools)
    if lone is not None:
        return as_calls([lone])
    text = re.split(r"^<tool_response>", text, maxsplit=1, flags=re.MULTILINE)[0]
    values = []
    for body in re.findall(r"<tool_call>(.*?)(?:</tool_call>|\Z)", text, re.DOTALL):
        if "{" in body:
            values += values_at(body, 0)[0]
    return as_calls(values)


# %% wrong: a broken call is passed over, and the others are run
def read_calls(text, tools):
    lone = lost_tags(text, tools)
    if lone is not None:
        return as_calls([lone])
    text = re.split(r"^<tool_response>", text, maxsplit=1, flags=re.MULTILINE)[0]
    calls = []
    for tag in re.finditer(r"<tool_call>\s*(?=[{\[]|```)", text):
        try:
            calls += as_calls(values_at(text, tag.end())[0])
        except ValueError:
            continue
    return [ToolCall(each.name, each.arguments, f"call_{n}") for n, each in enumerate(calls)]


# %% wrong: what the model made up behind a result of its own is run too
def read_calls(text, tools):
    lone = lost_tags(text, tools)
    if lone is not None:
        return as_calls([lone])
    values, place = [], 0
    tag = re.compile(r"^[^\S\n]*<tool_call>|<tool_call>(?=\s*[{\[])", re.IGNORECASE | re.MULTILINE)
    while found := tag.search(text, place):
        more, place = values_at(text, found.end())
        values += more
    if not values and text.rstrip().endswith("</tool_call>"):
        raise ValueError("a call ends that has not begun")
    return as_calls(values)


# %% wrong: an answer that speaks of the tag is a call
def read_calls(text, tools):
    lone = lost_tags(text, tools)
    if lone is not None:
        return as_calls([lone])
    text = re.split(r"^<tool_response>", text, maxsplit=1, flags=re.MULTILINE)[0]
    values, place = [], 0
    while (at := text.lower().find("<tool_call>", place)) >= 0:
        more, place = values_at(text, at + len("<tool_call>"))
        values += more
    if not values and text.rstrip().endswith("</tool_call>"):
        raise ValueError("a call ends that has not begun")
    return as_calls(values)


# %% wrong: only strict JSON is read
def read_calls(text, tools):
    body = re.sub(r"\A\s*(```\w*\s)?\s*|```\s*\Z|</tool_call>\s*\Z", "", text)
    try:
        lone = json.loads(body)
    except ValueError:
        lone = None
    if isinstance(lone, dict) and "arguments" in lone and tools.find(str(lone.get("name"))):
        return as_calls([lone])
    text = re.split(r"^<tool_response>", text, maxsplit=1, flags=re.MULTILINE)[0]
    decoder, values, place = json.JSONDecoder(strict=False), [], 0
    fence = r"\s*(?:```\w*\s*)?"
    tag = re.compile(rf"^[^\S\n]*<tool_call>{fence}|<tool_call>{fence}(?=[{{\[])", re.MULTILINE)
    while found := tag.search(text, place):
        place = found.end()
        while place == found.end() or text.startswith("{", place):
            value, place = decoder.raw_decode(text, place)
            values += value if isinstance(value, list) else [value]
            place += len(text[place:]) - len(text[place:].lstrip())
    return as_calls(values)
