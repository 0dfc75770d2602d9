"""Tool calls in a reply: what the template writes is found again, anything else stays text."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_blog.chat import render_chatml
from qwen_blog.tool_calls import ToolCall, ToolCallParser
from tests.qwen_blog.reference import PROPERTY

WEATHER = '<tool_call>\n{"name": "weather", "arguments": {"city": "巴黎"}}\n</tool_call>'
FOUND = ToolCall("weather", '{"city": "巴黎"}')


def parse(*pieces: str) -> list[str | ToolCall]:
    """All that comes of the pieces, neighbouring texts joined."""
    parser = ToolCallParser()
    found = [part for piece in pieces for part in parser.push(piece)] + parser.flush()
    joined: list[str | ToolCall] = []
    for part in found:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        else:
            joined.append(part)
    return joined


CASES = [
    (WEATHER, [FOUND]),
    (f"Let me see.\n{WEATHER}", ["Let me see.", FOUND]),
    (f"{WEATHER}\n{WEATHER}\n", [FOUND, FOUND]),
    (f"{WEATHER}\n\nDone. ", [FOUND, "Done. "]),
    ('<tool_call>{"name":"now","arguments":{}}</tool_call>', [ToolCall("now", "{}")]),
    # what is no call stays as it was written
    ("<tool_call>\n{bad}\n</tool_call>", None),
    ("a \n<tool_call>\n{bad}\n</tool_call>\n b", None),
    ('<tool_call>\n{"name": "weather"}\n</tool_call>', None),
    ('<tool_call>\n{"name": 5, "arguments": {}}\n</tool_call>', None),
    ('<tool_call>\n{"name": "f", "arguments": "{}"}\n</tool_call>', None),
    ('<tool_call>\n["f"]\n</tool_call>', None),
    ('<tool_call>\n{"name": "f", "arguments": {}}', None),
    ('{"name": "f", "arguments": {}}\n</tool_call>', None),
    ("1 < 2, <tool, <tool_cal", None),
    (" plain text \n", None),
    ("<tool_call>" + "[" * 100_000 + "</tool_call>", None),
    # one is wrong, one is right
    (
        f"<tool_call>no</tool_call>\n{WEATHER}<tool_call>",
        ["<tool_call>no</tool_call>", FOUND, "<tool_call>"],
    ),
    ("", []),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_calls_are_told_from_text(text: str, expected: list | None) -> None:
    assert parse(text) == ([text] if expected is None else expected)


@PROPERTY
@given(st.sampled_from(CASES[:-3] + CASES[-2:]), st.lists(st.integers(0, 120)))
def test_it_is_the_same_wherever_the_reply_was_cut(case: tuple, cuts: list[int]) -> None:
    text = case[0]
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[a:b] for a, b in itertools.pairwise(places)]
    assert parse(*pieces) == parse(text) == parse(*text)


def test_text_is_held_back_only_while_a_call_may_begin() -> None:
    parser = ToolCallParser()
    assert parser.push("1 < 2") == ["1 < 2"]
    assert parser.push("\n<tool") == []
    assert parser.push("box>") == ["\n<toolbox>"]
    assert parser.push(" ") == []  # it may be the template's
    assert parser.push("x") == [" x"]


def test_a_call_is_told_as_soon_as_it_is_closed() -> None:
    assert ToolCallParser().push(WEATHER) == [FOUND]


def test_what_the_chat_template_writes_is_read_back() -> None:
    calls = [
        {"function": {"name": "weather", "arguments": {"city": "巴黎"}}},
        {"function": {"name": "sum", "arguments": '{"of": [1, 2.5, "<b>", null]}'}},
    ]
    messages = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": "Two calls.", "tool_calls": calls},
    ]
    reply = render_chatml(messages).split("assistant\n")[1].removesuffix("<|im_end|>\n")
    text, first, second = parse(reply)
    assert (text, first) == ("Two calls.", FOUND)
    assert isinstance(second, ToolCall)
    assert (second.name, json.loads(second.arguments)) == ("sum", {"of": [1, 2.5, "<b>", None]})
