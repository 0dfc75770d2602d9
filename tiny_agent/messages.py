"""The words an agent is made of: messages, calls, results, steps, and what a run came to.

A conversation is a list of plain dicts in the form of OpenAI's chat protocol, whatever dialect the
model speaks: a call stands in `tool_calls` of the assistant's message, its result in a message of
the role "tool". `protocols` turns that into what the model reads. Chapter 41 uses these.
Source: https://platform.openai.com/docs/api-reference/chat. Leaves out: images, audio.
"""

import json
from dataclasses import dataclass, field
from typing import Literal, NotRequired, TypedDict


class FunctionCall(TypedDict):
    """What to call, as it travels: the arguments are a JSON text."""

    name: str
    arguments: str


class WireCall(TypedDict):
    """A call as it travels in an assistant's message."""

    id: str
    type: Literal["function"]
    function: FunctionCall


class Message(TypedDict):
    """{"role": "user", "content": "..."}: one turn of a conversation."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: NotRequired[list[WireCall]]
    tool_call_id: NotRequired[str]


@dataclass(frozen=True)
class ToolCall:
    """A tool that the model wants to be run."""

    name: str
    arguments: dict[str, object] = field(default_factory=dict)
    id: str = "call_0"
    """Ties the result to the call; unique within a conversation."""

    def to_wire(self) -> WireCall:
        """The call as an assistant's message carries it."""
        arguments = json.dumps(self.arguments, ensure_ascii=False)
        function: FunctionCall = {"name": self.name, "arguments": arguments}
        return {"id": self.id, "type": "function", "function": function}

    @classmethod
    def from_wire(cls, wire: WireCall) -> "ToolCall":
        """The call that a message of ours carries. ValueError if its arguments are no JSON."""
        function = wire["function"]
        return cls(function["name"], json.loads(function["arguments"]), wire["id"])


@dataclass(frozen=True)
class FinalAnswer:
    """The model is done."""

    text: str


@dataclass(frozen=True)
class ParseError:
    """A reply that is neither a call nor an answer; `message` tells the model how to mend it."""

    message: str


Decision = list[ToolCall] | FinalAnswer | ParseError
"""What a reply asks for."""


@dataclass(frozen=True)
class ToolResult:
    """What came of a call: the text that the model will read."""

    call_id: str
    name: str
    content: str
    is_error: bool = False
    latency_s: float = 0.0

    def to_message(self) -> Message:
        """The result as the conversation keeps it."""
        return {"role": "tool", "content": self.content, "tool_call_id": self.call_id}


@dataclass(frozen=True)
class Usage:
    """What model calls cost, in tokens."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    model_calls: int = 0
    estimated: bool = False
    """Some of it was counted here, because a server did not say."""

    @property
    def total_tokens(self) -> int:
        """Read and written, together."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.model_calls + other.model_calls,
            self.estimated or other.estimated,
        )


@dataclass(frozen=True)
class Reply:
    """What a model said in one go."""

    text: str
    tool_calls: tuple[WireCall, ...] = ()
    """Calls that a server tells apart from the text; their arguments may be broken JSON."""
    usage: Usage = Usage()
    finish_reason: str = "stop"
    """"stop", "length" (cut off by the limit of tokens) or "tool_calls"."""


@dataclass(frozen=True)
class Step:
    """One round of the loop: what the model read and said, and what was done about it."""

    prompt: list[Message]
    """Exactly what the model was sent."""
    tools: list[dict[str, object]]
    """The tool descriptions sent beside the messages; empty where the prompt holds them."""
    stop: tuple[str, ...]
    reply: Reply
    thought: str
    decision: Decision
    results: list[ToolResult] = field(default_factory=list)
    latency_s: float = 0.0
    """The model's time; each result has its own."""


Status = Literal[
    "answered",
    "max_steps",
    "token_budget",
    "time_budget",
    "format_errors",
    "repeated_calls",
    "model_error",
]
"""How a run ended. All but the first are ends short of the model's own; there may be an answer all
the same: the one that it was made to give with what it had."""


@dataclass(frozen=True)
class RunResult:
    """What a run came to."""

    answer: str | None
    status: Status
    steps: list[Step]
    usage: Usage
    messages: list[Message]
    """The whole conversation, without the system message: pass it on as the next run's history."""
    error: str | None = None
    """Why, in words: what the model's server said, or which step of a workflow came to nothing."""
