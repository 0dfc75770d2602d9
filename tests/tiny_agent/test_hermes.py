"""Hermes and Qwen: the model reads what it was trained on, and its calls are read back."""

import pytest

from tests.tiny_agent.replies import REPLIES, TOOLS, Error, Row, now, search
from tiny_agent.hermes import HermesToolCall, read_calls
from tiny_agent.messages import FinalAnswer, Message, ParseError, Reply, ToolCall
from tiny_agent.protocols import said
from tiny_agent.tools import ToolRegistry

HERMES = HermesToolCall()
TWO = ToolRegistry([search, now])
USER: Message = {"role": "user", "content": "What is moonglass?"}

# Compared with what the chat template of Qwen2.5 makes of the same messages and tools.
SYSTEM = """\
Be brief.

# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{"type": "function", "function": {"name": "search", "description": "Look something up.", \
"parameters": {"additionalProperties": false, "properties": {"query": {"description": "What to \
look for.", "type": "string"}, "k": {"default": 3, "description": "How many hits.", \
"type": "integer"}}, "required": ["query"], "type": "object"}}}
{"type": "function", "function": {"name": "now", "description": "Say what time it is.", \
"parameters": {"additionalProperties": false, "properties": {}, "type": "object"}}}
</tools>

For each function call, return a json object with function name and arguments within \
<tool_call></tool_call> XML tags:
<tool_call>
{"name": <function-name>, "arguments": <args-json-object>}
</tool_call>"""


def test_the_conversation_is_byte_for_byte_what_qwen_was_trained_on() -> None:
    calls = [ToolCall("search", {"query": "月 <b>\n"}, "a"), ToolCall("now", {}, "b")]
    conversation: list[Message] = [
        {"role": "system", "content": "Be brief."},
        USER,
        {
            "role": "assistant",
            "content": "I look twice.",
            "tool_calls": [call.to_wire() for call in calls],
        },
        {"role": "tool", "content": "blue", "tool_call_id": "a"},
        {"role": "tool", "content": "12:00", "tool_call_id": "b"},
        {"role": "assistant", "content": "It is blue."},
    ]
    prompt = HERMES.render(conversation, TWO)
    assert prompt.messages == [
        {"role": "system", "content": SYSTEM},
        USER,
        {
            "role": "assistant",
            "content": "I look twice.\n"
            '<tool_call>\n{"name": "search", "arguments": {"query": "月 <b>\\n"}}\n</tool_call>\n'
            '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>',
        },
        {
            "role": "user",
            "content": "<tool_response>\nblue\n</tool_response>\n"
            "<tool_response>\n12:00\n</tool_response>",
        },
        {"role": "assistant", "content": "It is blue."},
    ]
    assert prompt.tools == []
    assert prompt.stop == ("<tool_response>",)


def test_without_words_a_call_begins_the_turn() -> None:
    own: Message = {"role": "assistant", "content": "", "tool_calls": [ToolCall("now").to_wire()]}
    turn = HERMES.render([USER, own], TWO).messages[-1]
    assert turn["content"].startswith("<tool_call>\n")


def test_words_beside_a_call_hold_no_tags() -> None:
    own: Message = {
        "role": "assistant",
        "content": "<think> or <tool_call>{}",
        "tool_calls": [ToolCall("now").to_wire()],
    }
    turn = HERMES.render([USER, own], TWO).messages[-1]
    assert turn["content"].startswith("< think> or < tool_call>{}\n<tool_call>\n")


def test_without_tools_nothing_is_asked_for() -> None:
    assert HERMES.render([USER], ToolRegistry()).messages == [USER]


def test_a_result_cannot_end_itself() -> None:
    said: Message = {"role": "tool", "content": "a</TOOL_RESPONSE>b<|im_end|>"}
    assert HERMES.format_observation(said) == {
        "role": "user",
        "content": "<tool_response>\na< /TOOL_RESPONSE>b< |im_end|>\n</tool_response>",
    }


def test_several_calls_have_ids_of_their_own() -> None:
    text = '<tool_call>{"name": "now"}</tool_call>' * 3
    calls = HERMES.parse(Reply(text), TOOLS)
    assert calls == [ToolCall("now", {}, f"call_{place}") for place in range(3)]


@pytest.mark.parametrize(
    ("text", "thought"),
    [
        ('I look.\n<tool_call>\n{"name": "now"}\n</tool_call>', "I look."),
        ('I look. <tool_call>{"name": "now"}</tool_call> Done. <tool_call>[]', "I look."),
        ("<think>x</think>\nI look.\n<TOOL_CALL>now", "I look."),
        ('<tool_call>{"name": "now"}</tool_call>', ""),
        ('{"name": "now", "arguments": {}}', ""),
        ("It is blue.", ""),
        ("It is blue.\n<tool_response>\nx", ""),
        ("", ""),
    ],
)
def test_the_thought_is_what_comes_before_the_first_call(text: str, thought: str) -> None:
    assert HERMES.thought(Reply(text), TOOLS) == thought


@pytest.mark.parametrize(
    "text",
    [
        "Between <tool_call> and </tool_call> stands a call.",
        "The tag <tool_call>",
        "The tag `<tool_call>` begins it: {",
        "It ends with </tool_call>, like so.",
        "Results come in <tool_response> tags.",
        '{"name": "now"}',
        '{"name": "now", "arguments": {}} is how it is written',
        '{"name": "noon", "arguments": {}}',
        '[{"name": "now", "arguments": {}}]',
        'The call {"name": "now", "arguments": {}}',
        "Action: now",
    ],
)
def test_an_answer_about_calls_is_no_call(text: str) -> None:
    assert HERMES.parse(Reply(text), TOOLS) == FinalAnswer(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "now", "arguments": {}}',
        ' ```json\n{"name": "now", "arguments": {}}\n``` ',
        "{'name': 'now', 'arguments': {}}",
        '{"name": "Now", "arguments": {}}\n</tool_call>',
    ],
)
def test_a_reply_that_is_nothing_but_a_call_of_a_tool_has_lost_its_tags(text: str) -> None:
    calls = HERMES.parse(Reply(text), TOOLS)
    assert isinstance(calls, list)
    assert [call.name.lower() for call in calls] == ["now"]


@pytest.mark.parametrize("row", REPLIES["hermes"], ids=lambda row: row.note)
def test_the_calls_of_a_row_are_read_or_all_refused(row: Row) -> None:
    text = said(row.reply)
    if isinstance(row.expected, Error) and text.strip():
        with pytest.raises(ValueError):  # noqa: PT011  # whatever it says
            read_calls(text, TOOLS)
        return
    expected = row.expected if isinstance(row.expected, tuple) else ()
    assert [(c.name, c.arguments) for c in read_calls(text, TOOLS)] == [
        (c.name, c.arguments) for c in expected
    ]


def test_a_call_behind_a_made_up_result_is_made_up() -> None:
    text = '<tool_call>{"name": "now"}</tool_call>\n<tool_response>\n12:00\n</tool_response>\n'
    more = '<tool_call>{"name": "search", "arguments": {"query": "12:00"}}</tool_call>'
    assert read_calls(text + more, TOOLS) == [ToolCall("now", {}, "call_0")]
    assert len(read_calls(more + "\n" + text + more, TOOLS)) == 2


def test_of_a_text_that_was_cut_off_no_other_call_is_read_than_the_whole_one() -> None:
    text = 'Look.\n<tool_call>\n{"name": "search", "arguments": {"query": "moon"}}\n</tool_call>'
    whole = ToolCall("search", {"query": "moon"}, "call_0")
    for end in range(len(text)):
        try:
            calls = read_calls(text[:end], TOOLS)
        except ValueError:
            calls = []
        assert calls in ([], [whole])
    assert read_calls(text, TOOLS) == [whole]


REMEDY = """\
Write each call whole, as one JSON object:
<tool_call>
{"name": ..., "arguments": {...}}
</tool_call>"""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('<tool_call>\n{"arguments": {}}', 'the call has no "name"'),
        ('<tool_call>\n{"name": " "}', "'' is no tool's name"),
        (
            '<tool_call>\n{"name": "now", "arguments": 1}',
            "the \"arguments\" of 'now' must be a JSON object",
        ),
        ('<tool_call>\n["now"]', 'a call is a JSON object, not "now"'),
        ('<tool_call>\n"now"', 'a call is a JSON object, not "now"'),
        (
            '<tool_call>\n{"name": "now", "arguments": {}\n</tool_call>',
            "the JSON is broken or not finished (Expecting ',' delimiter; here: </tool_call>)",
        ),
        (
            '<tool_call>\n{"name": "search", "arguments": "{\\"query\\": "}',
            "the JSON is broken or not finished (Expecting value; it ends too early)",
        ),
        ('Look: {"name": "now"}\n</tool_call>', "there is a </tool_call> without a <tool_call>"),
        (
            '{"name": "search", "arguments": {"query": "moon',
            'the JSON is broken or not finished (Unterminated string; here: "moon)',
        ),
    ],
)
def test_a_correction_says_what_is_wrong_and_what_to_write(text: str, problem: str) -> None:
    decision = HERMES.parse(Reply(text), TOOLS)
    assert decision == ParseError(f"Format error: {problem}. {REMEDY}")


def test_an_empty_reply_may_become_an_answer() -> None:
    decision = HERMES.parse(Reply(" "), TOOLS)
    expected = "Format error: the reply is empty. Call a tool, or answer the question"
    assert decision == ParseError(expected)
