"""The oldest turns go first, the question never, and no result without its call."""

import copy
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from tiny_agent.memory import SHORTEST_CHARS, trim
from tiny_agent.messages import Message, ToolCall


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def turn(number: int, result: str, calls: int = 1) -> list[Message]:
    wires = [ToolCall("f", {}, f"call_{number}_{i}").to_wire() for i in range(calls)]
    first: Message = {"role": "assistant", "content": f"thought {number}", "tool_calls": wires}
    results: list[Message] = [
        {"role": "tool", "content": result, "tool_call_id": wire["id"]} for wire in wires
    ]
    return [first, *results]


def at_most(chars: int) -> Callable[[list[Message]], bool]:
    return lambda messages: sum(len(message["content"]) for message in messages) <= chars


def test_what_fits_is_left_alone() -> None:
    messages = [user("old"), *turn(1, "x"), user("question"), *turn(2, "y")]
    assert trim(messages, 3, at_most(1000)) == messages


def test_earlier_conversation_goes_before_steps_of_this_question() -> None:
    old = [user("old question"), {"role": "assistant", "content": "old answer"}]
    messages: list[Message] = [*old, user("question"), *turn(1, "a" * 50), *turn(2, "b" * 50)]  # type: ignore[list-item]
    without_old = messages[2:]
    assert trim(messages, 2, at_most(130)) == without_old
    assert trim(messages, 2, at_most(80)) == [messages[2], *turn(2, "b" * 50)]


def test_no_more_goes_than_must() -> None:
    old = [user("a" * 40), user("b" * 40), user("c" * 40)]
    assert trim([*old, user("question")], 3, at_most(100)) == [*old[1:], user("question")]
    steps = [turn(number, "x" * 40) for number in range(3)]
    messages = [user("question"), *steps[0], *steps[1], *steps[2]]
    assert trim(messages, 0, at_most(120)) == [user("question"), *steps[1], *steps[2]]


def test_the_last_result_is_shortened_if_it_alone_is_too_much() -> None:
    messages = [user("question"), *turn(1, "a"), *turn(2, "b" * 5000, calls=2)]
    kept = trim(messages, 0, at_most(2000))
    assert [message["role"] for message in kept] == ["user", "assistant", "tool", "tool"]
    assert at_most(2000)(kept)
    assert "characters left out" in kept[2]["content"]
    assert "characters left out" in kept[3]["content"]
    assert len(messages[-1]["content"]) == 5000


def test_shortened_results_keep_their_turn_and_leave_the_conversation_as_it_was() -> None:
    messages = [user("question"), *turn(1, "a"), *turn(2, "b" * 5000, calls=2)]
    before = copy.deepcopy(messages)
    kept = trim(messages, 0, at_most(2000))
    assert messages == before
    assert at_most(2000)(kept)
    assert [message["role"] for message in kept] == ["user", "assistant", "tool", "tool"]
    assert [message.get("tool_call_id") for message in kept[2:]] == ["call_2_0", "call_2_1"]
    assert all(0 < len(message["content"]) < 5000 for message in kept[2:])


def test_the_question_stays_whole_though_it_does_not_fit() -> None:
    messages = [user("q" * 5000), *turn(1, "a" * 500)]
    kept = trim(messages, 0, at_most(100))
    assert kept[0] == messages[0]
    assert len(kept[2]["content"]) <= SHORTEST_CHARS + 60
    assert trim([user("q" * 5000)], 0, at_most(100)) == [user("q" * 5000)]


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 3)), max_size=8),
    st.integers(0, 8),
    st.integers(0, 1500),
)
def test_whatever_is_trimmed_no_result_stands_without_its_call(
    turns: list[tuple[int, int]], earlier: int, room: int
) -> None:
    messages: list[Message] = []
    for number, (size, calls) in enumerate(turns[:earlier]):
        messages += [user(f"earlier {number}"), *turn(number, "x" * size, calls)]
    question = len(messages)
    messages.append(user("the question"))
    for number, (size, calls) in enumerate(turns[earlier:], start=100):
        messages += turn(number, "x" * size, calls)
    kept = trim(messages, question, at_most(room))
    assert user("the question") in kept
    open_calls: list[str] = []
    for message in kept:
        if message["role"] == "tool":
            assert message["tool_call_id"] == open_calls.pop(0)
        else:
            assert not open_calls
            open_calls = [wire["id"] for wire in message.get("tool_calls", [])]
    assert not open_calls
    if turns[earlier:]:
        assert kept[-1].get("tool_call_id") == messages[-1].get("tool_call_id")
