"""The state of a run: what it counts, when a limit ends it, and what the model reads of a step."""

import pytest

from tiny_agent.messages import (
    Decision,
    FinalAnswer,
    Message,
    ParseError,
    Reply,
    Step,
    ToolCall,
    ToolResult,
    Usage,
)
from tiny_agent.run_state import UNREAD_CHARS, Limits, Run

QUESTION: Message = {"role": "user", "content": "How high is it?"}
CALL = ToolCall("search", {"query": "tower", "k": 2}, "call_0")
ERROR = ParseError("Format error: no")


def run() -> Run:
    return Run([QUESTION], 0)


def step(decision: Decision, text: str = "said", *results: ToolResult) -> Step:
    return Step([], [], (), Reply(text, usage=Usage(40, 10, 1)), "hm", decision, list(results))


def test_a_call_is_the_same_whatever_the_order_of_its_arguments() -> None:
    state = run()
    assert state.count(CALL) == 1
    assert state.count(ToolCall("search", {"k": 2, "query": "tower"}, "call_1")) == 2
    assert state.count(ToolCall("search", {"k": 3, "query": "tower"})) == 1
    assert state.count(ToolCall("find", {"k": 2, "query": "tower"})) == 1
    assert state.count(ToolCall("search", {"k": "2", "query": "tower"})) == 1
    assert state.count(CALL) == 3  # though others came between
    assert run().count(CALL) == 1  # another run has counts of its own


def test_nested_arguments_may_be_counted() -> None:
    state, deep = run(), {"where": {"x": [1, {"y": None}]}, "tags": ["a"]}
    assert [state.count(ToolCall("look", deep)) for _ in range(2)] == [1, 2]


def test_the_same_call_is_a_limit_once_it_was_asked_for_so_often() -> None:
    state, limits = run(), Limits(max_repeats=2)
    assert state.limit_reached(limits) is None
    state.count(CALL)
    state.count(ToolCall("now"))
    assert state.limit_reached(limits) is None
    state.count(CALL)
    assert state.limit_reached(limits) == "repeated_calls"


def test_errors_of_form_count_only_in_a_row() -> None:
    state, limits = run(), Limits(max_format_errors=2)
    for decision in (ERROR, [CALL], ERROR):
        state.record(step(decision))
        assert state.limit_reached(limits) is None
    state.record(step(ERROR))
    assert state.limit_reached(limits) == "format_errors"


def test_steps_and_tokens_are_limits_once_they_are_used_up() -> None:
    state = run()
    state.record(step([CALL]))
    assert state.limit_reached(Limits(max_steps=2, max_tokens=100)) is None
    state.record(step([CALL]))
    assert state.limit_reached(Limits(max_steps=2)) == "max_steps"
    assert state.limit_reached(Limits(max_tokens=101)) is None
    assert state.limit_reached(Limits(max_tokens=100)) == "token_budget"
    assert state.usage == Usage(80, 20, 2)


def test_the_time_is_that_since_the_run_began() -> None:
    state = run()
    assert state.seconds_left(Limits()) is None
    left = state.seconds_left(Limits(max_seconds=100))
    assert left is not None
    assert 90 < left <= 100
    assert state.limit_reached(Limits(max_seconds=100)) is None
    state.started_s -= 100
    assert state.limit_reached(Limits(max_seconds=100)) == "time_budget"


@pytest.mark.parametrize(
    ("limits", "first"),
    [
        (Limits(1, 1, 1e-9, 1, 1), "format_errors"),
        (Limits(1, 1, 1e-9, 2, 1), "repeated_calls"),
        (Limits(1, 1, 1e-9, 2, 2), "max_steps"),
        (Limits(2, 1, 1e-9, 2, 2), "token_budget"),
        (Limits(2, None, 1e-9, 2, 2), "time_budget"),
        (Limits(2, None, None, 2, 2), None),
    ],
)
def test_of_several_limits_the_first_is_told(limits: Limits, first: str | None) -> None:
    state = run()
    state.count(CALL)
    state.record(step(ERROR))
    assert state.limit_reached(limits) == first


def test_a_step_is_read_as_calls_and_their_results() -> None:
    state = run()
    state.record(step([CALL], "raw", ToolResult("call_0", "search", "40 m")))
    assert state.messages == [
        QUESTION,
        {"role": "assistant", "content": "hm", "tool_calls": [CALL.to_wire()]},
        {"role": "tool", "content": "40 m", "tool_call_id": "call_0"},
    ]
    state.record(step(FinalAnswer("40 metres")))
    assert state.messages[3:] == [{"role": "assistant", "content": "40 metres"}]
    assert len(state.steps) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [(" Hm. ", "Hm."), ("<think>long</think>Hm.", "Hm."), ("<think>lo", "(nothing)")],
)
def test_a_reply_that_could_not_be_read_is_shown_with_what_was_wrong(text: str, said: str) -> None:
    state = run()
    state.record(step(ERROR, text))
    assert state.messages[1:] == [
        {"role": "assistant", "content": said},
        {"role": "user", "content": ERROR.message},
    ]


def test_of_a_rambling_reply_the_model_is_shown_beginning_and_end() -> None:
    """It would fill a context of 1,024 tokens, and the run would end without an answer."""
    state = run()
    state.record(step(ERROR, "Thought: " + "arguments" * 500 + " so it goes"))
    said = state.messages[1]["content"]
    assert said.startswith("Thought: arguments")
    assert said.endswith(" so it goes")
    assert len(said) < UNREAD_CHARS + 60
