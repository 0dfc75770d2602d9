"""Reads the JSON that models write: one value, whatever follows it, and the slips they make.

First as JSON, where a line break inside a string is let pass; then as JSON5, which knows single
quotes, bare keys, comments and trailing commas, and with Python's True, False and None. What is not
finished stays an error: a call whose end was cut off is not the call that was meant. What comes out
can be written as JSON again: no NaN, no number of five thousand digits, no half of an emoji.
Chapter 42 shows the slips.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable

MAX_JSON5_CHARS = 10_000  # that parser is written in Python: some 40,000 characters a second
MAX_DEPTH = 50  # whatever writes the value again has to go as deep
MAX_NAME_CHARS = 100

INVISIBLE = "\ufeff\u200b\u200c\u200e\u200f\u2060"
"""Characters without width, which tokens from web pages carry along."""

_BLANK = re.compile(rf"[\s{INVISIBLE}]*+")
_FENCE = re.compile(r"```\w*|json5?(?=\s)", re.IGNORECASE)
_STRING_OR_WORD = re.compile(
    r""""(?:[^"\\]|\\.)*+(?:"|\Z)|'(?:[^'\\]|\\.)*+(?:'|\Z)|\b(?:True|False|None)\b""", re.DOTALL
)
_PYTHON = {"True": "true", "False": "false", "None": "null"}  # of equal length: places stay
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = "\"'\\/bfnrtvux0\n\r"
_CHINESE = "“”‘’：，｛｝"
_TOO_DEEP = f"the JSON is nested more than {MAX_DEPTH} deep"


def read_object(text: str, start: int = 0) -> dict[str, object]:
    """The JSON object that begins there; a code fence around it and what follows are let go.

    An object inside a JSON string is taken out of it. ValueError tells the model what is wrong
    """
    value, _ = read_value(text, start)
    if isinstance(value, str) and begins_object(value):
        value, _ = read_value(value)
    if not isinstance(value, dict):
        raise ValueError(f"a JSON object in braces is needed, not {excerpt(text[start:])}")
    return value


def read_value(text: str, start: int = 0) -> tuple[object, int]:
    """The JSON value that begins there, and the place where it ends.

    ValueError tells the model what is wrong
    """
    start = body_start(text, start)
    try:
        value, end = _DECODER.raw_decode(text, start)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except json.JSONDecodeError as error:
        value, end = _read_json5(text, start, error)
    except ValueError as error:  # a key twice, a number of 5,000 digits
        raise ValueError(f"the JSON cannot be read: {str(error).split(';')[0]}") from None
    return _writable(value), end


def begins_object(text: str) -> bool:
    """Whether a JSON object, whole or not, stands at the start of a text."""
    return text.startswith("{", body_start(text))


def body_start(text: str, start: int = 0) -> int:
    """Where the text begins, after white space and the opening of a code fence."""
    start = _end(_BLANK.match(text, start), start)
    fence_end = _end(_FENCE.match(text, start), start)
    return _end(_BLANK.match(text, fence_end), fence_end)


def named_call(value: dict[str, object]) -> tuple[str, object]:
    """Name and input of a call that is written as one object, under any of the usual keys.

    The input is None where there is none. ValueError if there is no name
    """
    for wrapper in ("function", "tool_call"):
        if isinstance(inner := value.get(wrapper), dict):
            value = inner
    names = [
        value[key] for key in ("name", "action", "tool", "tool_name", "function") if key in value
    ]
    if not names or not isinstance(names[0], str):
        raise ValueError('the call has no "name"')
    keys = ("arguments", "action_input", "parameters", "input", "args", "tool_input")
    return tool_name(names[0]), next((value[key] for key in keys if key in value), None)


def tool_name(text: str) -> str:
    """The name of a tool, whether there is one or not. ValueError if it can be none's."""
    name = text.strip()
    if not 0 < len(name) <= MAX_NAME_CHARS:
        raise ValueError(f"{excerpt(name)!r} is no tool's name")
    return name


def encodable(text: str) -> str:
    """The text with the halves of an emoji joined; UTF-8 cannot carry one alone: it is replaced."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def excerpt(text: str) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= 40 else line[:40] + "..."


def _once(items: Iterable[tuple[str, object]]) -> dict[str, object]:
    """A JSON object. ValueError if a key is there twice: nobody knows which was meant."""
    pairs = list(items)
    found = dict(pairs)
    if len(found) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {excerpt(twice)!r} is there twice")
    return found


_DECODER = json.JSONDecoder(strict=False, object_pairs_hook=_once)


def _read_json5(text: str, start: int, problem: json.JSONDecodeError) -> tuple[object, int]:
    """The JSON5 value there, and its end. ValueError with JSON's problem if there is none."""
    import json5

    chunk = _STRING_OR_WORD.sub(
        lambda match: _PYTHON.get(match.group(), match.group()),
        text[start : start + MAX_JSON5_CHARS],
    )
    if not chunk:  # the library has an error of its own for this
        raise ValueError(_described(problem))
    try:
        value, error, end = json5.parse(
            chunk, consume_trailing=False, strict=False, object_pairs_hook=_once
        )
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except (ValueError, OverflowError) as failure:
        value, error, end = None, str(failure), 0
    if error and error.startswith("<string>"):  # a place in the text: it is no JSON5 either
        raise ValueError(_described(problem))
    if error:
        raise ValueError(f"the JSON cannot be read: {error.split(';')[0]}")
    if any(escaped not in _ESCAPES for escaped in _ESCAPE.findall(chunk[:end])):
        # JSON5 would drop the backslash: "\d+" is no "d+".
        raise ValueError(r"a backslash in a JSON string has to be written twice: \\")
    return value, start + end


def _writable(value: object) -> object:
    """The value as it is after being written and read. ValueError if it cannot be written."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _inside(outer)]
    if level:
        raise ValueError(_TOO_DEEP)
    try:
        written = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise ValueError("a number in the JSON is too long, infinite or no number") from None
    return json.loads(encodable(written))


def _inside(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _described(problem: json.JSONDecodeError) -> str:
    """What is wrong with a JSON text, and where."""
    rest = problem.doc[problem.pos : problem.pos + 200].strip()
    where = f"here: {excerpt(rest)}" if rest else "it ends too early"
    what = problem.msg.removesuffix(" starting at")
    chinese = bool(rest) and rest[0] in _CHINESE
    hint = "; use straight quotes and half-width punctuation" if chinese else ""
    return f"the JSON is broken or not finished ({what}; {where}{hint})"


def _end(match: re.Match[str] | None, otherwise: int) -> int:
    return match.end() if match else otherwise
