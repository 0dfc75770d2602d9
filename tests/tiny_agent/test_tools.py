"""Whatever happens in a tool, the model gets a text that it can act on."""

import dataclasses
import enum
import json
import subprocess
import sys
import threading
import time
from typing import Literal

import pytest
from pydantic import BaseModel

from tiny_agent.messages import ToolCall
from tiny_agent.tools import Tool, ToolError, ToolRegistry, as_text, shorten, tool


@tool
def add(a: int, b: int = 1) -> int:
    """Add two whole numbers.

    Args:
        a: The first.
        b: The second.
    """
    return a + b


def result_of(each: Tool, **arguments: object) -> tuple[str, bool]:
    result = ToolRegistry([each]).run(ToolCall(each.name, arguments, "call_7"))
    assert (result.call_id, result.name) == ("call_7", each.name)
    return result.content, result.is_error


def test_a_tool_is_still_the_function() -> None:
    assert add(2, 3) == 5
    assert add(2) == 3


def test_a_result_is_text_and_says_how_long_it_took() -> None:
    @tool
    def wait() -> str:
        """Wait."""
        time.sleep(0.02)
        return "done"

    result = ToolRegistry([wait]).run(ToolCall("wait"))
    assert (result.content, result.is_error) == ("done", False)
    assert 0.02 <= result.latency_s < 5


def test_the_slips_that_models_make_with_types_are_let_pass() -> None:
    assert result_of(add, a="3", b=4.0) == ("7", False)


def test_an_argument_nobody_knows_is_refused_with_those_that_are() -> None:
    content, is_error = result_of(add, a=1, c=2, d=3)
    assert is_error
    assert content == (
        "Error: add: there is no argument 'c'; there is no argument 'd'. The arguments are: a, b."
    )


def test_a_missing_and_a_wrong_argument_are_named() -> None:
    assert result_of(add, b=1)[0].startswith("Error: add: the argument 'a' is missing.")
    content, is_error = result_of(add, a="three" * 100)
    assert is_error
    assert content.startswith("Error: add: a='threethree")
    assert "valid integer" in content
    assert len(content) < 250


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_tool_is_given_a_number_that_is_none(value: float) -> None:
    @tool
    def half(x: float) -> float:
        """Half of it."""
        return x / 2

    assert result_of(half, x=value)[1]
    assert result_of(half, x=3)[0] == "1.5"


def test_an_exception_is_an_observation() -> None:
    @tool
    def fail(how: str) -> str:
        """Fail."""
        if how == "exit":
            raise SystemExit(3)
        if how == "tool":
            raise ToolError("no such page; try another")
        return str(1 // 0)

    assert result_of(fail, how="") == (
        "Error: ZeroDivisionError: integer division or modulo by zero",
        True,
    )
    assert result_of(fail, how="tool") == ("Error: no such page; try another", True)
    assert result_of(fail, how="exit") == ("Error: SystemExit: 3", True)


def test_a_value_that_cannot_be_written_is_an_observation() -> None:
    class Unspeakable:
        def __str__(self) -> str:
            raise RuntimeError("no words")

    @tool
    def fail() -> object:
        """Fail."""
        return Unspeakable()

    content, is_error = result_of(fail)
    assert is_error
    assert content == "Error: RuntimeError: no words"


def test_a_tool_that_hangs_is_left_behind() -> None:
    release = threading.Event()

    @tool(timeout_s=0.05)
    def hang() -> str:
        """Hang."""
        release.wait(10)
        return "late"

    start = time.monotonic()
    content, is_error = result_of(hang)
    release.set()
    assert is_error
    assert "no result within 0.05 s" in content
    assert time.monotonic() - start < 5


def test_a_tool_that_hangs_does_not_keep_the_program_from_ending() -> None:
    program = """
import time
from tiny_agent.messages import ToolCall
from tiny_agent.tools import ToolRegistry, tool

@tool(timeout_s=0.05)
def hang() -> str:
    \"\"\"Hang.\"\"\"
    time.sleep(60)

print(ToolRegistry([hang]).run(ToolCall("hang")).content)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert "no result within 0.05 s" in done.stdout


def test_the_time_left_to_the_run_bounds_a_tool_too() -> None:
    release = threading.Event()

    @tool(timeout_s=None)
    def hang() -> str:
        """Hang."""
        release.wait(10)
        return "late"

    result = ToolRegistry([hang]).run(ToolCall("hang"), seconds_left=0.05)
    release.set()
    assert result.is_error
    assert "within 0.05 s" in result.content


def test_ten_megabytes_lose_their_middle_and_say_so() -> None:
    @tool(max_chars=300)
    def flood() -> str:
        """Flood."""
        return "a" * 5_000_000 + "b" * 5_000_000

    content, is_error = result_of(flood)
    assert not is_error
    assert content == (
        "a" * 200 + "\n[... 9999700 of 10000000 characters left out ...]\n" + "b" * 100
    )


def test_the_text_of_an_error_is_no_longer_than_that_of_a_result() -> None:
    @tool(max_chars=300)
    def fail() -> str:
        """Fail."""
        raise ToolError("a" * 10_000)

    content, is_error = result_of(fail)
    assert is_error
    assert len(content) < 400
    assert "characters left out" in content


def test_shorten_leaves_alone_what_fits() -> None:
    assert shorten("abc", 3) == "abc"
    assert shorten("abcd", 3) == "ab\n[... 1 of 4 characters left out ...]\nd"
    assert shorten("abcd", 1) == "\n[... 4 of 4 characters left out ...]\n"


class Colour(enum.Enum):
    RED = "red"


class Point(BaseModel):
    x: int
    title: str = "here"


@dataclasses.dataclass
class Pair:
    left: object
    right: object


class Opaque:
    def __str__(self) -> str:
        return "opaque"


def circular() -> list[object]:
    ring: list[object] = []
    ring.append(ring)
    return ring


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("  as it is\n", "  as it is\n"),
        ("", "(no output)"),
        (" \n", "(no output)"),
        (None, "(no output)"),
        (5, "5"),
        (float("nan"), "NaN"),
        ({"深度": [1, 2.5, None, True]}, '{"深度":[1,2.5,null,true]}'),
        (Pair(Colour.RED, Point(x=1)), '{"left":"red","right":{"x":1,"title":"here"}}'),
        (Opaque(), '"opaque"'),
        (b"\xff\x00", "(2 bytes that are no text)"),
        (circular(), "[[...]]"),
    ],
)
def test_any_return_value_becomes_text(value: object, text: str) -> None:
    assert as_text(value) == text


def test_an_unknown_tool_is_answered_with_the_nearest_name_and_all_names() -> None:
    registry = ToolRegistry([add, dataclasses.replace(add, name="calculator")])
    assert registry.run(ToolCall("calculater")).content == (
        "Error: there is no tool 'calculater'. Did you mean calculator? "
        "The tools are: add, calculator."
    )
    assert "Did you mean" not in registry.run(ToolCall("xyzzy")).content
    alone = ToolRegistry().run(ToolCall("add"))
    assert alone.is_error
    assert "nor any other" in alone.content


def test_a_name_in_another_case_is_found_unless_two_would_fit() -> None:
    twins = ToolRegistry([add, dataclasses.replace(add, name="ADD")])
    assert ToolRegistry([add]).find("Add") is add
    assert twins.find("ADD") is not add
    assert twins.find("add") is add
    assert twins.find("Add") is None


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two tools are named 'add'; name one"):
        ToolRegistry([add, add])


def test_a_plain_function_is_refused() -> None:
    with pytest.raises(ValueError, match="is no Tool; put @tool above the function"):
        ToolRegistry([print])  # type: ignore[list-item]


def test_the_decorator_takes_a_name_and_limits() -> None:
    @tool(name="sum", needs_approval=True, timeout_s=None, max_chars=7)
    def anything(a: int) -> int:
        """Add."""
        return a

    assert (anything.name, anything.needs_approval) == ("sum", True)
    assert (anything.timeout_s, anything.max_chars) == (None, 7)


def test_a_bare_text_is_meant_for_the_only_required_parameter() -> None:
    def lone(parameters: dict[str, bool]) -> str | None:
        schema = {
            "properties": {name: {} for name in parameters},
            "required": [name for name, required in parameters.items() if required],
        }
        return dataclasses.replace(add, parameters=schema).lone_parameter()

    assert lone({"query": True, "k": False}) == "query"
    assert lone({"k": False, "query": True}) == "query"
    assert lone({"zone": False}) == "zone"
    assert lone({"a": True, "b": True}) is None
    assert lone({"a": False, "b": False}) is None
    assert lone({}) is None


def test_the_description_for_chat_servers_is_what_their_client_accepts() -> None:
    """The oracle is the official client's own description of the same function."""
    import openai

    class calculate(BaseModel):  # noqa: N801  # its name is the tool's
        """Work it out."""

        expression: str
        mode: Literal["exact", "float"]

    @tool(name="calculate")
    def ours(expression: str, mode: Literal["exact", "float"]) -> str:
        """Work it out."""
        return expression + mode

    theirs = json.loads(json.dumps(openai.pydantic_function_tool(calculate)))
    theirs["function"].pop("strict")
    for schema in (theirs["function"]["parameters"], *properties(theirs)):
        schema.pop("title", None)
        schema.pop("description", None)
    assert json.loads(json.dumps(ours.to_openai())) == theirs


def properties(
    spec: dict[str, dict[str, dict[str, dict[str, dict[str, str]]]]],
) -> list[dict[str, str]]:
    return list(spec["function"]["parameters"]["properties"].values())
