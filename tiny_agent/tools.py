"""A tool: a documented, typed function that a model may call.

    @tool
    def add(a: int, b: int = 1) -> int:
        \"\"\"Add two whole numbers.

        Args:
            a: The first.
            b: The second.
        \"\"\"
        return a + b

`@tool` reads name, description and JSON Schema off the function (`tool_schema`). Whatever happens
in a tool, the model gets a text it can act on: wrong arguments, an exception, a timeout and ten
megabytes of output are all observations. Chapter 42 uses this. Leaves out: async functions.
"""

import dataclasses
import difflib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, overload

from .messages import ToolCall, ToolResult
from .tool_schema import ArgumentsModel, Schema, description_of

MAX_CHARS = 4000
"""Of what a tool says: about a thousand tokens."""


class ToolError(Exception):
    """Raised by a tool, and by a bad call of one: the message is for the model to read."""


class Check(Protocol):
    """Turns the arguments of a model into those of the function. ToolError if they do not fit."""

    def __call__(self, arguments: dict[str, object]) -> dict[str, object]: ...


@dataclasses.dataclass(frozen=True)
class Tool:
    """A function with all that a model has to know of it.

    parameters: a JSON Schema of type "object" · timeout_s: None waits for ever · max_chars: what is
    longer loses its middle, and says so
    """

    name: str
    description: str
    parameters: Schema
    function: Callable[..., object]
    check: Check
    needs_approval: bool = False
    timeout_s: float | None = 30.0
    max_chars: int = MAX_CHARS

    def __call__(self, *args: object, **kwargs: object) -> object:
        """Call the function itself, as if it had not been made a tool."""
        return self.function(*args, **kwargs)

    def to_openai(self) -> dict[str, object]:
        """The tool as chat servers want it described."""
        function = {"name": self.name, "description": self.description}
        return {"type": "function", "function": {**function, "parameters": self.parameters}}

    def lone_parameter(self) -> str | None:
        """The parameter that a bare text is meant for: the only one, or the only required one."""
        required = self.parameters.get("required", [])
        names = list(self.parameters.get("properties", {}))
        if len(required) == 1:
            return required[0]
        return names[0] if len(names) == 1 else None

    def run(self, arguments: dict[str, object], seconds_left: float | None = None) -> str:
        """What the tool says, as text. ToolError if it cannot be run, fails or takes too long."""
        checked = self.check(arguments)
        limits = [limit for limit in (self.timeout_s, seconds_left) if limit is not None]
        text = _within(min(limits, default=None), lambda: as_text(self.function(**checked)))
        return shorten(text, self.max_chars)


@overload
def tool(function: Callable[..., object], /) -> Tool: ...
@overload
def tool(
    *,
    name: str | None = None,
    needs_approval: bool = False,
    timeout_s: float | None = 30.0,
    max_chars: int = MAX_CHARS,
) -> Callable[[Callable[..., object]], Tool]: ...
def tool(
    function: Callable[..., object] | None = None,
    /,
    *,
    name: str | None = None,
    needs_approval: bool = False,
    timeout_s: float | None = 30.0,
    max_chars: int = MAX_CHARS,
) -> Tool | Callable[[Callable[..., object]], Tool]:
    """Make a tool of a function: `@tool`, or `@tool(needs_approval=True)`.

    ValueError if a parameter has no type, or there is no docstring to tell the model what it does
    """

    def decorate(function: Callable[..., object]) -> Tool:
        model = ArgumentsModel(function)
        own_name = name or function.__name__
        return Tool(
            name=own_name,
            description=description_of(function),
            parameters=model.schema,
            function=function,
            check=lambda arguments: _checked(model, own_name, arguments),
            needs_approval=needs_approval,
            timeout_s=timeout_s,
            max_chars=max_chars,
        )

    return decorate if function is None else decorate(function)


class ToolRegistry:
    """Tools by name, in order. ValueError if two have one name."""

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        for each in tools:
            if not isinstance(each, Tool):
                raise ValueError(f"{each!r} is no Tool; put @tool above the function")
            if each.name in self._tools:
                raise ValueError(f"two tools are named {each.name!r}; name one: @tool(name=...)")
            self._tools[each.name] = each

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def __len__(self) -> int:
        return len(self._tools)

    def find(self, name: str) -> Tool | None:
        """The tool of this name, or the only one that differs from it in case alone."""
        alike = [each for each in self if each.name.casefold() == name.casefold()]
        return self._tools.get(name) or (alike[0] if len(alike) == 1 else None)

    def run(self, call: ToolCall, seconds_left: float | None = None) -> ToolResult:
        """Run a call. Nothing a tool does is raised: a failure is a result that says so."""
        start = time.perf_counter()
        found, failed = self.find(call.name), False
        try:
            if found is None:
                raise ToolError(self._unknown(call))
            content = found.run(call.arguments, seconds_left)
        except ToolError as error:
            most = found.max_chars if found else MAX_CHARS
            content, failed = shorten(f"Error: {error}", most), True
        return ToolResult(call.id, call.name, content, failed, time.perf_counter() - start)

    def _unknown(self, call: ToolCall) -> str:
        names = [each.name for each in self]
        if not names:
            return f"there is no tool {call.name!r}, nor any other; answer without"
        near = difflib.get_close_matches(call.name.casefold(), names, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]}?" if near else ""
        return f"there is no tool {call.name!r}.{hint} The tools are: {', '.join(names)}."


def as_text(value: object) -> str:
    """A tool's return value as the model reads it: text as it is, data as JSON."""
    if isinstance(value, str):
        return value if value.strip() else "(no output)"
    if value is None:
        return "(no output)"
    if isinstance(value, bytes):
        return f"({len(value)} bytes that are no text)"
    from pydantic_core import to_json

    try:  # dataclasses, models, enums, dates too; of anything else its str()
        return to_json(value, fallback=str, inf_nan_mode="constants").decode()
    except ValueError:  # circular, or bytes inside
        return str(value)


def shorten(text: str, max_chars: int) -> str:
    """The text, or its beginning and end with a note of how much is missing between them."""
    if len(text) <= max_chars:
        return text
    head, tail = max_chars * 2 // 3, max_chars // 3
    left_out = len(text) - head - tail
    note = f"\n[... {left_out} of {len(text)} characters left out ...]\n"
    return text[:head] + note + (text[-tail:] if tail else "")


def _checked(model: ArgumentsModel, name: str, arguments: dict[str, object]) -> dict[str, object]:
    try:
        return model.validate(arguments)
    except ValueError as error:
        raise ToolError(f"{name}: {error}") from error


def _within(timeout_s: float | None, function: Callable[[], str]) -> str:
    """What the function returns. ToolError if it raises, or takes too long.

    Python cannot stop a thread: one that hangs goes on in the background, and the run without it.
    """
    outcome: list[str] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            outcome.append(function())
        except BaseException as error:  # SystemExit too: a tool must not end the agent
            failure.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(timeout_s)
    if failure:
        error = failure[0]
        known = isinstance(error, ToolError)
        raise ToolError(str(error) if known else f"{type(error).__name__}: {error}") from error
    if not outcome:
        raise ToolError(f"no result within {timeout_s:g} s; try something smaller, or go without")
    return outcome[0]
