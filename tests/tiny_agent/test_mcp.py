"""The MCP client against a server made with the official SDK, and against one that misbehaves."""

import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tiny_agent import mcp, mcp_stdio
from tiny_agent.mcp import MCPClient, MCPError, RefusedError, read_mcp_config
from tiny_agent.mcp_tools import as_tool, check_names, result_text
from tiny_agent.messages import ToolCall
from tiny_agent.tools import ToolError, ToolRegistry

HERE = Path(__file__).parent
posix = pytest.mark.skipif(os.name != "posix", reason="process groups and signals are POSIX")


def rogue(mode: str, *args: object, **options: Any) -> MCPClient:
    command = [sys.executable, "-I", str(HERE / "mcp_rogue.py"), mode, *map(str, args)]
    return MCPClient(command, **{"timeout_s": 20.0, **options})


def lines_of(log: Path) -> list[Any]:
    """What a rogue server read, message by message."""
    return [json.loads(line) for line in log.read_text("utf-8").splitlines() if line != "the end"]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return False
    except OSError:  # no /proc here, or not any more
        return not Path("/proc").exists()
    return state != "Z"  # of one that ended, and that nobody waited for


def ended_soon(pid: int) -> None:
    deadline = time.perf_counter() + 5
    while alive(pid):
        assert time.perf_counter() < deadline
        time.sleep(0.01)


# ---- A server made with the official SDK, in a revision with a handshake and in one without


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
    start = time.perf_counter()
    with ThreadPoolExecutor(20) as pool:
        waits = [0.4 + i / 1000 for i in range(10)]
        slow = [pool.submit(client.call, "slow", {"seconds": wait}) for wait in waits]
        quick = [pool.submit(client.call, "repeat", {"text": str(i)}) for i in range(100)]
        assert [each.result() for each in quick] == [str(i) for i in range(100)]
        assert [each.result() for each in slow] == [f"waited {wait:g} s" for wait in waits]
    assert time.perf_counter() - start < 3.5  # one after the other they take 4


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


# ---- How a session begins


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
    ("mode", "theirs"), [("wrong-version", "1999-01-01"), ("no-version", "None")]
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


# ---- Servers that break down


def test_a_server_that_exits_at_once_leaves_its_exit_code_and_last_words() -> None:
    start = time.perf_counter()
    with pytest.raises(MCPError, match=r"mcp_rogue.*ended.*exit code is 3.*licence has run out"):
        rogue("exit-at-once").start()
    assert time.perf_counter() - start < 5  # not after timeout_s


def test_a_crash_while_starting_is_told() -> None:
    with pytest.raises(MCPError, match=r"exit code is 7.*no such star: Xanadu"):
        rogue("crash-at-start").start()


def test_a_crash_in_a_call_is_an_error_of_the_call_and_of_all_that_follow() -> None:
    with rogue("crash-mid-call") as client:
        for _ in range(2):
            with pytest.raises(ToolError, match=r"exit code is 7.*reading the star map"):
                client.call("say", {})
        with pytest.raises(MCPError, match="exit code is 7"):
            client.tools()


def test_an_end_fails_every_call_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp_stdio, "GRACE_S", 0.3)
    with rogue("hang-up") as client, ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(client.call, "say", {}) for _ in range(4)]
        for each in waiting:
            with pytest.raises(ToolError, match="has ended"):
                each.result(timeout=10)


def test_an_answer_that_breaks_off_is_no_answer() -> None:
    with rogue("cut-off") as client, pytest.raises(ToolError, match=r'exit code is 0.*"content"'):
        client.call("say", {})


def test_a_whole_answer_counts_although_its_line_was_not_ended() -> None:
    with rogue("unfinished") as client:
        assert client.call("say", {}) == "the last word"


def test_a_silent_server_is_told_apart_by_the_time_limit() -> None:
    with pytest.raises(
        MCPError, match=r"initialize within 0.3 s; is it an MCP server\? If so, raise"
    ):
        rogue("silent", timeout_s=0.3).start()


def test_what_else_it_said_explains_a_silence() -> None:
    with pytest.raises(MCPError, match=r"answers nothing: Listening on port 8080"):
        rogue("garbage-only", timeout_s=1.0).start()


def test_initialize_is_never_cancelled(tmp_path: Path) -> None:
    with pytest.raises(MCPError):
        rogue("silent", tmp_path / "log", timeout_s=0.5).start()
    assert [message["method"] for message in lines_of(tmp_path / "log")] == ["initialize"]


def test_other_requests_are_cancelled_by_their_number(tmp_path: Path) -> None:
    with rogue("silent-call", tmp_path / "log") as client:
        client.timeout_s = 0.2
        with pytest.raises(ToolError):
            client.call("say", {})
    *_, call, cancelled = lines_of(tmp_path / "log")
    assert call["method"] == "tools/call"
    assert "id" not in cancelled
    assert cancelled["params"]["requestId"] == call["id"]


def test_an_answer_that_comes_too_late_is_not_taken_for_the_next() -> None:
    with rogue("late-once") as client:
        client.timeout_s = 0.2
        with pytest.raises(ToolError):
            client.call("say", {"text": "first"})
        client.timeout_s = 20
        assert client.call("say", {"text": "second"}) == "second"


def test_answers_to_other_numbers_are_not_taken() -> None:
    with rogue("wrong-id") as client:
        client.timeout_s = 0.3
        with pytest.raises(ToolError, match=r"answers nothing: .*for someone else"):
            client.call("say", {})


def test_answers_are_matched_whatever_their_order() -> None:
    with rogue("reversed") as client, ThreadPoolExecutor(5) as pool:
        said = [pool.submit(client.call, "say", {"text": str(i)}) for i in range(5)]
        assert [each.result() for each in said] == ["0", "1", "2", "3", "4"]


def test_several_messages_on_one_line_are_all_taken() -> None:
    with rogue("batch") as client:
        assert client.call("say", {}) == "one of two"


def test_a_line_may_come_in_pieces() -> None:
    with rogue("in-pieces") as client:
        assert client.call("say", {}) == "一二"


def test_lines_that_are_no_messages_are_passed_over() -> None:
    with rogue("garbage") as client:
        assert client.call("say", {"text": "fine"}) == "fine"


def test_a_line_of_megabytes_is_read() -> None:
    with rogue("huge-line") as client:
        assert client.call("say", {}) == "字" * 3_000_000


def test_a_line_above_the_limit_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp_stdio, "MAX_LINE_BYTES", 1000)
    with rogue("huge-line") as client:
        client.timeout_s = 1.0
        with pytest.raises(ToolError, match="did not answer"):
            client.call("say", {})
        client.timeout_s = 20.0
        assert len(client.tools()) == 1


def test_a_flood_on_stderr_stops_nobody() -> None:
    with rogue("flood-stderr", timeout_s=10.0) as client:
        assert client.call("say", {"text": "dry"}) == "dry"


def test_a_server_that_does_not_read_blocks_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp_stdio, "GRACE_S", 0.3)
    with rogue("deaf") as client:
        client.timeout_s = 0.3
        start = time.perf_counter()
        for text in ("", "x" * 1_000_000, ""):  # more than a pipe holds
            with pytest.raises(ToolError, match="did not answer"):
                client.call("say", {"text": text})
        assert time.perf_counter() - start < 5


def test_a_client_answers_pings_and_refuses_the_rest() -> None:
    with rogue("asks-first") as client:
        ping, other = json.loads(client.call("say", {}))
    assert ping == {"jsonrpc": "2.0", "id": "p", "result": {}}
    assert other["error"]["code"] == -32601
    assert "result" not in other


# ---- Answers that are not what they should be


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


# ---- Lists of tools


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


# ---- The end


def test_closing_lets_the_server_end_by_itself(tmp_path: Path) -> None:
    start = time.perf_counter()
    with rogue("behave", tmp_path / "log") as client:
        client.call("say", {})
    assert (tmp_path / "log").read_text("utf-8").endswith("the end\n")
    assert time.perf_counter() - start < mcp_stdio.GRACE_S


@posix
@pytest.mark.parametrize("mode", ["stays", "stubborn", "launcher"])
def test_a_server_that_does_not_end_is_made_to(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp_stdio, "GRACE_S", 0.5)
    with rogue(mode, tmp_path / "pid") as client:
        client.call("say", {})
    ended_soon(int((tmp_path / "pid").read_text()))


def test_closing_twice_or_unstarted_is_no_error() -> None:
    client = rogue("behave")
    client.close()
    client.close()
    with pytest.raises(MCPError, match="was closed; make a new client"):
        client.tools()


def test_closing_ends_the_calls_that_wait() -> None:
    client = rogue("silent-call")
    client.start()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.call, "say", {})
        time.sleep(0.1)
        client.close()
        with pytest.raises(ToolError, match="was closed"):
            waiting.result(timeout=5)


def test_a_failed_start_leaves_no_process_and_no_thread() -> None:
    before = threading.active_count()
    client = rogue("wrong-version")
    with pytest.raises(MCPError):
        client.start()
    assert client._pipe is not None
    assert client._pipe._process.poll() is not None
    assert threading.active_count() == before


@posix
def test_a_program_that_forgets_to_close_ends_and_so_does_the_server(tmp_path: Path) -> None:
    program = f"""
        import sys
        from tiny_agent import mcp, mcp_stdio
        mcp_stdio.GRACE_S = 0.2
        client = mcp.MCPClient([sys.executable, {str(HERE / "mcp_rogue.py")!r}, "stays", "pid"])
        client.start()
        """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(HERE.parents[1])},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert (run.returncode, run.stderr) == (0, "")
    ended_soon(int((tmp_path / "pid").read_text()))


# ---- The configuration file


def test_servers_are_read_from_the_file_of_desktop_programs(tmp_path: Path) -> None:
    rogue_server = {
        "command": sys.executable,
        "args": ["-I", str(HERE / "mcp_rogue.py"), "behave"],
        "env": {"X": 1},
    }
    path = tmp_path / "mcp.json"
    path.write_text(json.dumps({"mcpServers": {"无赖": rogue_server, "b": {"command": "no-such"}}}))
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
