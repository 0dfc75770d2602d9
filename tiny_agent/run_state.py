"""The state of one run of an agent, and the limits at which it ends.

Chapter 41 shows what happens without each of them.
"""

import time
from collections import Counter
from dataclasses import dataclass, field

from .messages import FinalAnswer, Message, ParseError, Status, Step, ToolCall, Usage
from .protocols import strip_reasoning
from .tools import shorten

UNREAD_CHARS = 500
"""Of a reply that cannot be read the model is shown so much: enough to see its form. One that
rambles would otherwise leave a small context no room for the next."""


@dataclass(frozen=True)
class Limits:
    """Where a run ends though the model has not answered. None is no limit.

    max_tokens: read and written; looked at before each step, so that one step and the last answer
    may go beyond it · max_seconds: of all of it; a tool or a reply under way is left behind ·
    max_format_errors: replies in a row that cannot be read · max_repeats: the same call with the
    same arguments, from this time on it is not run
    """

    max_steps: int = 10
    max_tokens: int | None = None
    max_seconds: float | None = None
    max_format_errors: int = 3
    max_repeats: int = 3

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and value <= 0:
                raise ValueError(f"{name}={value} must be above 0")


@dataclass
class Run:
    """The state of one run: what was said, what it cost, and whether a limit ends it."""

    messages: list[Message]
    question: int
    """The place of the question among the messages."""
    steps: list[Step] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    format_errors: int = 0
    """Replies in a row that could not be read."""
    calls: Counter[str] = field(default_factory=Counter)
    """How often each call, as one text of its name and arguments, was asked for."""
    started_s: float = field(default_factory=time.monotonic)

    def limit_reached(self, limits: Limits) -> Status | None:
        """The limit that the run has reached; None while it may go on.

        Of several the first: format_errors, repeated_calls, max_steps, token_budget, time_budget.
        A limit is reached with the step, token or second that makes it full, not the one after.
        """
        seconds_left = self.seconds_left(limits)
        if self.format_errors >= limits.max_format_errors:
            return "format_errors"
        if max(self.calls.values(), default=0) >= limits.max_repeats:
            return "repeated_calls"
        if len(self.steps) >= limits.max_steps:
            return "max_steps"
        if limits.max_tokens is not None and self.usage.total_tokens >= limits.max_tokens:
            return "token_budget"
        return "time_budget" if seconds_left is not None and seconds_left <= 0 else None

    def seconds_left(self, limits: Limits) -> float | None:
        """How much of the time is left; None if there is no limit to it."""
        if limits.max_seconds is None:
            return None
        return limits.max_seconds - (time.monotonic() - self.started_s)

    def record(self, step: Step) -> None:
        """Take a step into the state: its cost, and what the model will read of it.

        An answer is read as a message of the assistant's; calls as one with the thought and
        `tool_calls`, followed by their results; a reply that could not be read as what was said
        without its reasoning ("(nothing)" if nothing was), then the correction as the user's.
        """
        self.steps.append(step)
        self.usage += step.reply.usage
        decision = step.decision
        self.format_errors = self.format_errors + 1 if isinstance(decision, ParseError) else 0
        if isinstance(decision, FinalAnswer):
            self.messages.append({"role": "assistant", "content": decision.text})
        elif isinstance(decision, ParseError):
            said = shorten(strip_reasoning(step.reply.text).strip(), UNREAD_CHARS) or "(nothing)"
            self.messages.append({"role": "assistant", "content": said})
            self.messages.append({"role": "user", "content": decision.message})
        else:
            calls = [call.to_wire() for call in decision]
            self.messages.append(
                {"role": "assistant", "content": step.thought, "tool_calls": calls}
            )
            self.messages += [result.to_message() for result in step.results]

    def count(self, call: ToolCall) -> int:
        """Note a call; how often it has now been asked for in this run, in a row or not.

        The same call has the same name and arguments, in whatever order those were written.
        """
        signature = f"{call.name} {sorted(call.arguments.items(), key=str)}"
        self.calls[signature] += 1
        return self.calls[signature]
