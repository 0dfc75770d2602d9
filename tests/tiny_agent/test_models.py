"""A scripted model, stop strings in a stream, and what a call about costs."""

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tiny_agent.messages import Message, Reply, ToolCall, Usage
from tiny_agent.models import (
    ModelError,
    ScriptedModel,
    count_tokens,
    estimate_usage,
    until_stop,
)

PROPERTY = settings(derandomize=True, deadline=None)
USER: list[Message] = [{"role": "user", "content": "你好 there"}]


def drained(stream: Iterator[str]) -> tuple[list[str], Reply]:
    pieces = []
    while True:
        try:
            pieces.append(next(stream))
        except StopIteration as end:
            return pieces, end.value


def test_a_script_is_said_line_by_line_and_what_was_asked_is_kept() -> None:
    model = ScriptedModel(["one", lambda messages: messages[-1]["content"].upper()])
    assert model.generate(USER, [{"type": "function"}], ["\nStop"]).text == "one"
    assert model.generate(USER).text == "你好 THERE"
    assert model.calls[0].messages == USER
    assert model.calls[0].tools == [{"type": "function"}]
    assert model.calls[0].stop == ("\nStop",)
    with pytest.raises(ModelError, match="call 3 of a script of 2 replies; write one more"):
        model.generate(USER)


def test_what_was_asked_is_kept_though_the_conversation_goes_on() -> None:
    model, messages = ScriptedModel(["one"]), [message.copy() for message in USER]
    model.generate(messages)
    messages[0]["content"] = "changed"
    assert model.calls[0].messages == USER


def test_a_reply_of_the_script_may_hold_calls_and_its_own_usage() -> None:
    wire = ToolCall("add", {"a": 1}).to_wire()
    reply = Reply("", (wire,), Usage(5, 2, 1), "tool_calls")
    assert ScriptedModel([reply]).generate(USER) == reply
    estimated = ScriptedModel([Reply("four letters")]).generate(USER).usage
    assert estimated == Usage(2 + 2, 3, 1, estimated=True)


def test_streaming_says_the_same() -> None:
    pieces, reply = drained(ScriptedModel(["abc\nStop it"]).stream(USER, (), ["\nStop"]))
    assert pieces == ["a", "b", "c"]
    assert reply.text == "abc"


def test_a_stop_string_split_over_pieces_is_held_back_until_it_is_one() -> None:
    stream = until_stop(iter(["4\nObserv", "ation: 5", " and on"]), ["\nObservation:"])
    assert next(stream) == "4"
    assert list(stream) == []
    assert list(until_stop(["4\nObserv", "e it"], ["\nObservation:"])) == ["4", "\nObserve it"]


def test_as_much_is_held_back_as_may_belong_to_a_stop_string() -> None:
    assert "".join(until_stop(["xaa", "ab"], ["aaab"])) == "x"


def test_the_stop_that_is_complete_first_counts() -> None:
    assert "".join(until_stop(["abcd"], ["bcd", "c"])) == "ab"
    assert "".join(until_stop(["abcd"], ["abcd", "bc"])) == "a"


@PROPERTY
@given(
    st.text("ab\n", max_size=30),
    st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=3),
    st.lists(st.integers(0, 30), max_size=6),
)
@example("a", ["aa"], [])  # what was held back belongs to the text after all
@example("aba", ["ba", "b"], [1, 2])
def test_a_text_stops_at_the_same_place_however_it_is_cut(
    text: str, stop: list[str], cuts: list[int]
) -> None:
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[a:b] for a, b in itertools.pairwise(places)]
    ends = [text.find(word) + len(word) for word in stop if word in text]
    first = min(ends, default=None)
    starts = [text.find(w) for w in stop if w in text and text.find(w) + len(w) == first]
    expected = text if first is None else text[: min(starts)]
    said = list(until_stop(pieces, stop))
    assert "".join(said) == expected
    assert "" not in said


@PROPERTY
@given(st.lists(st.text("ab\n", max_size=4), max_size=8), st.lists(st.text("ab\n", min_size=1)))
def test_what_may_begin_a_stop_string_is_held_back_and_nothing_else(
    pieces: list[str], stop: list[str]
) -> None:
    said: list[str] = []
    seen: list[tuple[str, str]] = []  # at each request for more: what has come, what was passed on

    def watched() -> Iterator[str]:
        for place, piece in enumerate(pieces):
            seen.append(("".join(pieces[:place]), "".join(said)))
            yield piece

    for piece in until_stop(watched(), stop):
        said.append(piece)
    for come, passed_on in seen:
        begun = [word[:size] for word in stop for size in range(1, len(word))]
        held = max((len(start) for start in begun if come.endswith(start)), default=0)
        assert passed_on == come[: len(come) - held]


def test_the_text_before_a_stop_string_is_read_while_it_is_made() -> None:
    stream = until_stop(iter(["Action: now", "\nObserv", "ation: 5"]), ["\nObservation:"])
    assert next(stream) == "Action: now"
    assert list(stream) == []


def test_an_empty_stop_string_is_an_error() -> None:
    with pytest.raises(ValueError, match="empty string"):
        list(until_stop(["a"], [""]))


def test_an_estimate_counts_wide_letters_singly_and_others_by_four() -> None:
    assert [count_tokens(text) for text in ("", "abcd", "abcde", "你好", "你好ab")] == [
        0,
        1,
        2,
        2,
        3,
    ]
    spec = {"type": "function"}
    assert estimate_usage(USER, [spec]).prompt_tokens > estimate_usage(USER).prompt_tokens
    called: list[Message] = [
        {"role": "assistant", "content": "", "tool_calls": [ToolCall("add", {"a": 1}).to_wire()]}
    ]
    assert estimate_usage(called).prompt_tokens > 10


def test_usage_adds_up() -> None:
    total = Usage(1, 2, 1) + Usage(10, 20, 1, estimated=True)
    assert total == Usage(11, 22, 2, estimated=True)
    assert total.total_tokens == 33
