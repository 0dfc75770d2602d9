import json
import time
from dataclasses import dataclass, field

from tiny_agent.messages import FinalAnswer, ParseError, Usage
from tiny_agent.protocols import strip_reasoning


@dataclass
class Base:
    messages: list
    question: int
    steps: list = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    format_errors: int = 0
    calls: dict = field(default_factory=dict)
    started_s: float = field(default_factory=time.monotonic)

    def limit_reached(self, limits):
        left, tokens = (
            self.seconds_left(limits),
            self.usage.prompt_tokens + self.usage.completion_tokens,
        )
        reached = {
            "format_errors": self.format_errors >= limits.max_format_errors,
            "repeated_calls": any(n >= limits.max_repeats for n in self.calls.values()),
            "max_steps": len(self.steps) >= limits.max_steps,
            "token_budget": limits.max_tokens is not None and tokens >= limits.max_tokens,
            "time_budget": left is not None and left <= 0,
        }
        return next((name for name, full in reached.items() if full), None)

    def seconds_left(self, limits):
        if limits.max_seconds is None:
            return None
        return self.started_s + limits.max_seconds - time.monotonic()

    def record(self, step):
        self.steps.append(step)
        self.usage = self.usage + step.reply.usage
        decision = step.decision
        self.format_errors = (self.format_errors + 1) * isinstance(decision, ParseError)
        if isinstance(decision, ParseError):
            said = strip_reasoning(step.reply.text).strip()[:2000] or "(nothing)"
            self.messages.append({"role": "assistant", "content": said})
            self.messages.append({"role": "user", "content": decision.message})
        elif isinstance(decision, FinalAnswer):
            self.messages.append({"role": "assistant", "content": decision.text})
        else:
            wires = [call.to_wire() for call in decision]
            turn = {"role": "assistant", "content": step.thought, "tool_calls": wires}
            self.messages.append(turn)
            self.messages.extend(result.to_message() for result in step.results)

    def count(self, call):
        key = json.dumps([call.name, call.arguments], sort_keys=True, default=str)
        self.calls[key] = self.calls.get(key, 0) + 1
        return self.calls[key]


# %% right
class Run(Base):
    pass


# %% wrong: the order in which the arguments were written makes two calls of one
class Run(Base):
    def count(self, call):
        key = json.dumps([call.name, call.arguments])
        self.calls[key] = self.calls.get(key, 0) + 1
        return self.calls[key]


# %% wrong: only calls in a row count as repeated
class Run(Base):
    def count(self, call):
        key = json.dumps([call.name, call.arguments], sort_keys=True)
        self.calls = {key: self.calls.get(key, 0) + 1}
        return self.calls[key]


# %% wrong: the tool's name alone is counted, whatever its arguments
class Run(Base):
    def count(self, call):
        self.calls[call.name] = self.calls.get(call.name, 0) + 1
        return self.calls[call.name]


# %% wrong: errors of form are counted over the whole run
class Run(Base):
    def record(self, step):
        before = self.format_errors
        super().record(step)
        self.format_errors = before + isinstance(step.decision, ParseError)


# %% wrong: a limit is reached one too late
class Run(Base):
    def limit_reached(self, limits):
        left, tokens = self.seconds_left(limits), self.usage.total_tokens
        if self.format_errors > limits.max_format_errors:
            return "format_errors"
        if any(n > limits.max_repeats for n in self.calls.values()):
            return "repeated_calls"
        if len(self.steps) > limits.max_steps:
            return "max_steps"
        if limits.max_tokens is not None and tokens > limits.max_tokens:
            return "token_budget"
        return "time_budget" if left is not None and left < 0 else None


# %% wrong: a call is kept without the results that answer it
class Run(Base):
    def record(self, step):
        super().record(step)
        self.messages[:] = [m for m in self.messages if m["role"] != "tool"]
