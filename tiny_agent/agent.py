"""The loop: ask the model, run the tools it calls, show it the results, until it answers.

    agent = Agent(model, [calculator, search])
    result = agent.run("What is 12.5% of 840?")
    print(result.answer, result.status)

Nothing here knows a dialect (`protocols`), a server (`backends`) or a tool. What the loop adds is
that it always ends, and says why: limits of steps, tokens and time, of replies in the wrong form
and of the same call again. At a limit the model is asked once more, for an answer from what it has.
Chapter 41 builds it up in ten steps. Source: Yao et al. 2023, https://arxiv.org/abs/2210.03629,
section 2. Leaves out: two runs of one agent that share a conversation.
"""

import itertools
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import replace

from .deadline import TimeUp, until
from .events import Event, StepFinished, TextDelta, ToolFinished, ToolStarted
from .memory import trim
from .messages import (
    Decision,
    FinalAnswer,
    Message,
    Reply,
    RunResult,
    Status,
    Step,
    ToolCall,
    ToolResult,
)
from .models import Model, ModelError, estimate_usage
from .protocols import Dialect, Prompt
from .react import ReActText
from .run_state import Limits, Run
from .tools import Tool, ToolError, ToolRegistry, tool

MUST_ANSWER = "You must answer now, without tools, from what you know so far."
NOT_APPROVED = "the user has not approved this call"
AGAIN = "\n(You have made this very call before. Use what you know, or call something else.)"


class Agent:
    """A model, its tools, and the loop around them. Keeps nothing from one run to the next.

    instructions: a system message that comes before the tools' · confirm: asked before a tool that
    needs approval is run; without it, such a tool is refused · context_tokens: of the model, by our
    estimate; None never trims the conversation
    ValueError if two tools have one name
    """

    def __init__(
        self,
        model: Model,
        tools: Iterable[Tool] = (),
        dialect: Dialect | None = None,
        instructions: str = "",
        limits: Limits | None = None,
        confirm: Callable[[ToolCall], bool] | None = None,
        context_tokens: int | None = None,
    ) -> None:
        self.model, self.tools = model, ToolRegistry(tools)
        self.dialect: Dialect = dialect or ReActText()
        self.instructions, self.limits = instructions, limits or Limits()
        self.confirm, self.context_tokens = confirm, context_tokens

    def run(self, question: str, history: Sequence[Message] = ()) -> RunResult:
        """Answer a question. history: the messages of an earlier result, to go on from there.

        Raises nothing that a model, its server or a tool does: see the result's status.
        """
        events = self._events(question, history, streaming=False)
        while True:
            try:
                next(events)
            except StopIteration as end:
                return end.value

    def stream(
        self, question: str, history: Sequence[Message] = ()
    ) -> Generator[Event, None, RunResult]:
        """The same, telling what happens as it happens; returns the result."""
        return self._events(question, history, streaming=True)

    def as_tool(self, name: str, description: str) -> Tool:
        """This agent as a tool of another one, which gives it a task in words."""

        @tool(name=name, timeout_s=None)
        def delegate(task: str) -> str:
            """Replaced below.

            Args:
                task: What is to be done, with all that has to be known for it.
            """
            result = self.run(task)
            if result.answer is None:
                raise ToolError(f"no answer ({result.error or result.status})")
            return result.answer

        return replace(delegate, description=description)

    def _events(
        self, question: str, history: Sequence[Message], streaming: bool
    ) -> Generator[Event, None, RunResult]:
        """The loop itself: steps, until one brings the answer or a limit is reached."""
        run = Run([*history, {"role": "user", "content": question}], len(history))
        try:
            while (status := run.limit_reached(self.limits)) is None:
                answer = yield from self._step(run, streaming)
                if answer is not None:
                    return self._result(run, answer, "answered")
            answer = None
            if status != "time_budget":
                answer = yield from self._answer_now(run, streaming)
            return self._result(run, answer, status)
        except TimeUp:
            return self._result(run, None, "time_budget")
        except ModelError as error:  # what was done until then is not lost
            return replace(self._result(run, None, "model_error"), error=str(error))

    def _step(self, run: Run, streaming: bool) -> Generator[Event, None, str | None]:
        """One round of the loop; the answer, if it brought one."""
        prompt = self._prompt(run)
        reply, latency_s = yield from self._ask(prompt, run, streaming)
        decision = self._numbered(self.dialect.parse(reply, self.tools), run)
        thought = self.dialect.thought(reply, self.tools)
        results: list[ToolResult] = []
        if isinstance(decision, list):
            results = yield from self._results(decision, run)
        step = Step(
            prompt.messages, prompt.tools, prompt.stop, reply, thought, decision, results, latency_s
        )
        run.record(step)
        yield StepFinished(step)
        return decision.text if isinstance(decision, FinalAnswer) else None

    def _answer_now(self, run: Run, streaming: bool) -> Generator[Event, None, str | None]:
        """The answer that a run at its limit is made to give; any text will do, but no call."""
        none = ToolRegistry()
        force: Message = {"role": "user", "content": MUST_ANSWER}
        messages = [*self._system(), *run.messages, force]
        prompt = self.dialect.render(self._trimmed(messages, run, none), none)
        reply, latency_s = yield from self._ask(prompt, run, streaming)
        decision = self.dialect.parse(reply, none)
        thought = self.dialect.thought(reply, none)
        step = Step(prompt.messages, [], prompt.stop, reply, thought, decision, [], latency_s)
        run.steps.append(step)
        run.usage += reply.usage
        yield StepFinished(step)
        if not isinstance(decision, FinalAnswer):
            return None
        run.messages.append({"role": "assistant", "content": decision.text})
        return decision.text

    def _prompt(self, run: Run) -> Prompt:
        messages = [*self._system(), *run.messages]
        return self.dialect.render(self._trimmed(messages, run, self.tools), self.tools)

    def _system(self) -> list[Message]:
        return [{"role": "system", "content": self.instructions}] if self.instructions else []

    def _trimmed(self, messages: list[Message], run: Run, tools: ToolRegistry) -> list[Message]:
        if self.context_tokens is None:
            return messages
        system, rest = messages[: len(self._system())], messages[len(self._system()) :]

        def fits(kept: list[Message]) -> bool:
            prompt = self.dialect.render([*system, *kept], tools)
            used = estimate_usage(prompt.messages, prompt.tools).prompt_tokens
            return used <= (self.context_tokens or used)

        return [*system, *trim(rest, run.question, fits)]

    def _ask(
        self, prompt: Prompt, run: Run, streaming: bool
    ) -> Generator[TextDelta, None, tuple[Reply, float]]:
        """The model's reply, and the seconds it took. TimeUp if the run has no more of them."""
        seconds_left = run.seconds_left(self.limits)
        start = time.perf_counter()
        arguments = (prompt.messages, prompt.tools, prompt.stop)
        if seconds_left is not None:
            reply = yield from _as_deltas(until(self.model.stream(*arguments), seconds_left))
        elif streaming:
            reply = yield from _as_deltas(self.model.stream(*arguments))
        else:
            reply = self.model.generate(*arguments)
        return reply, time.perf_counter() - start

    def _numbered(self, decision: Decision, run: Run) -> Decision:
        """The calls under the tools' exact names, with ids that the conversation has not had."""
        if not isinstance(decision, list):
            return decision
        used = {wire["id"] for message in run.messages for wire in message.get("tool_calls", ())}
        calls = []
        for call in decision:
            found = self.tools.find(call.name)
            free = (name for number in itertools.count() if (name := f"call_{number}") not in used)
            fresh = next(free) if call.id in used else call.id
            used.add(fresh)
            calls.append(replace(call, name=found.name if found else call.name, id=fresh))
        return calls

    def _results(self, calls: list[ToolCall], run: Run) -> Generator[Event, None, list[ToolResult]]:
        """What came of the calls, which run side by side. Questions to the user come first."""
        times = {call.id: run.count(call) for call in calls}
        refused = {call.id: self._refusal(call, times[call.id]) for call in calls}
        for call in calls:
            yield ToolStarted(call)
        seconds_left = run.seconds_left(self.limits)

        def result_of(call: ToolCall) -> ToolResult:
            if reason := refused[call.id]:
                return ToolResult(call.id, call.name, f"Error: {reason}", is_error=True)
            result = self.tools.run(call, seconds_left)
            again = AGAIN if times[call.id] > 1 else ""
            return replace(result, content=result.content + again)

        results = _side_by_side(result_of, calls)
        for result in results:
            yield ToolFinished(result)
        return results

    def _refusal(self, call: ToolCall, times: int) -> str | None:
        """Why a call is not run; None if it is."""
        if times >= self.limits.max_repeats:
            return "not run again; the same call gives the same result"
        found = self.tools.find(call.name)
        if found and found.needs_approval and not (self.confirm and self.confirm(call)):
            return f"{NOT_APPROVED} of {call.name}; go on without it"
        return None

    def _result(self, run: Run, answer: str | None, status: Status) -> RunResult:
        return RunResult(answer, status, run.steps, run.usage, run.messages)


def _side_by_side(
    result_of: Callable[[ToolCall], ToolResult], calls: Sequence[ToolCall]
) -> list[ToolResult]:
    """The result of each call; all run at once, in threads that Ctrl-C does not wait for."""
    results = [Future[ToolResult]() for _ in calls]

    def work(call: ToolCall, result: Future[ToolResult]) -> None:
        try:
            result.set_result(result_of(call))
        except BaseException as error:  # a tool's are results already; `replay` has one of its own
            result.set_exception(error)

    for each in zip(calls, results, strict=True):
        threading.Thread(target=work, args=each, daemon=True).start()
    return [result.result() for result in results]


def _as_deltas(pieces: Generator[str, None, Reply]) -> Generator[TextDelta, None, Reply]:
    while True:
        try:
            yield TextDelta(next(pieces))
        except StopIteration as end:
            return end.value
