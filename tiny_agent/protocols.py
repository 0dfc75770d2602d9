"""Three dialects in which a model asks for a tool, behind one interface.

| dialect | a call is | the model reads the tools in |
| --- | --- | --- |
| `ReActText` (module react) | `Action:` and `Action Input:` lines | the system message |
| `HermesToolCall` | `<tool_call>{"name": ..., "arguments": ...}</tool_call>` | the system message |
| `OpenAITools` | a field of the server's reply | a field of the request |

`render` turns the conversation into what the model reads, `parse` turns its reply into a decision,
`format_observation` a result into a message. A conversation is kept free of dialect (`messages`),
so a call that was written sloppily is read back by the model in its proper form. Chapter 42
compares the three. Sources: the chat template of Qwen2.5 for Hermes,
https://platform.openai.com/docs/guides/function-calling for OpenAI.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from .messages import Decision, Message, Reply
from .models import ToolSpec
from .tools import ToolRegistry


@dataclass(frozen=True)
class Prompt:
    """All that a model is sent."""

    messages: list[Message]
    tools: list[ToolSpec]
    stop: tuple[str, ...]


class Dialect(Protocol):
    """How a model asks for a tool, and is told what came of it."""

    name: str

    def render(self, messages: Sequence[Message], tools: ToolRegistry) -> Prompt:
        """What the model reads. A leading system message is kept before the tools' instructions."""
        ...

    def parse(self, reply: Reply, tools: ToolRegistry) -> Decision:
        """What the reply asks for. Raises nothing, whatever the reply."""
        ...

    def thought(self, reply: Reply) -> str:
        """What the model said before it called or answered; empty if nothing."""
        ...

    def format_observation(self, result: Message) -> Message:
        """A message of the role "tool", as this dialect's model reads it."""
        ...
