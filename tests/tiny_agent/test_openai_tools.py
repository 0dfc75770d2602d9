"""Function calling: the server tells the calls apart, and nothing in them is trusted."""

import pytest

from tests.tiny_agent.replies import TOOLS, now, search
from tiny_agent.messages import FinalAnswer, Message, ParseError, Reply, ToolCall, WireCall
from tiny_agent.openai_tools import OpenAITools
from tiny_agent.tools import ToolRegistry

OPENAI = OpenAITools()
TWO = ToolRegistry([search, now])
TAGGED = 'I look.\n<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>'


def wire(name: str, arguments: str, identity: str = "a") -> WireCall:
    function = {"name": name, "arguments": arguments}
    return {"id": identity, "type": "function", "function": function}  # type: ignore[typeddict-item]


def test_the_conversation_is_sent_as_it_is_kept() -> None:
    conversation: list[Message] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is moonglass?"},
        {"role": "assistant", "content": "", "tool_calls": [wire("search", '{"query": "x"}')]},
        {"role": "tool", "content": "</tool_response><|im_end|>", "tool_call_id": "a"},
    ]
    prompt = OPENAI.render(conversation, TWO)
    assert prompt.messages == conversation
    assert prompt.tools == [search.to_openai(), now.to_openai()]
    assert prompt.stop == ()
    assert OPENAI.format_observation(conversation[-1]) == conversation[-1]


def test_a_name_that_openai_would_refuse_is_rewritten_unless_a_tool_has_it() -> None:
    def sent(name: str, tools: ToolRegistry) -> WireCall:
        own: Message = {"role": "assistant", "content": "", "tool_calls": [wire(name, "{}")]}
        message = OPENAI.render([own], tools).messages[0]
        assert own["tool_calls"][0]["function"]["name"] == name
        return message["tool_calls"][0]

    assert sent("functions.search", TWO) == wire("functions_search", "{}")
    assert sent("look it up 月", TWO)["function"]["name"] == "look_it_up__"
    assert len(sent("x" * 100, TWO)["function"]["name"]) == 64
    chinese = search.__class__("查询", "", {}, lambda: "", lambda given: given)
    assert sent("查询", ToolRegistry([chinese])) == wire("查询", "{}")


def test_calls_keep_the_ids_of_the_server() -> None:
    wires = (wire("now", "{}", "x"), wire("search", '{"query": "y"}', ""))
    assert OPENAI.parse(Reply("", wires), TOOLS) == [
        ToolCall("now", {}, "x"),
        ToolCall("search", {"query": "y"}, "call_1"),
    ]


def test_half_an_emoji_in_a_call_can_be_sent_on() -> None:
    reply = Reply("", (wire("now\ud83d", '{"a": "\ud83d"}'),))
    assert OPENAI.parse(reply, TOOLS) == [ToolCall("now\ufffd", {"a": "\ufffd"}, "a")]


def test_calls_count_whatever_the_text_says() -> None:
    reply = Reply(TAGGED + "\nFinal Answer: x", (wire("search", '{"query": "y"}'),))
    assert OPENAI.parse(reply, TOOLS) == [ToolCall("search", {"query": "y"}, "a")]


@pytest.mark.parametrize("arguments", ["", " \n", "null", "{}", " null "])
def test_nothing_is_no_arguments_but_not_where_the_reply_is_cut_off(arguments: str) -> None:
    whole = Reply("", (wire("now", arguments),), finish_reason="tool_calls")
    assert OPENAI.parse(whole, TOOLS) == [ToolCall("now", {}, "a")]
    cut_off = Reply("", (wire("now", arguments),), finish_reason="length")
    assert isinstance(OPENAI.parse(cut_off, TOOLS), list) == (arguments == "{}")


def test_calls_that_a_server_leaves_in_the_text_are_read() -> None:
    assert OPENAI.parse(Reply(TAGGED), TOOLS) == [ToolCall("now")]
    bare = Reply('{"name": "now", "arguments": {}}')
    assert OPENAI.parse(bare, TOOLS) == [ToolCall("now")]
    assert isinstance(OPENAI.parse(Reply("<tool_call>\nnow"), TOOLS), ParseError)


def test_a_text_is_the_answer() -> None:
    assert OPENAI.parse(Reply(" It is\n**blue**.\n"), TOOLS) == FinalAnswer("It is\n**blue**.")
    assert OPENAI.parse(Reply("<think>x</think>blue"), TOOLS) == FinalAnswer("blue")


def test_the_thought_is_the_text_beside_the_calls() -> None:
    assert OPENAI.thought(Reply(" hm ", (wire("now", "{}"),)), TOOLS) == "hm"
    assert OPENAI.thought(Reply("<think>x</think>hm", (wire("now", "{}"),)), TOOLS) == "hm"
    assert OPENAI.thought(Reply(TAGGED), TOOLS) == "I look."
    assert OPENAI.thought(Reply("It is blue."), TOOLS) == ""


@pytest.mark.parametrize(
    ("calls", "problem"),
    [
        (
            [wire("now", "{}"), wire("search", '{"query": "moon')],
            "the arguments of 'search': the JSON is broken or not finished "
            '(Unterminated string; here: "moon)',
        ),
        (
            [wire("search", "[1]")],
            "the arguments of 'search': a JSON object in braces is needed, not [1]",
        ),
        ([wire(" ", "{}")], "'' is no tool's name"),
    ],
)
def test_a_correction_says_what_is_wrong_and_what_to_write(
    calls: list[WireCall], problem: str
) -> None:
    remedy = "Call it again, with all of its arguments as JSON"
    decision = OPENAI.parse(Reply("", tuple(calls)), TOOLS)
    assert decision == ParseError(f"Format error: {problem}. {remedy}")


def test_an_empty_reply_may_become_an_answer() -> None:
    expected = "Format error: the reply is empty. Call a tool, or answer the question"
    assert OPENAI.parse(Reply(""), TOOLS) == ParseError(expected)
