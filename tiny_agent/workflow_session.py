"""One run of a workflow: several runs of one agent, of which the next sees what the last came to.

Parts of `workflows`: what `SOP` and `PlanAndExecute` have in common.
"""

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace

from .agent import Agent
from .events import Event
from .messages import Message, ParseError, RunResult, Status, Step, Usage
from .openai_tools import OpenAITools
from .protocols import Dialect
from .run_state import Limits


class Workflow:
    """What the two have in common: an agent, of which every step runs a copy."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent

    def run(self, question: str) -> RunResult:
        """Answer a question. Raises nothing that a model, its server or a tool does."""
        events = self._events(Session(self.agent, question, streaming=False))
        while True:
            try:
                next(events)
            except StopIteration as end:
                return end.value

    def stream(self, question: str) -> Generator[Event, None, RunResult]:
        """The same, telling what happens as it happens; returns the result."""
        return self._events(Session(self.agent, question, streaming=True))

    def _events(self, session: "Session") -> Generator[Event, None, RunResult]:
        raise NotImplementedError


@dataclass
class Session:
    """The state of one run of a workflow."""

    agent: Agent
    question: str
    streaming: bool
    steps: list[Step] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    started_s: float = field(default_factory=time.monotonic)

    def run(
        self,
        prompt: str,
        tools: Sequence[str],
        dialect: Dialect | None = None,
        past_budget: bool = False,
    ) -> Generator[Event, None, RunResult]:
        """Run the agent on a prompt with these of its tools, within what is left of the limits.

        Without tools and dialect it is plain chat, whatever the agent speaks: any text answers.
        past_budget: as the agent's last answer, this may go beyond the limit of tokens
        """
        limits = replace(self.agent.limits, max_tokens=None) if past_budget else self.agent.limits
        if status := self._spent(limits):
            return RunResult(None, status, [], Usage(), [])
        chosen = [tool for tool in self.agent.tools if tool.name in tools]
        agent = Agent(
            self.agent.model,
            chosen,
            dialect or (self.agent.dialect if chosen else OpenAITools()),
            self.agent.instructions,
            self._left(limits),
            self.agent.confirm,
            self.agent.context_tokens,
        )
        result = (yield from agent.stream(prompt)) if self.streaming else agent.run(prompt)
        self.steps += result.steps
        self.usage += result.usage
        return result

    def result(self, answer: str | None, status: Status, error: str | None = None) -> RunResult:
        """What the run came to. Its conversation is the question and the answer, no more."""
        conversation: list[Message] = [{"role": "user", "content": self.question}]
        if answer is not None:
            conversation.append({"role": "assistant", "content": answer})
        return RunResult(answer, status, self.steps, self.usage, conversation, error)

    def _spent(self, limits: Limits) -> Status | None:
        """The budget that is used up."""
        if limits.max_tokens is not None and self.usage.total_tokens >= limits.max_tokens:
            return "token_budget"
        seconds = time.monotonic() - self.started_s
        return "time_budget" if limits.max_seconds and seconds >= limits.max_seconds else None

    def _left(self, limits: Limits) -> Limits:
        """The limits of the next step's run."""
        tokens, seconds = limits.max_tokens, limits.max_seconds
        if tokens is not None:
            tokens -= self.usage.total_tokens
        if seconds is not None:
            seconds = max(1e-3, seconds - (time.monotonic() - self.started_s))
        return replace(limits, max_tokens=tokens, max_seconds=seconds)


def why_not(result: RunResult) -> str:
    """Why a run has no answer, in words."""
    errors = [step.decision for step in result.steps if isinstance(step.decision, ParseError)]
    if result.error or result.status != "format_errors" or not errors:
        return result.error or f"no answer ({result.status})"
    return errors[-1].message
