"""Runs a trace again without a model and without a tool, and says where it goes another way.

    outcome = replay("run.jsonl")
    assert outcome.ok, outcome.difference

The replies come from the trace, and so do the tools' results; all that lies between them is run:
prompts, parsing, limits, memory. So it takes no time and costs nothing, and after a change to any
of that it shows the first prompt that is not what it was. Chapter 43 uses it. Leaves out: the
clock; where a run ended because its time was up, the replay ends there too.
"""

import difflib
import json
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from .agent import AGAIN, NOT_APPROVED, Agent
from .dialects import DIALECTS, make_dialect
from .events import Event, StepFinished
from .messages import Message, Reply, RunResult, Step, ToolCall, ToolResult
from .models import Model, ModelError, ToolSpec
from .tools import Tool, ToolError, shorten
from .trace import Trace, read_trace
from .trace_header import Header
from .workflows import SOP, PlanAndExecute, SOPStep

MAX_LINES, MAX_CHARS = 40, 400
"""Of a difference that is shown, and of a line in it."""
_UNKNOWN = "not known here; say how to start it: replay(..., rerun=...)"
_REFUSED = f"Error: {NOT_APPROVED}"

Confirm = Callable[[ToolCall], bool]
Rerun = Callable[[Header, Model, list[Tool], Confirm], Generator[Event, None, RunResult]]
"""Starts a run like the recorded one: with this model, these tools and this user."""


@dataclass(frozen=True)
class Replay:
    """What came of running a trace again."""

    steps: int
    """How many were the same."""
    difference: str | None
    """The first one: in which step, of what, how it was and how it is. None: all is the same."""
    missing: str | None = None
    """What the trace does not have, as its run was ended from outside."""

    @property
    def ok(self) -> bool:
        """Whether all that there is was the same."""
        return self.difference is None


def replay(trace: Trace | str | Path, rerun: Rerun | None = None) -> Replay:
    """Run a trace, or the file of one, again; compare each step, then the result.

    rerun: for a run that its header cannot start, such as one in a dialect of your own
    ValueError if the file is not a trace, or `rerun` is needed
    """
    if not isinstance(trace, Trace):
        trace = read_trace(trace)
    recording = _Recording(trace)
    events = (rerun or run_again)(trace.header, recording, recording.tools(), recording.confirm)
    try:
        recording.compare_result(_compare_steps(events, recording))
    except _Difference as difference:
        return Replay(recording.same, str(difference))
    return Replay(recording.same, None, trace.missing)


def run_again(
    header: Header, model: Model, tools: list[Tool], confirm: Confirm
) -> Generator[Event, None, RunResult]:
    """The run that a header tells of. ValueError if its dialect or workflow is not one of ours."""
    if header.dialect not in DIALECTS:
        raise ValueError(f"the dialect {header.dialect!r} is {_UNKNOWN}")
    agent = Agent(
        model,
        tools,
        make_dialect(header.dialect, header.language),
        header.instructions,
        replace(header.limits, max_seconds=None),
        confirm,
        header.context_tokens,
    )
    match header.workflow:
        case {"name": "react"}:
            return agent.stream(header.question, header.history)
        case {"name": "plan", "max_steps": int(most), "language": language}:
            workflow = PlanAndExecute(agent, most, "zh" if language == "zh" else "en")
            return workflow.stream(header.question)
        case {"name": "sop", "steps": [*steps]}:
            return SOP(agent, [_sop_step(step) for step in steps]).stream(header.question)
    raise ValueError(f"workflow={header.workflow} is {_UNKNOWN}")


def _compare_steps(events: Generator[Event, None, RunResult], recording: "_Recording") -> RunResult:
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            return end.value
        if isinstance(event, StepFinished):
            recording.compare(event.step)


class _Difference(Exception):  # noqa: N818  # not an error: the thing that was looked for
    """Where the run goes another way."""


class _Recording:
    """The model, the tools and the user of a run that was recorded."""

    def __init__(self, trace: Trace) -> None:
        self.trace, self.replies, self.same = trace, 0, 0
        self._open: list[tuple[ToolCall, ToolResult]] = []
        """The calls of the step under way that have not been run again yet, and their results."""
        self._lock = threading.Lock()

    def generate(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec] = (), stop: Sequence[str] = ()
    ) -> Reply:
        """The next reply, if the prompt is the recorded one. ModelError if none is left."""
        if self.replies == len(self.trace.steps):
            raise ModelError("the trace has no more replies")
        step = self.trace.steps[self.replies]
        asked = [list(messages), list(tools), list(stop)]
        recorded = [step.prompt, step.tools, list(step.stop)]
        _check(f"step {self.replies + 1}, the prompt", recorded, asked)
        self.replies += 1
        calls = step.decision if isinstance(step.decision, list) else []
        self._open = list(zip(calls, step.results, strict=False))
        return step.reply

    def stream(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec] = (), stop: Sequence[str] = ()
    ) -> Generator[str, None, Reply]:
        """The same, in one piece."""
        reply = self.generate(messages, tools, stop)
        if reply.text:
            yield reply.text
        return reply

    def tools(self) -> list[Tool]:
        """The tools of the trace, which do nothing and give the recorded results."""
        header = self.trace.header
        functions: list[Any] = [spec["function"] for spec in header.tools]
        return [
            _RecordedTool(
                **function,  # name, description, parameters
                function=_not_run,
                check=_as_they_are,
                needs_approval=function["name"] in header.needs_approval,
                result_of=self.result_of,
            )
            for function in functions
        ]

    def result_of(self, name: str, arguments: dict[str, object]) -> ToolResult:
        """What came of this call; of the same call twice in a step, first the first."""
        with self._lock:  # the calls of a step are run side by side
            for place, (call, result) in enumerate(self._open):
                if (call.name, call.arguments) == (name, arguments):
                    del self._open[place]
                    return result
        made = f"{name} {json.dumps(arguments, ensure_ascii=False)}"
        raise _Difference(f"step {self.replies}: it calls {shorten(made, MAX_CHARS)}, new here")

    def confirm(self, call: ToolCall) -> bool:
        """What the user said then."""
        return not any(
            made.id == call.id and result.is_error and result.content.startswith(_REFUSED)
            for made, result in self._open
        )

    def compare(self, step: Step) -> None:
        """Compare what was made of a reply."""
        recorded, place = self.trace.steps[self.replies - 1], f"step {self.replies}"
        _check(f"{place}, the thought", recorded.thought, step.thought)
        _check(f"{place}, the decision", _decision(recorded), _decision(step))
        _check(f"{place}, the results", _results(recorded), _results(step))
        self.same += 1

    def compare_result(self, result: RunResult) -> None:
        """Compare what the run came to, where the trace has that."""
        recorded, count = self.trace.result, len(self.trace.steps)
        if self.replies < count:
            raise _Difference(f"the result: it comes after {self.replies} of {count} steps")
        if recorded and recorded.status != "time_budget":
            _check("the result", _summary(recorded), _summary(result))


@dataclass(frozen=True)
class _RecordedTool(Tool):
    """A tool that does nothing and gives the recorded results."""

    result_of: Callable[[str, dict[str, object]], ToolResult] = field(kw_only=True)

    def run(self, arguments: dict[str, object], seconds_left: float | None = None) -> str:
        """The recorded text. ToolError if that tells of an error."""
        result = self.result_of(self.name, arguments)
        content = result.content.removesuffix(AGAIN)  # which the agent adds
        if result.is_error:
            raise ToolError(content.removeprefix("Error: "))
        return content


def _not_run() -> None:
    raise AssertionError("a recorded tool is not run")


def _as_they_are(arguments: dict[str, object]) -> dict[str, object]:
    return arguments


def _check(what: str, recorded: object, now: object) -> None:
    """_Difference if the two are not the same JSON."""
    was, is_now = _lines(recorded), _lines(now)
    if was == is_now:
        return
    changes = list(difflib.unified_diff(was, is_now, "recorded", "now", lineterm="", n=2))
    shown = [shorten(line, MAX_CHARS) for line in changes[:MAX_LINES]]
    if len(changes) > MAX_LINES:
        shown.append(f"({len(changes) - MAX_LINES} more lines)")
    raise _Difference("\n".join([f"{what}:", *shown]))


def _lines(value: object) -> list[str]:
    """A value as JSON in lines; line breaks within texts are shown by breaking the line."""
    text = json.dumps(value, ensure_ascii=False, indent=1)
    return text.replace("\\n", "\\n\n").split("\n")


def _decision(step: Step) -> object:
    decision = step.decision
    return [asdict(each) for each in (decision if isinstance(decision, list) else [decision])]


def _results(step: Step) -> object:
    return [(result.call_id, result.content, result.is_error) for result in step.results]


def _summary(result: RunResult) -> object:
    # A model that failed cannot fail again in the same words: a workflow adds some of its own.
    error = None if result.status == "model_error" else result.error
    answer, usage = result.answer, asdict(result.usage)
    return {"status": result.status, "answer": answer, "error": error, "usage": usage}


def _sop_step(step: object) -> SOPStep:
    match step:
        case {"name": str(name), "prompt": str(prompt), "tools": [*tools]}:
            return SOPStep(name, prompt, tuple(map(str, tools)))
    raise ValueError(f"{step!r} is no step of a procedure; was the trace edited?")
