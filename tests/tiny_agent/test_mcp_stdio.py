"""The MCP client and servers that break down, babble, fall silent, or do not end."""

import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.tiny_agent.mcp_helpers import HERE, ended_soon, lines_of, posix, rogue
from tiny_agent import mcp_stdio
from tiny_agent.mcp import MCPError
from tiny_agent.tools import ToolError

# An exception in a thread is a failure, although no one waits for the thread
pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")


def test_a_server_that_exits_at_once_leaves_its_exit_code_and_last_words() -> None:
    start = time.perf_counter()
    with pytest.raises(MCPError, match=r"mcp_rogue.*ended.*exit code is 3.*licence has run out"):
        rogue("exit-at-once").start()
    assert time.perf_counter() - start < 15  # not after timeout_s


def test_a_crash_while_starting_is_told() -> None:
    with pytest.raises(MCPError, match=r"exit code is 7.*no such star: Xanadu"):
        rogue("crash-at-start").start()


def test_the_last_words_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    listen = mcp_stdio.Pipe._listen

    def listen_late(pipe: mcp_stdio.Pipe) -> None:
        time.sleep(0.3)
        listen(pipe)

    monkeypatch.setattr(mcp_stdio.Pipe, "_listen", listen_late)
    with pytest.raises(MCPError, match="licence has run out"):
        rogue("exit-at-once").start()


def test_a_crash_in_a_call_is_an_error_of_the_call_and_of_all_that_follow() -> None:
    with rogue("crash-mid-call") as client:
        for _ in range(2):
            with pytest.raises(ToolError, match=r"exit code is 7.*reading the star map"):
                client.call("say", {})
        with pytest.raises(MCPError, match="exit code is 7"):
            client.tools()
    with pytest.raises(MCPError, match="exit code is 7"):  # not: was closed
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
        MCPError, match=r"initialize within 0.3 s; raise timeout_s, or is it no MCP"
    ):
        rogue("silent", timeout_s=0.3).start()


def test_what_else_it_said_explains_a_silence() -> None:
    with pytest.raises(MCPError, match=r"answers nothing: Listening on port 8080$"):
        rogue("garbage-only", timeout_s=1.0).start()


def test_notifications_are_not_among_what_explains_a_silence() -> None:
    with rogue("log-only") as client:
        client.timeout_s = 0.3
        with pytest.raises(ToolError, match=r"raise timeout_s\.$"):
            client.call("say", {})


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
        assert not client._waiting
        client.timeout_s = 20
        assert client.call("say", {"text": "second"}) == "second"


def test_a_tool_waits_as_long_as_its_client() -> None:
    with rogue("late-once") as client:
        (tool,) = client.tools()
        assert tool.timeout_s is None  # or the server would not be told
        assert tool.run({"text": "in time"}) == "in time"


def test_answers_to_other_numbers_are_not_taken() -> None:
    with rogue("wrong-id") as client:
        client.timeout_s = 1.0
        with pytest.raises(ToolError, match=r'answers nothing: .*"id": 1\d\d\d.*for someone else'):
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
        assert time.perf_counter() - start < 10


def test_a_client_answers_pings_and_refuses_the_rest() -> None:
    with rogue("asks-first") as client:
        ping, other = json.loads(client.call("say", {}))
    assert ping == {"jsonrpc": "2.0", "id": "p", "result": {}}
    assert other["error"]["code"] == -32601
    assert "result" not in other


# The end


def test_closing_lets_the_server_end_by_itself(tmp_path: Path) -> None:
    with rogue("behave", tmp_path / "log") as client:
        client.call("say", {})
    assert (tmp_path / "log").read_text("utf-8").endswith("the end\n")
    assert client._pipe is not None
    assert client._pipe._process.returncode == 0  # and no signal


@posix
@pytest.mark.parametrize("mode", ["stays", "stubborn", "launcher"])
def test_a_server_that_does_not_end_is_made_to(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp_stdio, "GRACE_S", 0.3)
    with rogue(mode, tmp_path / "log") as client:
        client.call("say", {})
    ended_soon(int((tmp_path / "log").read_text().splitlines()[0]))


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


def test_of_two_ends_the_first_counts() -> None:
    client = rogue("behave")
    waiting = client._waiting[1] = Future()
    client._end("broke")
    client._end("was closed")
    assert "broke" in str(waiting.exception(timeout=0))


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
        client = mcp.MCPClient([sys.executable, {str(HERE / "mcp_rogue.py")!r}, "stays", "log"])
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
    ended_soon(int((tmp_path / "log").read_text().splitlines()[0]))
