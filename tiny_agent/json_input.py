"""Reads the JSON that models write: one value, whatever follows it, and the slips they make.

First as JSON, where a line break inside a string is let pass; then as JSON5, which knows single
quotes, bare keys, comments and trailing commas. What is not finished stays an error: a call whose
end was cut off is not the call that was meant. Chapter 42 shows the slips.
"""

import json
import re

MAX_JSON5_CHARS = 20_000  # that parser is written in Python: some 100,000 characters a second

_FENCE = re.compile(r"\s*```[ \t]*(?:json5?|JSON)?[ \t]*\n?")
_DECODER = json.JSONDecoder(strict=False)


def read_object(text: str) -> dict[str, object]:
    """The JSON object at the start of a text; a code fence around it and what follows are let go.

    ValueError says what is wrong with it, for the model to read
    """
    start = body_start(text)
    try:
        value, _ = _DECODER.raw_decode(text, start)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    except ValueError as error:
        value = _read_json5(text[start:], str(error))
    if not isinstance(value, dict):
        raise ValueError(f"a JSON object in braces is needed, not {_excerpt(text[start:])}")
    return value


def body_start(text: str) -> int:
    """Where the text begins, after white space and the opening of a code fence."""
    fence = _FENCE.match(text)
    start = fence.end() if fence else 0
    return start + len(text[start:]) - len(text[start:].lstrip())


def _read_json5(text: str, problem: str) -> object:
    """The JSON5 value at the start. ValueError with the problem that JSON had if there is none."""
    import json5

    if len(text) > MAX_JSON5_CHARS:
        raise ValueError(f"the JSON is broken: {problem}")
    try:
        value, error, _ = json5.parse(text, consume_trailing=False)
    except (ValueError, RecursionError, OverflowError):  # 1e999 as a key, ten thousand brackets
        error = "broken"
    if error:
        raise ValueError(f"the JSON is broken or not finished: {problem}")
    return value


def _excerpt(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 40 else line[:40] + "..."
