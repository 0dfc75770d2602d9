"""The loop: it always ends, says why, and loses nothing on the way."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tiny_agent.agent import AGAIN, MUST_ANSWER, Agent
from tiny_agent.events import Event, StepFinished, TextDelta, ToolFinished, ToolStarted
from tiny_agent.hermes import HermesToolCall
from tiny_agent.messages import FinalAnswer, Message, ParseError, Reply, RunResult, ToolCall, Usage
from tiny_agent.models import ModelError, ScriptedModel
from tiny_agent.openai_tools import OpenAITools
from tiny_agent.protocols import CORRECTION, Dialect
from tiny_agent.react import ReActText
from tiny_agent.run_state import Limits
from tiny_agent.tools import ToolError, tool

QUESTION = "What is 2 + 3, doubled?"


@tool
def add(a: float, b: float) -> float:
    """Add two numbers."""
    return a + b


@tool
def double(x: float) -> float:
    """Twice a number."""
    return 2 * x


def call_text(name: str, arguments: str = "{}", thought: str = "hm") -> str:
    return f"Thought: {thought}\nAction: {name}\nAction Input: {arguments}"


def answer_text(answer: str) -> str:
    return f"Thought: I know.\nFinal Answer: {answer}"


ADD = call_text("add", '{"a": 2, "b": 3}', "add first")
DOUBLE = call_text("double", '{"x": 5}', "now double")


def tool_reply(*calls: ToolCall) -> Reply:
    return Reply("let me see", tuple(call.to_wire() for call in calls), finish_reason="tool_calls")


def hermes_text(name: str, arguments: str) -> str:
    return f'hm\n<tool_call>\n{{"name": "{name}", "arguments": {arguments}}}\n</tool_call>'


SCRIPTS: list[tuple[Dialect, list[str | Reply]]] = [
    (ReActText(), [ADD, DOUBLE, answer_text("10")]),
    (
        ReActText("zh"),
        [
            '思考：先加\n行动：add\n行动输入：{"a": 2, "b": 3}',
            '行动：double\n行动输入：{"x": 5}',
            "最终答案：10",
        ],
    ),
    (
        HermesToolCall(),
        [hermes_text("add", '{"a": 2, "b": 3}'), hermes_text("double", '{"x": 5}'), "10"],
    ),
    (
        OpenAITools(),
        [
            tool_reply(ToolCall("add", {"a": 2, "b": 3}, "id_1")),
            tool_reply(ToolCall("double", {"x": 5}, "id_2")),
            "10",
        ],
    ),
]


@pytest.mark.parametrize(("dialect", "script"), SCRIPTS)
def test_the_loop_goes_on_until_the_answer_in_every_dialect(
    dialect: Dialect, script: list[str | Reply]
) -> None:
    model = ScriptedModel(script)
    result = Agent(model, [add, double], dialect).run(QUESTION)
    assert (result.answer, result.status, result.error) == ("10", "answered", None)
    assert [[r.content for r in step.results] for step in result.steps] == [["5.0"], ["10.0"], []]
    assert result.usage.model_calls == 3
    last = "\n".join(str(message) for message in model.calls[-1].messages)
    for kept in (QUESTION, "5.0", "10.0"):
        assert kept in last
    roles = [message["role"] for message in result.messages]
    assert roles == ["user", "assistant", "tool", "assistant", "tool", "assistant"]


@pytest.mark.parametrize(("dialect", "script"), SCRIPTS)
def test_a_conversation_goes_on_from_the_messages_of_a_result(
    dialect: Dialect, script: list[str | Reply]
) -> None:
    first = Agent(ScriptedModel(script), [add, double], dialect).run(QUESTION)
    model = ScriptedModel([script[-1]])
    second = Agent(model, [add, double], dialect).run("Again?", first.messages)
    assert second.answer == "10"
    assert second.messages[: len(first.messages)] == first.messages
    sent = str(model.calls[0].messages)
    assert sent.index(QUESTION) < sent.index("5.0") < sent.index("10.0") < sent.index("Again?")


def test_instructions_come_first_and_are_not_part_of_the_conversation() -> None:
    model = ScriptedModel([answer_text("10")])
    result = Agent(model, [add], instructions="Answer like a pirate.").run(QUESTION)
    first = model.calls[0].messages[0]
    assert first["role"] == "system"
    assert first["content"].startswith("Answer like a pirate.")
    assert "add" in first["content"]
    assert result.messages[0] == {"role": "user", "content": QUESTION}


def events_of(agent: Agent) -> tuple[list[Event], RunResult]:
    stream, events = agent.stream(QUESTION), []
    while True:
        try:
            events.append(next(stream))
        except StopIteration as end:
            return events, end.value


def test_streaming_tells_all_in_order_and_comes_to_the_same() -> None:
    script = [ADD, answer_text("5")]
    events, result = events_of(Agent(ScriptedModel(script), [add]))
    told = [event for event in events if not isinstance(event, TextDelta)]
    assert [type(event) for event in told] == [
        ToolStarted,
        ToolFinished,
        StepFinished,
        StepFinished,
    ]
    said = "".join(event.text for event in events if isinstance(event, TextDelta))
    assert said == "".join(script)
    steps = [event.step for event in told if isinstance(event, StepFinished)]
    assert steps == result.steps
    plain = Agent(ScriptedModel(script), [add]).run(QUESTION)
    assert (plain.answer, plain.messages, plain.usage) == (
        result.answer,
        result.messages,
        result.usage,
    )


def test_a_step_holds_what_the_model_read_said_and_got() -> None:
    model = ScriptedModel([ADD, answer_text("5")])
    step = Agent(model, [add]).run(QUESTION).steps[0]
    assert step.prompt == model.calls[0].messages
    assert step.stop == model.calls[0].stop
    assert step.reply.text == ADD
    assert step.thought == "add first"
    assert step.decision == [ToolCall("add", {"a": 2, "b": 3}, "call_0")]
    assert step.results[0].call_id == "call_0"


def test_a_reply_in_the_wrong_form_is_answered_with_what_is_wrong() -> None:
    model = ScriptedModel(["It is ten.", answer_text("10")])
    result = Agent(model, [add]).run(QUESTION)
    assert (result.answer, result.status) == ("10", "answered")
    assert isinstance(result.steps[0].decision, ParseError)
    shown = [message["content"] for message in model.calls[1].messages[-2:]]
    assert shown[0] == "It is ten."
    assert shown[1].startswith(CORRECTION)


def test_three_wrong_forms_in_a_row_end_it_with_one_more_question() -> None:
    model = ScriptedModel(["no", "still no", "never", "It is ten."])
    result = Agent(model, [add]).run(QUESTION)
    assert (result.answer, result.status) == ("It is ten.", "format_errors")
    assert len(model.calls) == 4
    assert model.calls[3].messages[-1]["content"].endswith(MUST_ANSWER)


def test_wrong_forms_count_only_in_a_row() -> None:
    script = ["no", "no", ADD, "no", "no", DOUBLE, answer_text("10")]
    assert Agent(ScriptedModel(script), [add, double]).run(QUESTION).status == "answered"


def test_at_the_limit_of_steps_it_must_answer_without_tools() -> None:
    model = ScriptedModel([ADD, DOUBLE, answer_text("ten or so")])
    result = Agent(model, [add, double], limits=Limits(max_steps=2)).run(QUESTION)
    assert (result.answer, result.status) == ("ten or so", "max_steps")
    assert len(result.steps) == 3
    last = model.calls[-1]
    assert "Action Input" not in last.messages[0]["content"]
    assert "10.0" in str(last.messages)
    assert MUST_ANSWER not in str(result.messages)
    assert result.messages[-1] == {"role": "assistant", "content": "ten or so"}


def test_a_call_in_place_of_the_last_answer_is_no_answer() -> None:
    model = ScriptedModel([ADD, DOUBLE])
    result = Agent(model, [add, double], limits=Limits(max_steps=1)).run(QUESTION)
    assert (result.answer, result.status) == (None, "max_steps")


def test_the_budget_of_tokens_ends_it() -> None:
    replies = [Reply(text, usage=Usage(40, 10, 1)) for text in (ADD, DOUBLE, answer_text("10"))]
    agent = Agent(ScriptedModel(replies), [add, double], limits=Limits(max_tokens=100))
    result = agent.run(QUESTION)
    assert (result.status, result.answer) == ("token_budget", "10")
    assert result.usage == Usage(120, 30, 3)


def test_the_budget_of_time_ends_it_at_once() -> None:
    @tool(timeout_s=None)
    def wait() -> str:
        """Wait."""
        time.sleep(5)
        return ""

    start = time.monotonic()
    agent = Agent(ScriptedModel([call_text("wait")]), [wait], limits=Limits(max_seconds=0.1))
    result = agent.run(QUESTION)
    assert (result.status, result.answer) == ("time_budget", None)
    assert result.steps[0].results[0].is_error
    assert time.monotonic() - start < 3


def test_the_same_call_again_is_remarked_then_refused_and_ends_it() -> None:
    times: list[int] = []

    @tool
    def look(where: str) -> str:
        """Look."""
        times.append(1)
        return "nothing"

    script = [call_text("look", '{"where": "here"}')] * 3 + [answer_text("nowhere")]
    result = Agent(ScriptedModel(script), [look]).run(QUESTION)
    assert (result.status, result.answer) == ("repeated_calls", "nowhere")
    contents = [step.results[0].content for step in result.steps[:3]]
    assert contents[:2] == ["nothing", "nothing" + AGAIN]
    assert contents[2].startswith("Error: not run again")
    assert len(times) == 2


def test_calls_that_differ_in_an_argument_are_not_the_same() -> None:
    script = [call_text("double", f'{{"x": {x}}}') for x in range(5)] + [answer_text("8")]
    assert Agent(ScriptedModel(script), [double]).run(QUESTION).status == "answered"
    swapped = [call_text("add", '{"a": 1, "b": 2}'), call_text("add", '{"b": 2, "a": 1}')] * 2
    result = Agent(ScriptedModel([*swapped, answer_text("3")]), [add]).run(QUESTION)
    assert result.status == "repeated_calls"


def test_a_server_that_fails_ends_it_and_what_was_done_is_kept() -> None:
    def fail(messages: object) -> str:
        raise ModelError("server said 500; try later")

    result = Agent(ScriptedModel([ADD, fail]), [add]).run(QUESTION)
    assert (result.answer, result.status) == (None, "model_error")
    assert result.error == "server said 500; try later"
    assert [r.content for r in result.steps[0].results] == ["5.0"]
    assert result.messages[-1]["content"] == "5.0"


def test_a_tool_that_fails_is_an_observation_and_the_loop_goes_on() -> None:
    @tool
    def fail() -> str:
        """Fail."""
        raise ToolError("the door is locked; find the key")

    model = ScriptedModel([call_text("fail"), answer_text("locked")])
    result = Agent(model, [fail]).run(QUESTION)
    assert result.answer == "locked"
    assert "the door is locked" in model.calls[1].messages[-1]["content"]


def test_an_unknown_tool_is_answered_with_the_known_ones() -> None:
    model = ScriptedModel([call_text("addd"), answer_text("5")])
    Agent(model, [add, double]).run(QUESTION)
    assert "Did you mean add? The tools are: add, double." in model.calls[1].messages[-1]["content"]


def test_a_name_in_another_case_is_kept_as_the_tools_own() -> None:
    result = Agent(ScriptedModel([call_text("ADD", '{"a": 1, "b": 1}'), answer_text("2")]), [add])
    step = result.run(QUESTION).steps[0]
    assert isinstance(step.decision, list)
    assert step.decision[0].name == "add"
    assert step.results[0].content == "2.0"


def test_several_calls_run_side_by_side_and_keep_their_order() -> None:
    both = threading.Barrier(2, timeout=5)

    @tool
    def meet(name: str) -> str:
        """Wait for the other."""
        both.wait()
        time.sleep(0.05 if name == "first" else 0)
        return f"{name} met"

    calls = (ToolCall("meet", {"name": "first"}, "a"), ToolCall("meet", {"name": "second"}, "b"))
    model = ScriptedModel([tool_reply(*calls), "done"])
    events, result = events_of(Agent(model, [meet], OpenAITools()))
    told = [event for event in events if isinstance(event, ToolStarted | ToolFinished)]
    assert [type(event) for event in told] == [ToolStarted] * 2 + [ToolFinished] * 2
    assert [r.content for r in result.steps[0].results] == ["first met", "second met"]
    assert [r.call_id for r in result.steps[0].results] == ["a", "b"]
    ids = [message.get("tool_call_id") for message in result.messages]
    assert ids == [None, None, "a", "b", None]


def test_ctrl_c_does_not_wait_for_a_tool() -> None:
    program = """
import os, signal, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
from tiny_agent import Agent, ScriptedModel, tool

@tool
def sleep() -> str:
    \"\"\"Sleep.\"\"\"
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    time.sleep(25)

try:
    Agent(ScriptedModel(["Action: sleep"]), [sleep]).run("?")
except KeyboardInterrupt:
    print("interrupted")
"""
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "interrupted\n"
    assert time.monotonic() - start < 20


@pytest.mark.parametrize("name", ["id", "call_0", "call_1", "call_2"])
def test_ids_that_a_model_uses_again_are_made_new(name: str) -> None:
    same = tool_reply(ToolCall("double", {"x": 1}, name), ToolCall("double", {"x": 2}, name))
    again = tool_reply(ToolCall("double", {"x": 3}, name))
    result = Agent(ScriptedModel([same, again, "6"]), [double], OpenAITools()).run(QUESTION)
    ids = [w["id"] for message in result.messages for w in message.get("tool_calls", [])]
    assert len(ids) == len(set(ids)) == 3
    answered = [m["tool_call_id"] for m in result.messages if m["role"] == "tool"]
    assert answered == ids
    assert [m["content"] for m in result.messages if m["role"] == "tool"] == ["2.0", "4.0", "6.0"]


def approving(answer: bool, asked: list[ToolCall]) -> Callable[[ToolCall], bool]:
    def confirm(call: ToolCall) -> bool:
        asked.append(call)
        return answer

    return confirm


@pytest.mark.parametrize("answer", [True, False, None])
def test_a_tool_that_needs_approval_runs_only_with_it(answer: bool | None) -> None:
    ran: list[str] = []
    asked: list[ToolCall] = []

    @tool(needs_approval=True)
    def erase(path: str) -> str:
        """Erase."""
        ran.append(path)
        return "erased"

    model = ScriptedModel([call_text("erase", '{"path": "x"}'), answer_text("done")])
    confirm = None if answer is None else approving(answer, asked)
    result = Agent(model, [erase, add], confirm=confirm).run(QUESTION)
    assert ran == (["x"] if answer else [])
    assert [call.arguments for call in asked] == ([] if answer is None else [{"path": "x"}])
    observation = result.steps[0].results[0]
    assert observation.is_error is not bool(answer)
    assert ("not approved" in observation.content) is not bool(answer)


def test_a_tool_that_needs_none_is_not_asked_about() -> None:
    asked: list[ToolCall] = []
    Agent(ScriptedModel([ADD, answer_text("5")]), [add], confirm=approving(True, asked)).run("?")
    assert not asked


def test_the_prompt_stays_within_the_context_and_keeps_the_question() -> None:
    @tool
    def read(page: int) -> str:
        """Read a page."""
        return f"page {page} " + "word " * 300

    script = [call_text("read", f'{{"page": {page}}}') for page in range(6)]
    model = ScriptedModel([*script, answer_text("long")])
    result = Agent(model, [read], context_tokens=1200).run(QUESTION)
    assert result.status == "answered"
    for call in model.calls:
        sent = str([message["content"] for message in call.messages])
        assert QUESTION in sent
        assert len(sent) / 4 < 1300
    assert "page 5" in str(model.calls[-1].messages)
    assert "page 0" not in str(model.calls[-1].messages)
    assert "page 0" in str(result.messages)


def test_an_agent_is_a_tool_of_another_with_the_same_words() -> None:
    inner = Agent(ScriptedModel([ADD, answer_text("5")]), [add])
    expert = inner.as_tool("expert", "Ask an expert of sums.")
    assert expert.description == "Ask an expert of sums."
    assert list(expert.parameters["properties"]) == ["task"]
    model = ScriptedModel([call_text("expert", "2 plus 3"), answer_text("five")])
    result = Agent(model, [expert]).run(QUESTION)
    assert result.answer == "five"
    assert result.steps[0].results[0].content == "5"
    assert inner.model.calls[0].messages[-1]["content"] == "2 plus 3"  # type: ignore[attr-defined]


def test_an_agent_that_fails_as_a_tool_says_so() -> None:
    silent = Agent(ScriptedModel([]), [add]).as_tool("expert", "Ask.")
    model = ScriptedModel([call_text("expert", "sum"), answer_text("none")])
    content = Agent(model, [silent]).run(QUESTION).steps[0].results[0].content
    assert content.startswith("Error: no answer (call 1 of a script")


def test_reasoning_is_not_read_back() -> None:
    model = ScriptedModel(["<think>secret</think>what?", answer_text("5")])
    result = Agent(model, [add]).run(QUESTION)
    assert "secret" not in str(model.calls[1].messages)
    assert "secret" in result.steps[0].reply.text


def test_a_model_that_says_nothing_does_not_leave_an_empty_message() -> None:
    model = ScriptedModel(["", answer_text("5")])
    Agent(model, [add]).run(QUESTION)
    assert all(message["content"] for message in model.calls[1].messages)


def test_runs_share_nothing() -> None:
    agent = Agent(ScriptedModel([ADD, answer_text("5"), ADD, answer_text("5")]), [add])
    first, second = agent.run(QUESTION), agent.run(QUESTION)
    assert len(first.messages) == len(second.messages) == 4
    assert [r.content for r in second.steps[0].results] == ["5.0"]


def test_the_history_that_is_passed_in_is_not_changed() -> None:
    history: list[Message] = [{"role": "user", "content": "hello"}]
    Agent(ScriptedModel([answer_text("5")]), [add]).run(QUESTION, history)
    assert history == [{"role": "user", "content": "hello"}]


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_steps", 0), ("max_tokens", -1), ("max_seconds", 0.0), ("max_repeats", 0)],
)
def test_a_limit_below_one_is_an_error(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name}={value} must be above 0"):
        Limits(**{name: value})  # type: ignore[arg-type]


def test_without_tools_the_answer_is_the_reply() -> None:
    """No format is asked for, so none is demanded."""
    for dialect in (HermesToolCall(), OpenAITools()):
        assert Agent(ScriptedModel(["Hello!"]), [], dialect).run("Hi").answer == "Hello!"


def test_a_closed_stream_stops_the_model() -> None:
    closed: list[bool] = []

    class Endless:
        def generate(self, *_: object) -> Reply:
            raise AssertionError

        def stream(self, *_: object) -> Iterator[str]:
            try:
                while True:
                    yield "word "
            finally:
                closed.append(True)

    stream = Agent(Endless()).stream(QUESTION)  # type: ignore[arg-type]
    assert [next(stream) for _ in range(3)] == [TextDelta("word ")] * 3
    stream.close()
    assert closed == [True]


def test_the_answer_is_the_decision_of_the_last_step() -> None:
    result = Agent(ScriptedModel([answer_text("5")]), [add]).run(QUESTION)
    assert result.steps[-1].decision == FinalAnswer("5")


def test_trimming_lets_earlier_talk_go_and_not_the_question() -> None:
    history: list[Message] = [
        {"role": "user", "content": f"earlier {number} " + "word " * 300} for number in range(4)
    ]
    model = ScriptedModel([answer_text("5")])
    Agent(model, [add], context_tokens=700).run(QUESTION, history)
    sent = str(model.calls[0].messages)
    assert QUESTION in sent
    assert "earlier 3" in sent
    assert "earlier 0" not in sent


def test_trimming_spares_the_instructions() -> None:
    script = [call_text("double", f'{{"x": {x}}}', "word " * 100) for x in range(4)]
    model = ScriptedModel([*script, answer_text("8")])
    Agent(model, [double], instructions="Be brief.", context_tokens=500).run(QUESTION)
    for call in model.calls:
        assert [m["role"] for m in call.messages].count("system") == 1
        assert call.messages[0]["content"].count("Be brief.") == 1
        assert QUESTION in str(call.messages)
    assert len(model.calls[-1].messages) < 2 + 2 * 4
