"""What an agent tells while it runs, in order: `Agent.stream` yields these.

A step is some `TextDelta`, then a `ToolStarted` for each call and a `ToolFinished` for each result,
then one `StepFinished` that holds all of it.
"""

from dataclasses import dataclass

from .messages import Step, ToolCall, ToolResult


@dataclass(frozen=True)
class TextDelta:
    """A piece of what the model is saying."""

    text: str


@dataclass(frozen=True)
class ToolStarted:
    """A call that is about to be run."""

    call: ToolCall


@dataclass(frozen=True)
class ToolFinished:
    """What came of a call; in the order of the calls, whichever was done first."""

    result: ToolResult


@dataclass(frozen=True)
class StepFinished:
    """A round of the loop, whole."""

    step: Step


Event = TextDelta | ToolStarted | ToolFinished | StepFinished
