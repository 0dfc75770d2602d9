"""What tests of the MCP client share: a client of the rogue server, a look at what it did."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tiny_agent.mcp import MCPClient

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
