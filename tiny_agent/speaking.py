"""A dialect the other way round: writes what a model would write, reads what a model is shown.

For stand-ins that play the model (`rules`, `flaky`). Both ways go through the dialect itself, so
they work in each of the three, and in one of your own.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from .agent import AGAIN, MUST_ANSWER
from .messages import Message, Reply, ToolCall
from .models import ToolSpec
from .protocols import CORRECTION, Dialect
from .tools import ToolRegistry

_OFFERED = re.compile(r'"name": "(\w+)"|^(\w+): ', re.MULTILINE)


@dataclass(frozen=True)
class Conversation:
    """What a model is shown, without the dialect."""

    question: str
    """The last thing that the user asked."""
    calls: list[tuple[ToolCall, str]]
    """The calls since then, in order, each with what came of it."""


def write_call(dialect: Dialect, call: ToolCall, thought: str = "") -> Reply:
    """A reply that makes a call."""
    return _write(
        dialect, {"role": "assistant", "content": thought, "tool_calls": [call.to_wire()]}
    )


def write_answer(dialect: Dialect, text: str) -> Reply:
    """A reply that answers."""
    return _write(dialect, {"role": "assistant", "content": text})


def read_conversation(dialect: Dialect, messages: Sequence[Message]) -> Conversation:
    """The question and the calls that a prompt holds; an empty question if nobody asked."""
    question, calls = "", []
    pending: list[ToolCall] = []
    for message in messages:
        if message["role"] == "assistant":
            reply = Reply(message["content"], tuple(message.get("tool_calls", ())))
            decision = dialect.parse(reply, ToolRegistry())
            pending = list(decision) if isinstance(decision, list) else []
        elif (result := _observed(dialect, message)) is not None:
            if pending:
                calls.append((pending.pop(0), result))
        elif message["role"] == "user" and not message["content"].startswith(
            (CORRECTION, MUST_ANSWER)
        ):
            question, calls = message["content"], []
    return Conversation(question, calls)


def offered_tools(messages: Sequence[Message], tools: Sequence[ToolSpec]) -> set[str]:
    """The names of the tools that a prompt describes; words that look like one may be among them.

    tools: those that are sent beside the messages
    """
    system = "\n".join(m["content"] for m in messages if m["role"] == "system")
    described = f"{system}\n{json.dumps(list(tools))}"
    return {first or second for first, second in _OFFERED.findall(described)}


def _write(dialect: Dialect, message: Message) -> Reply:
    rendered = dialect.render([message], ToolRegistry()).messages[-1]
    calls = tuple(rendered.get("tool_calls", ()))
    return Reply(rendered["content"], calls, finish_reason="tool_calls" if calls else "stop")


def _observed(dialect: Dialect, message: Message) -> str | None:
    """The result that a message holds; None if it holds none."""
    sample = dialect.format_observation({"role": "tool", "content": "\0", "tool_call_id": ""})
    before, _, after = sample["content"].partition("\0")
    content = message["content"]
    if message["role"] != sample["role"] or not content.startswith(before):
        return None
    # At a limit, the last message is a result and the demand for an answer, joined.
    content = content.removeprefix(before).removesuffix(f"\n{MUST_ANSWER}")
    return content.removesuffix(after).removesuffix(AGAIN)
