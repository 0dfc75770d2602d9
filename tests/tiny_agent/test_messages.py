"""What travels is the form of OpenAI's chat protocol."""

import json

import pytest
from openai.types.chat import ChatCompletionMessageFunctionToolCall
from pydantic import TypeAdapter

from tiny_agent.messages import ToolCall, ToolResult


def test_a_call_travels_as_the_official_client_reads_it() -> None:
    call = ToolCall("search", {"query": "月光石", "k": 2}, "call_3")
    read = TypeAdapter(ChatCompletionMessageFunctionToolCall).validate_python(call.to_wire())
    assert (read.id, read.function.name) == ("call_3", "search")
    assert json.loads(read.function.arguments) == {"query": "月光石", "k": 2}
    assert "月光石" in read.function.arguments
    assert ToolCall.from_wire(call.to_wire()) == call


def test_a_wire_call_with_broken_arguments_is_an_error() -> None:
    wire = ToolCall("search").to_wire()
    wire["function"]["arguments"] = '{"query": '
    with pytest.raises(ValueError, match="Expecting value"):
        ToolCall.from_wire(wire)


def test_a_result_names_its_call() -> None:
    message = ToolResult("call_3", "search", "found").to_message()
    assert message == {"role": "tool", "content": "found", "tool_call_id": "call_3"}
