"""The MCP client and servers whose tools and answers are not what they should be."""

from pathlib import Path
from typing import Any

import pytest

from tests.tiny_agent.mcp_helpers import lines_of, rogue
from tiny_agent.mcp import MCPError, RefusedError
from tiny_agent.mcp_tools import as_tool, check_names, result_text
from tiny_agent.messages import ToolCall
from tiny_agent.tools import ToolError, ToolRegistry


def test_an_error_of_the_protocol_is_told_with_code_and_data() -> None:
    with rogue("error") as client:
        with pytest.raises(ToolError, match=r'Unknown tool \(-32602\) {"known": \["a"\]}'):
            client.call("say", {})
        with pytest.raises(RefusedError):
            client.request("tools/call", {"name": "say", "arguments": {}})


@pytest.mark.parametrize("mode", ["odd-error", "no-result", "list-result"])
def test_what_is_neither_result_nor_error_is_told(mode: str) -> None:
    with rogue(mode) as client, pytest.raises(ToolError, match=r"which is no result"):
        client.call("say", {})


def test_content_of_unknown_kinds_is_named() -> None:
    with rogue("odd-content") as client:
        said = client.call("say", {}).splitlines()
    assert [line[:31] for line in said] == ["[of a kind not known here: 7]"] + [
        '[of a kind not known here: {"ty'
    ] * 2
    assert "hologram" in said[1]


def test_data_stands_in_where_there_is_no_text() -> None:
    with rogue("data-only") as client:
        assert client.call("say", {}) == '{"星": [1, 2]}'
    assert result_text({"content": [{"type": "text", "text": "a"}], "structuredContent": 1}) == "a"
    picture = {"type": "image", "data": "", "mimeType": "image/png"}
    assert result_text({"content": [picture], "structuredContent": 0}).endswith("]\n0")


def test_no_content_is_no_text() -> None:
    with rogue("no-content") as client:
        assert client.call("say", {}) == ""
        assert ToolRegistry(client.tools()).run(ToolCall("say", {})).content == "(no output)"


def test_a_failure_without_a_reason_is_a_failure() -> None:
    with rogue("silent-error") as client, pytest.raises(ToolError, match="does not say why"):
        client.call("say", {})


def test_half_a_surrogate_pair_becomes_text() -> None:
    with rogue("surrogate") as client:
        client.call("say", {}).encode("utf-8")
        client.call("say", {"text": "\udcff"})  # nor does one in an argument stop us


def test_a_tool_that_asks_back_fails() -> None:
    with rogue("asks-back") as client, pytest.raises(ToolError, match="no one to ask"):
        client.call("say", {})


def test_an_argument_that_json_cannot_hold_is_an_error_of_the_call() -> None:
    with rogue("behave") as client:
        with pytest.raises(ToolError, match="JSON compliant"):
            client.call("say", {"text": float("nan")})
        assert client.call("say", {"text": "next"}) == "next"


# Lists of tools


def test_a_list_in_pages_is_asked_for_to_its_end(tmp_path: Path) -> None:
    with rogue("pages", tmp_path / "log") as client:
        assert [tool.name for tool in client.tools()] == ["say", "sing", "hum"]
    asked = [m["params"] for m in lines_of(tmp_path / "log") if m["method"] == "tools/list"]
    assert asked == [{}, {"cursor": ""}, {"cursor": "c"}]


def test_a_list_without_end_is_an_error() -> None:
    with rogue("circle") as client, pytest.raises(MCPError, match=r"100 pages; .*circle"):
        client.tools()


@pytest.mark.parametrize("mode", ["nameless", "odd-properties", "odd-required"])
def test_what_is_no_tool_is_shown(mode: str) -> None:
    with rogue(mode) as client, pytest.raises(MCPError, match=r'lists what is no tool: .*"object"'):
        client.tools()


def test_what_is_no_list_is_shown() -> None:
    with (
        rogue("no-list") as client,
        pytest.raises(MCPError, match=r'tools/list with .*"say"'),
    ):
        client.tools()


def test_hints_and_descriptions_of_a_wrong_kind_are_none() -> None:
    with rogue("odd-hints") as client:
        (tool,) = client.tools(trusted=True)
    assert (tool.needs_approval, tool.description) == (True, "say")


@pytest.mark.parametrize("hint", [None, False, "yes", 1])
def test_only_a_plain_true_is_read_only(hint: object) -> None:
    entry = {"name": "a", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": hint}}
    assert as_tool(entry, lambda name, arguments: "", trusted=True).needs_approval


def test_a_tool_may_have_arguments_of_any_name() -> None:
    entry = {"name": "a", "inputSchema": {"type": "object"}}
    tool = as_tool(entry, lambda name, arguments: f"{name} {arguments}")
    assert tool.run({"self": 1, "name": 2}) == "a {'self': 1, 'name': 2}"


def test_parameters_have_properties_even_where_the_server_names_none() -> None:
    entry = {"name": "a", "inputSchema": {"type": "object"}}
    tool = as_tool(entry, lambda name, arguments: "")
    assert tool.parameters == {"type": "object", "properties": {}}


def test_a_long_name_is_cut_to_what_servers_allow() -> None:
    entry = {"name": "n" * 100, "inputSchema": {"type": "object"}}
    tool = as_tool(entry, lambda name, arguments: str(len(name)), prefix="p_")
    assert len(tool.name) == 64
    assert tool.run({}) == "100"


A = {"type": "object", "properties": {"a": {}}}


@pytest.mark.parametrize(
    ("schema", "allowed"),
    [
        (A, False),
        ({**A, "additionalProperties": False}, False),
        ({**A, "additionalProperties": True}, True),
        ({**A, "additionalProperties": {}}, True),
        ({**A, "patternProperties": {"^x": {}}}, True),
        ({**A, "allOf": [{}]}, True),
        ({"type": "object"}, True),
        ({"type": "object", "properties": {}}, False),
        ({"type": "object", "additionalProperties": False}, False),
    ],
)
def test_unknown_names_are_refused_where_the_schema_names_all(schema: Any, allowed: bool) -> None:
    if allowed:
        assert check_names("t", schema, {"x": 1}) == {"x": 1}
    else:
        with pytest.raises(ToolError, match=r"t: there is no argument 'x'\. The arguments are: "):
            check_names("t", schema, {"x": 1})
