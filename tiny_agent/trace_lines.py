"""A run's steps as lines of JSON, and back: nothing is lost, and nothing stands there twice.

A prompt repeats the conversation so far, so that ten steps of ten prompts hold the first message
ten times. Here each message is written once, in the first line that needs it (`new`), and has a
number from then on; a prompt is the list of its messages' numbers:

    {"type": "step", "new": [{"role": "tool", ...}], "prompt": [0, 1, 2, 3], ...}

A file grows with the length of a run and not with its square, also where old turns were trimmed or
the instructions change. `trace` puts the lines into a file.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, get_args

from .messages import (
    Decision,
    FinalAnswer,
    Message,
    ParseError,
    Reply,
    RunResult,
    Status,
    Step,
    ToolCall,
    ToolResult,
    Usage,
)

Line = dict[str, Any]
"""A line of a trace: whatever JSON can hold, until it has been looked at."""

# Half a surrogate pair is no UTF-8. Escaped it is JSON that others can read; only the second of two
# halves that stand side by side is not, for those would come back as one character.
_HALF = re.compile("[\ud800-\udbff]|(?<![\ud800-\udbff])[\udc00-\udfff]")


def encode(line: Line) -> bytes:
    """A line as bytes, without the line break. Chinese stays readable; half surrogates survive."""
    text = json.dumps(line, ensure_ascii=False)
    return _HALF.sub(lambda half: f"\\u{ord(half[0]):04x}", text).encode("utf-8", "surrogatepass")


def decode(data: bytes) -> Line:
    """The line that `encode` made. ValueError if it is no JSON object."""
    try:
        line = json.loads(data.decode("utf-8", "surrogatepass"))
    except json.JSONDecodeError as error:
        raise ValueError(f"this is no JSON ({error.msg}, at character {error.pos})") from error
    except RecursionError as error:
        raise ValueError("this is nested too deeply") from error
    if not isinstance(line, dict):
        raise ValueError(f"this is no JSON object but a {type(line).__name__}")
    return line


class Numbered:
    """Values by number: the place at which they first stand in the file."""

    def __init__(self, values: Iterable[object] = ()) -> None:
        self._values: list[Any] = []
        self._numbers: dict[str, int] = {}
        self.extend(values)

    def extend(self, values: Iterable[object]) -> None:
        """Take in what stands in the file, equal ones too."""
        for value in values:
            self._numbers.setdefault(_key(value), len(self._values))
            self._values.append(value)

    def number(self, values: Iterable[object]) -> tuple[list[int], list[object]]:
        """The number of each value, and the values that have to be written for that."""
        numbers, new = [], []
        for value in values:
            if _key(value) not in self._numbers:
                self.extend([value])
                new.append(value)
            numbers.append(self._numbers[_key(value)])
        return numbers, new

    def __getitem__(self, number: int) -> Any:
        """ValueError if no value has this number."""
        if not isinstance(number, int) or not 0 <= number < len(self._values):
            raise ValueError(f"there is no message or tool number {number!r}")
        return self._values[number]


@dataclass
class Known:
    """What a trace has told so far, and later lines need not tell again."""

    messages: Numbered = field(default_factory=Numbered)
    specs: Numbered = field(default_factory=Numbered)
    """The descriptions of tools."""


def step_line(step: Step, known: Known) -> Line:
    """The line of a step."""
    prompt, new = known.messages.number(step.prompt)
    specs, new_specs = known.specs.number(step.tools)
    line: Line = {"type": "step", "new": new, "prompt": prompt, "tools": specs}
    line |= {"new_tools": new_specs} if new_specs else {}
    line |= {"stop": step.stop, "reply": asdict(step.reply), "thought": step.thought}
    line |= {"decision": _decision_line(step.decision)}
    return line | {"results": [asdict(r) for r in step.results], "latency_s": step.latency_s}


def step_from(line: Line, known: Known) -> Step:
    """The step of a line. ValueError, KeyError or TypeError if it is not that of a step."""
    known.messages.extend(messages_in(line, "new"))
    known.specs.extend(get(line, "new_tools", list) if "new_tools" in line else [])
    return Step(
        prompt=[known.messages[number] for number in get(line, "prompt", list)],
        tools=[known.specs[number] for number in get(line, "tools", list)],
        stop=tuple(get(line, "stop", list)),
        reply=_reply_from(get(line, "reply", dict)),
        thought=get(line, "thought", str),
        decision=_decision_from(get(line, "decision", dict)),
        results=[_result_from(each) for each in get(line, "results", list)],
        latency_s=get(line, "latency_s", int | float),
    )


def result_line(result: RunResult, known: Known) -> Line:
    """The line of what a run came to; its steps have lines of their own."""
    messages, new = known.messages.number(result.messages)
    line: Line = {"type": "result", "answer": result.answer, "status": result.status}
    line |= {"error": result.error, "usage": asdict(result.usage)}
    return line | {"new": new, "messages": messages}


def result_from(line: Line, steps: list[Step], known: Known) -> RunResult:
    """The result of a line. ValueError, KeyError or TypeError if it is not that of a result."""
    known.messages.extend(messages_in(line, "new"))
    if line["status"] not in get_args(Status):
        raise ValueError(f"there is no status {line['status']!r}")
    messages = [known.messages[number] for number in get(line, "messages", list)]
    answer, error = get(line, "answer", str | None), get(line, "error", str | None)
    return RunResult(answer, line["status"], steps, usage_from(line), messages, error)


def messages_in(line: Line, key: str) -> list[Message]:
    """The messages of a list. TypeError if one is none."""
    messages: list[Message] = get(line, key, list)
    for message in messages:
        get(message, "role", str)
        get(message, "content", str)
    return messages


def usage_from(line: Line) -> Usage:
    """What model calls cost."""
    usage = get(line, "usage", dict)
    return Usage(
        get(usage, "prompt_tokens", int),
        get(usage, "completion_tokens", int),
        get(usage, "model_calls", int),
        get(usage, "estimated", bool),
    )


def get(line: Any, key: str, kind: Any) -> Any:
    """What a line says under a key. TypeError if it is not of this kind, KeyError if nothing."""
    value = line[key]
    if not isinstance(value, kind):
        raise TypeError(f"{key} may not be {value!r:.60}")
    return value


def _key(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)  # as ASCII two half surrogates look like a whole


def _decision_line(decision: Decision) -> Line:
    if isinstance(decision, FinalAnswer):
        return {"answer": decision.text}
    if isinstance(decision, ParseError):
        return {"format_error": decision.message}
    return {"calls": [asdict(call) for call in decision]}


def _decision_from(line: Line) -> Decision:
    if "answer" in line:
        return FinalAnswer(get(line, "answer", str))
    if "format_error" in line:
        return ParseError(get(line, "format_error", str))
    return [
        ToolCall(get(call, "name", str), get(call, "arguments", dict), get(call, "id", str))
        for call in get(line, "calls", list)
    ]


def _reply_from(line: Line) -> Reply:
    calls = tuple(get(line, "tool_calls", list))
    for call in calls:
        get(get(call, "function", dict), "arguments", str)
    return Reply(get(line, "text", str), calls, usage_from(line), get(line, "finish_reason", str))


def _result_from(line: Line) -> ToolResult:
    return ToolResult(
        get(line, "call_id", str),
        get(line, "name", str),
        get(line, "content", str),
        get(line, "is_error", bool),
        get(line, "latency_s", int | float),
    )
