"""A replay does all of a run again but the model and the tools, and notices every change."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tiny_agent.agent import Agent
from tiny_agent.hermes import HermesToolCall
from tiny_agent.messages import (
    FinalAnswer,
    Message,
    Reply,
    RunResult,
    Step,
    ToolCall,
    ToolResult,
    Usage,
    WireCall,
)
from tiny_agent.models import Line, ModelError, ScriptedModel
from tiny_agent.openai_tools import OpenAITools
from tiny_agent.protocols import Dialect
from tiny_agent.react import ReActText
from tiny_agent.replay import MAX_LINES, Replay, replay
from tiny_agent.run_state import Limits
from tiny_agent.tools import ToolError, tool
from tiny_agent.trace import Trace, TraceWriter, read_trace, record
from tiny_agent.trace_header import Header
from tiny_agent.workflows import SOP, PlanAndExecute, SOPStep

runs: list[str] = []
"""What the tools were called with."""


@tool
def look(what: str, often: int = 1) -> str:
    """Look something up."""
    runs.append(what)
    if what == "nothing":
        raise ToolError("there is nothing")
    return f"{what} is {len(runs)}"


@tool(needs_approval=True)
def delete(path: str) -> str:
    """Delete a file."""
    runs.append(path)
    return "deleted"


@tool(max_chars=100)
def much() -> str:
    """Say much."""
    return "x" * 1000


TOOLS = [look, delete, much]


def act(name: str, **arguments: object) -> str:
    return f"Thought: so\nAction: {name}\nAction Input: {json.dumps(arguments)}"


def wire(what: str, id: str) -> WireCall:
    function = {"name": "look", "arguments": f'{{"what": "{what}"}}'}
    return {"id": id, "type": "function", "function": function}  # type: ignore[typeddict-item]


def failing(messages: Sequence[Message]) -> str:
    raise ModelError("http://example.org answered 500; try again later")


def slow(messages: Sequence[Message]) -> str:
    time.sleep(0.06)
    return act("look", what="late")


END = "Thought: I know.\nFinal Answer: 42"
TWICE = '<tool_call>{"name": "look", "arguments": {"what": "a"}}</tool_call>' * 2
AGENTS: dict[str, Callable[[], Agent]] = {
    "react": lambda: Agent(ScriptedModel([act("look", what="a"), "no form", END]), TOOLS),
    "react in Chinese": lambda: Agent(
        ScriptedModel(["思考：嗯\n行动：look\n行动输入：a", "最终答案：四十二"]),
        TOOLS,
        ReActText("zh"),
    ),
    "hermes": lambda: Agent(
        ScriptedModel([TWICE, "<tool_call>{", "It is 42."]), TOOLS, HermesToolCall(), "Be brief."
    ),
    "openai": lambda: Agent(
        ScriptedModel([Reply("", (wire("a", "x"), wire("b", "y")), Usage(9, 9, 1)), "42"]),
        TOOLS,
        OpenAITools(),
    ),
    "tools that fail": lambda: Agent(
        ScriptedModel([act("look", what="nothing"), act("look"), act("nope"), act("much"), END]),
        TOOLS,
    ),
    "the same call again": lambda: Agent(
        ScriptedModel([act("look", what="a"), act("look", what="a"), END]), TOOLS
    ),
    "the same failing call again": lambda: Agent(
        ScriptedModel([act("look", what="nothing"), act("look", what="nothing"), END]), TOOLS
    ),
    "round in a circle": lambda: Agent(ScriptedModel([act("look", what="a")] * 3 + [END]), TOOLS),
    "approved": lambda: Agent(
        ScriptedModel([act("delete", path="/"), END]), TOOLS, confirm=lambda call: True
    ),
    "refused": lambda: Agent(
        ScriptedModel([act("delete", path="/"), act("delete", path="/"), END]), TOOLS
    ),
    "approved, then refused": lambda: Agent(
        ScriptedModel([act("delete", path="a"), act("delete", path="b"), END]),
        TOOLS,
        confirm=lambda call: call.arguments["path"] == "a",
    ),
    "limit of steps": lambda: Agent(
        ScriptedModel([act("look", what="a"), act("look", what="b"), END]), TOOLS, limits=Limits(2)
    ),
    "limit of tokens": lambda: Agent(
        ScriptedModel([act("look", what="a"), "I cannot say."]), TOOLS, limits=Limits(9, 100)
    ),
    "limit of time": lambda: Agent(
        ScriptedModel([act("look", what="a"), slow, END]), TOOLS, limits=Limits(max_seconds=0.05)
    ),
    "bad form": lambda: Agent(ScriptedModel(["a", "b", "c", "d"]), TOOLS),
    "no model": lambda: Agent(ScriptedModel([act("look", what="a"), failing]), TOOLS),
    "no model at all": lambda: Agent(ScriptedModel([failing]), TOOLS),
    "short memory": lambda: Agent(
        ScriptedModel([*[act("look", what=c * 99) for c in "abcdef"], END]),
        TOOLS,
        context_tokens=260,
    ),
    "no tools": lambda: Agent(ScriptedModel(["Final Answer: 42"])),
}


@pytest.mark.parametrize("name", AGENTS)
def test_a_run_is_the_same_again(name: str, tmp_path: Path) -> None:
    result = record(AGENTS[name](), "What is a?", tmp_path / "t")
    runs.clear()
    assert replay(tmp_path / "t") == Replay(len(result.steps), None)
    assert runs == []  # no tool was run


def test_the_history_is_told_again(tmp_path: Path) -> None:
    history: list[Message] = [
        {"role": "user", "content": "Who are you?"},
        {"role": "assistant", "content": "An agent."},
    ]
    agent = AGENTS["react"]()
    with TraceWriter(tmp_path / "t", Header.of(agent, "And?", history)) as writer:
        assert list(writer.follow(agent.stream("And?", history)))
    assert replay(tmp_path / "t").ok


PLAN = '["Look up a.", "Look up b."]'
FLOWS: dict[str, Callable[[], SOP | PlanAndExecute]] = {
    "plan": lambda: PlanAndExecute(
        Agent(ScriptedModel([PLAN, act("look", what="a"), END, END, "It is 42."]), TOOLS), 4, "zh"
    ),
    "plan without a plan": lambda: PlanAndExecute(Agent(ScriptedModel(["no"] * 3), TOOLS)),
    "plan that fails": lambda: PlanAndExecute(
        Agent(ScriptedModel([PLAN, *["no form"] * 3, failing]), TOOLS)
    ),
    "sop": lambda: SOP(
        Agent(ScriptedModel([act("look", what="a"), END, "It is 42."]), TOOLS),
        [SOPStep("first", "Look: {question}", ("look",)), SOPStep("last", "Say {first}.")],
    ),
    "sop that fails": lambda: SOP(
        Agent(ScriptedModel([act("look", what="a"), failing]), TOOLS),
        [SOPStep("first", "Look: {question}", ("look",)), SOPStep("last", "Say {first}.")],
    ),
}


@pytest.mark.parametrize("name", FLOWS)
def test_a_workflow_is_the_same_again(name: str, tmp_path: Path) -> None:
    result = record(FLOWS[name](), "What is a?", tmp_path / "t")
    assert replay(tmp_path / "t") == Replay(len(result.steps), None)


def test_a_call_that_is_made_twice_at_once_gets_its_own_results(tmp_path: Path) -> None:
    result = record(AGENTS["hermes"](), "What is a?", tmp_path / "t")
    first, second = result.steps[0].results
    assert first.content != second.content
    for _ in range(20):
        assert replay(tmp_path / "t").ok


def test_a_run_that_was_killed_is_the_same_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "t"
    record(AGENTS["react"](), "What?", path)
    lines = path.read_bytes().splitlines(keepends=True)
    for steps in range(4):
        path.write_bytes(b"".join(lines[: 1 + steps]))
        outcome = replay(path)
        assert (outcome.steps, outcome.difference) == (steps, None)
        assert "there is no result" in str(outcome.missing)


def test_a_replay_has_all_the_time_in_the_world(tmp_path: Path) -> None:
    agent = AGENTS["react"]()
    agent.limits = Limits(max_seconds=60)
    record(agent, "What?", tmp_path / "t")
    trace = read_trace(tmp_path / "t")
    hurried = replace(trace.header, limits=Limits(max_seconds=1e-9))
    assert replay(replace(trace, header=hurried)).ok


# --- Differences. ---


@pytest.fixture
def trace(tmp_path: Path) -> Trace:
    script: list[Line] = [act("look", what="a"), act("delete", path="/"), "no form", END]
    record(Agent(ScriptedModel(script), TOOLS, instructions="Be brief."), "Why?", tmp_path / "t")
    return read_trace(tmp_path / "t")


def with_step(trace: Trace, place: int, step: Step) -> Trace:
    return replace(trace, steps=[*trace.steps[:place], step, *trace.steps[place + 1 :]])


def difference(trace: Trace) -> str:
    outcome = replay(trace)
    assert outcome.difference
    assert not outcome.ok
    return f"{outcome.steps} the same; {outcome.difference}"


def test_a_changed_prompt_is_shown_line_by_line(trace: Trace) -> None:
    prompt = [message.copy() for message in trace.steps[1].prompt]
    assert prompt[3]["content"].startswith("Observation: a is")
    prompt[3]["content"] = "Observation: a was 7\nand more"
    told = difference(with_step(trace, 1, replace(trace.steps[1], prompt=prompt)))
    assert told.startswith("1 the same; step 2, the prompt:\n--- recorded\n+++ now\n")
    assert '\n-   "content": "Observation: a was 7\\n\n-and more"\n' in told
    assert '\n+   "content": "Observation: a is ' in told


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda h: replace(h, question="Why not?"), "0 the same; step 1, the prompt:"),
        (lambda h: replace(h, instructions=""), '-   "content": "Be brief.'),
        (lambda h: replace(h, dialect="hermes"), "step 1, the prompt:"),
        (lambda h: replace(h, language="zh"), "+思考：为什么已经知道答案"),
        (lambda h: replace(h, tools=h.tools[:2]), "step 1, the prompt:"),
        (lambda h: replace(h, history=[{"role": "user", "content": "x"}]), "step 1"),
        (lambda h: replace(h, limits=Limits(max_steps=2)), "2 the same; step 3, the prompt:"),
        (lambda h: replace(h, limits=Limits(max_format_errors=1)), "3 the same; step 4"),
        (lambda h: replace(h, context_tokens=240), "the prompt:"),
    ],
)
def test_a_run_under_other_conditions_differs(
    change: Callable[[Header], Header], told: str, trace: Trace
) -> None:
    assert told in difference(replace(trace, header=change(trace.header)))


def test_what_is_made_of_a_reply_is_compared(trace: Trace) -> None:
    first, *_, last = trace.steps
    assert "1 the same; " not in difference(with_step(trace, 0, replace(first, thought="other")))
    assert "step 1, the thought:" in difference(with_step(trace, 0, replace(first, thought="hm")))
    changed = replace(last, decision=FinalAnswer("43"))
    told = difference(with_step(trace, 3, changed))
    assert told.startswith("3 the same; step 4, the decision:\n")
    assert '-  "text": "43"' in told
    assert '+  "text": "42"' in told
    other = replace(first, decision=[ToolCall("look", {"what": "b"}, "call_0")])
    assert 'step 1: it calls look {"what": "a"}' in difference(with_step(trace, 0, other))


def test_a_changed_result_changes_the_next_prompt(trace: Trace) -> None:
    first = trace.steps[0]
    results = [ToolResult("call_0", "look", "a is new")]
    told = difference(with_step(trace, 0, replace(first, results=results)))
    assert told.startswith("1 the same; step 2, the prompt:")
    assert '+   "content": "Observation: a is new"' in told


def test_a_changed_reply_changes_what_follows(trace: Trace) -> None:
    changed = replace(trace.steps[2], reply=Reply(END, (), Usage(1, 1, 1)))
    assert "2 the same; step 3, the" in difference(with_step(trace, 2, changed))


@pytest.mark.parametrize(
    "change",
    [
        lambda result: replace(result, answer="43"),
        lambda result: replace(result, status="max_steps"),
        lambda result: replace(result, usage=Usage(1, 2, 3)),
        lambda result: replace(result, error="it broke"),
    ],
)
def test_the_result_is_compared(change: Callable[[RunResult], RunResult], trace: Trace) -> None:
    assert trace.result
    told = difference(replace(trace, result=change(trace.result)))
    assert told.startswith("4 the same; the result:\n--- recorded\n+++ now\n")


def test_a_run_that_goes_on_or_stops_early_differs(trace: Trace) -> None:
    told = difference(replace(trace, steps=trace.steps[:3]))
    assert '- "status": "answered"' in told
    assert '+ "status": "model_error"' in told
    longer = replace(trace, steps=[*trace.steps, trace.steps[-1]])
    assert "the result: it comes after 4 of 5 steps" in difference(longer)


def test_a_difference_is_not_longer_than_can_be_read(tmp_path: Path) -> None:
    record(AGENTS["no tools"](), "\n".join(["y" * 9000] * 300), tmp_path / "t")
    trace = read_trace(tmp_path / "t")
    told = difference(replace(trace, header=replace(trace.header, question="z")))
    assert len(told.splitlines()) < 4 * MAX_LINES  # a line that was cut is three
    assert len(told) < 30_000
    assert "more lines)" in told


# --- What the header does not know how to start. ---


@dataclass(frozen=True)
class Shouting(ReActText):
    """A dialect of somebody's own."""

    name: str = "shouting"

    def format_observation(self, message: Message) -> Message:
        return {"role": "user", "content": "OBSERVATION: " + message["content"]}


def test_a_dialect_of_your_own_needs_a_hand(tmp_path: Path) -> None:
    dialect: Dialect = Shouting()
    record(Agent(ScriptedModel([act("look", what="a"), END]), TOOLS, dialect), "?", tmp_path / "t")
    with pytest.raises(ValueError, match=r"the dialect 'shouting' is not known here; .*rerun="):
        replay(tmp_path / "t")
    outcome = replay(
        tmp_path / "t",
        rerun=lambda header, model, tools, confirm: Agent(model, tools, dialect).stream(
            header.question
        ),
    )
    assert outcome == Replay(2, None)


def test_a_workflow_nobody_knows_is_told(trace: Trace) -> None:
    for workflow in ({"name": "tree"}, {"name": "sop", "steps": [{"name": "x"}]}, {"name": "plan"}):
        with pytest.raises(ValueError, match=r"(tree|'x'|plan)"):
            replay(replace(trace, header=replace(trace.header, workflow=workflow)))


def test_a_file_that_is_no_trace_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("{}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 1: this is no trace"):
        replay(tmp_path / "t")
