"""The MCP client against a server made with the official SDK, and how a session begins."""

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_agent.mcp_helpers import HERE, lines_of, posix, rogue
from tiny_agent import mcp
from tiny_agent.mcp import MCPClient, MCPError, read_mcp_config
from tiny_agent.messages import ToolCall
from tiny_agent.tools import ToolError, ToolRegistry

# A server made with the official SDK, in a revision with a handshake and in one without


@pytest.fixture(scope="module", params=[(), ("--stateless",)], ids=["handshake", "stateless"])
def watched(request: pytest.FixtureRequest) -> Iterator[tuple[MCPClient, list[str]]]:
    lines: list[str] = []
    command = [sys.executable, str(HERE / "mcp_server.py"), *request.param]
    with MCPClient(command, {"GREETING": "你好"}, watch=lines.append) as client:
        yield client, lines


@pytest.fixture(scope="module")
def client(watched: tuple[MCPClient, list[str]]) -> MCPClient:
    return watched[0]


def test_client_and_server_agree_on_the_newest_revision_of_either_kind(client: MCPClient) -> None:
    stateless = "--stateless" in client.command
    assert client.version == ("2026-07-28" if stateless else "2025-11-25")


def test_revisions_known_are_those_of_the_official_sdk() -> None:
    from mcp_types import version

    assert version.HANDSHAKE_PROTOCOL_VERSIONS[::-1] == mcp.HANDSHAKE_VERSIONS
    assert version.MODERN_PROTOCOL_VERSIONS[0] == mcp.STATELESS_VERSION


def test_its_tools_join_a_registry(client: MCPClient) -> None:
    registry = ToolRegistry(client.tools(prefix="u_"))
    repeat = registry.find("u_repeat")
    assert repeat is not None
    assert repeat.description.startswith("Say a text")
    assert "\nArgs:\n    text: What to say." in repeat.description  # and its indentation is gone
    assert repeat.parameters["required"] == ["text"]
    result = registry.run(ToolCall("u_repeat", {"text": "你好，", "times": 2}))
    assert (result.content, result.is_error) == ("你好，你好，", False)


def test_names_have_the_letters_that_chat_servers_allow(client: MCPClient) -> None:
    registry = ToolRegistry(client.tools())
    assert registry.find("planet.picture") is None
    found = registry.find("planet_picture")
    assert found is not None
    assert found.run({}) == "[image, image/png, about 21 bytes: not shown]"  # of its own name


def test_unknown_and_missing_arguments_are_named_before_the_server_is_asked(
    watched: tuple[MCPClient, list[str]],
) -> None:
    client, lines = watched
    registry = ToolRegistry(client.tools())
    before = len(lines)
    said = registry.run(ToolCall("repeat", {"txt": "a"})).content
    assert "no argument 'txt'" in said
    assert "'text' is missing" in said
    assert "The arguments are: text, times." in said
    assert registry.run(ToolCall("planet_picture", {"x": 1})).content.endswith("are: none.")
    assert len(lines) == before


def test_wrong_types_are_the_servers_to_refuse(client: MCPClient) -> None:
    result = ToolRegistry(client.tools()).run(ToolCall("repeat", {"text": [1]}))
    assert result.is_error
    assert "valid string" in result.content


def test_a_tool_that_fails_is_an_error_with_its_reason(client: MCPClient) -> None:
    with pytest.raises(ToolError, match="太热"):
        client.call("fail", {"reason": "太热"})


def test_a_tool_that_does_not_exist_is_an_error(client: MCPClient) -> None:
    with pytest.raises(ToolError, match="Unknown tool: nonesuch"):
        client.call("nonesuch", {})


def test_structured_results_are_read_as_json(client: MCPClient) -> None:
    assert json.loads(client.call("planet", {"name": "火"})) == {"name": "火", "moons": 2}


def test_what_is_no_text_is_named_in_its_place(client: MCPClient) -> None:
    assert client.call("everything", {}).splitlines() == [
        "first",
        "[image, image/png, about 3 bytes: not shown]",
        "[audio, audio/wav, about 6 bytes: not shown]",
        "[resource file:///big.csv: not read]",
        "[file:///notes.txt]",
        "笔记",
        "last",
    ]


def test_a_call_that_takes_too_long_is_given_up_and_the_server_told(client: MCPClient) -> None:
    client.timeout_s, usual = 0.3, client.timeout_s
    try:
        with pytest.raises(ToolError, match=r"tools/call within 0.3 s; raise timeout_s"):
            client.call("slow", {"seconds": 44})
    finally:
        client.timeout_s = usual
    assert "44.0" in client.call("waits_stopped", {}).splitlines()  # and nothing else broke


def test_calls_of_many_threads_run_at_once_and_get_their_own_answers(client: MCPClient) -> None:
    with ThreadPoolExecutor(20) as pool:
        waits = [0.4 + i / 1000 for i in range(10)]
        slow = [pool.submit(client.call, "slow", {"seconds": wait}) for wait in waits]
        quick = [pool.submit(client.call, "repeat", {"text": str(i)}) for i in range(100)]
        assert [each.result() for each in quick] == [str(i) for i in range(100)]
        assert [each.result() for each in slow] == [f"waited {wait:g} s" for wait in waits]
    assert int(client.call("most_waits", {})) > 1


def test_a_long_text_travels_both_ways(client: MCPClient) -> None:
    text = "宇宙\n" * 300_000
    assert client.call("repeat", {"text": text}) == text


def test_questions_of_the_server_are_answered_meanwhile(client: MCPClient) -> None:
    if client.version == "2026-07-28":
        pytest.skip("in this revision a server asks nothing")
    assert "no method roots/list" in client.call("chatty", {})  # after a log line and a ping


def test_all_tools_need_approval_unless_the_server_is_trusted_to_know(client: MCPClient) -> None:
    assert all(tool.needs_approval for tool in client.tools())
    free = [tool.name for tool in client.tools(trusted=True) if not tool.needs_approval]
    assert free == ["repeat"]


def test_the_server_gets_what_it_is_given_of_the_environment_and_no_keys(
    monkeypatch: pytest.MonkeyPatch, client: MCPClient
) -> None:
    found = json.loads(client.call("environment", {}))
    assert found["GREETING"] == "你好"
    assert "PATH" in found
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    command = [sys.executable, "-c", "import os; print(*os.environ)"]
    with pytest.raises(MCPError) as error:
        MCPClient(command).start()
    assert "PATH" in str(error.value)
    assert "OPENAI_API_KEY" not in str(error.value)


def test_the_official_sdk_finds_every_message_of_ours_valid(
    watched: tuple[MCPClient, list[str]],
) -> None:
    from mcp_types import jsonrpc, methods

    client, lines = watched
    client.timeout_s, usual = 0.1, client.timeout_s
    with pytest.raises(ToolError):
        client.call("slow", {"seconds": 33})
    client.timeout_s = usual
    client.tools()
    sent = [json.loads(line[3:]) for line in lines if line.startswith("-> ")]
    assert client.version
    for message in sent:
        jsonrpc.jsonrpc_message_adapter.validate_python(message)
        method, params = message.get("method"), message.get("params")
        version = "2025-11-25" if method == "initialize" else client.version
        if method and "id" in message:
            methods.validate_client_request(method, version, params)
        elif method:
            methods.validate_client_notification(method, version, params)
    kinds = {message.get("method") for message in sent}
    assert kinds >= {"initialize", "tools/list", "tools/call", "notifications/cancelled"}


def test_watching_shows_both_directions_in_order(watched: tuple[MCPClient, list[str]]) -> None:
    _, lines = watched
    assert [line[:3] for line in lines[:2]] == ["-> ", "<- "]
    assert json.loads(lines[0][3:])["method"] == "initialize"
    assert "result" in lines[1] or "error" in lines[1]


# How a session begins


def test_initialize_comes_first_and_initialized_before_all_else(tmp_path: Path) -> None:
    with rogue("behave", tmp_path / "log") as client:
        client.tools()
    methods = [message["method"] for message in lines_of(tmp_path / "log")]
    assert methods == ["initialize", "notifications/initialized", "tools/list"]


def test_an_older_revision_is_spoken_if_the_server_wants_it() -> None:
    with rogue("old-version") as client:
        assert client.version == "2024-11-05"
        assert client.call("say", {"text": "hi"}) == "hi"


@pytest.mark.parametrize(
    ("mode", "theirs"),
    [("wrong-version", "1999-01-01"), ("no-version", "None"), ("newer", "2099-01-01")],
)
def test_an_unknown_revision_is_refused_and_both_sides_named(mode: str, theirs: str) -> None:
    with pytest.raises(MCPError, match=rf"{theirs}.*2026-07-28, 2025-.*-05; update one"):
        rogue(mode).start()


@pytest.mark.parametrize("mode", ["refuse", "echo"])
def test_a_program_that_knows_neither_beginning_is_no_mcp_server(mode: str) -> None:
    with pytest.raises(MCPError, match=r"refuses initialize: .*; is it an MCP server\?"):
        rogue(mode).start()


def test_the_server_starts_when_it_is_first_needed() -> None:
    client = rogue("behave")
    assert client.version is None
    try:
        assert client.call("say", {"text": "now"}) == "now"
        client.start()  # once more changes nothing
        assert client.call("say", {"text": "still"}) == "still"
    finally:
        client.close()


def test_threads_that_need_it_at_once_start_one_server(tmp_path: Path) -> None:
    client = rogue("behave", tmp_path / "log")
    with ThreadPoolExecutor(8) as pool:
        said = [pool.submit(client.call, "say", {"text": str(i)}) for i in range(8)]
        assert [each.result() for each in said] == [str(i) for i in range(8)]
    client.close()
    methods = [message["method"] for message in lines_of(tmp_path / "log")]
    assert methods.count("initialize") == 1
    assert methods[:2] == ["initialize", "notifications/initialized"]


def test_a_ping_that_comes_before_everything_is_answered() -> None:
    with rogue("ping-at-once", timeout_s=5.0) as client:
        assert client.version


def test_a_program_that_is_not_there_is_named_with_a_remedy() -> None:
    with pytest.raises(MCPError, match=r"`nonesuch --x`.*no program 'nonesuch'.*PATH"):
        MCPClient(["nonesuch", "--x"]).start()


@posix
def test_a_file_that_is_no_program_is_named_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "server").write_bytes(b"\x00\x01\x02")
    (tmp_path / "server").chmod(0o755)
    with pytest.raises(MCPError, match=r"server.*is it a program for this machine"):
        MCPClient([str(tmp_path / "server")]).start()


@pytest.mark.parametrize("command", ["python server.py", [], ""])
def test_a_command_is_a_list(command: Any) -> None:
    with pytest.raises(ValueError, match=r"must be a list, such as \['python', 'server.py'\]|\[\]"):
        MCPClient(command)


def test_a_limit_of_no_time_is_refused() -> None:
    with pytest.raises(ValueError, match="timeout_s=0"):
        MCPClient(["python"], timeout_s=0)


# The configuration file


def test_servers_are_read_from_the_file_of_desktop_programs(tmp_path: Path) -> None:
    rogue_server = {
        "command": sys.executable,
        "args": ["-I", str(HERE / "mcp_rogue.py"), "behave"],
        "env": {"X": 1},
    }
    path = tmp_path / "mcp.json"
    servers = {"无赖": rogue_server, "b": {"command": "nonesuch"}}
    text = json.dumps({"mcpServers": servers}, ensure_ascii=False)
    path.write_text(text, encoding="utf-8-sig")  # as some editors of Windows write it
    clients = read_mcp_config(path, timeout_s=9)
    assert list(clients) == ["无赖", "b"]
    first = clients["无赖"]
    assert (first.env, first.timeout_s, first.version) == ({"X": "1"}, 9, None)
    with first:
        assert first.call("say", {"text": "from a file"}) == "from a file"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON"),
        ("[]", 'must hold {"mcpServers"'),
        ('{"mcpServers": []}', 'must hold {"mcpServers"'),
        ('{"mcpServers": {"far": {"url": "https://x.org"}}}', r"'far' must have \"command\".*URL"),
        ('{"mcpServers": {"a": {"command": "b", "args": "c"}}}', "'a' must have"),
        ('{"mcpServers": {"a": {"command": "b", "env": ["c"]}}}', "'a' must have"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mcp.json").write_text(text)
    with pytest.raises(ValueError, match=rf"mcp.json.*{message}"):
        read_mcp_config(tmp_path / "mcp.json")
