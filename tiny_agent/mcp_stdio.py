"""Messages to and from a child process, one JSON value a line: what `mcp` travels on.

Three threads, so that neither side ever waits for the other: one writes what was put in a queue,
one reads the messages, one reads stderr (a pipe that no one empties stops its writer after 64 KiB).
Source: https://modelcontextprotocol.io/specification, transports, stdio, and lifecycle, shutdown.
Chapter 42 shows it. Leaves out: HTTP.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import IO, Any

MAX_LINE_BYTES = 64 * 2**20
"""What is longer than that is no message: 64 MiB."""
GRACE_S = 2.0
"""How long a server may take to end once it was asked to, before it is asked less kindly."""

# Not the whole environment: API keys are no business of a foreign program. These names are what the
# official SDK passes on, and beside them the language and the folder for temporary files.
INHERITED = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "TMPDIR"),
    *("APPDATA", "HOMEDRIVE", "HOMEPATH", "LOCALAPPDATA", "PATHEXT", "PROCESSOR_ARCHITECTURE"),
    *("SYSTEMDRIVE", "SYSTEMROOT", "TEMP", "USERNAME", "USERPROFILE"),
)


class MCPError(RuntimeError):
    """A server that cannot be talked to: which command, what happened, what to do."""


class Pipe:
    """A server that runs; nothing is written or read before `start`.

    receive: is given each JSON value that comes, says whether it was a message · ended: is called
    when no more can come · watch: is called with each line, "-> {...}" if sent, "<- {...}" if come
    """

    def __init__(
        self,
        command: Sequence[str],
        env: dict[str, str],
        receive: Callable[[Any], bool],
        ended: Callable[[], None],
        watch: Callable[[str], None],
    ) -> None:
        self._receive, self._ended, self._watch = receive, ended, watch
        self._outbox: SimpleQueue[bytes | None] = SimpleQueue()
        self._strays: deque[str] = deque(maxlen=3)
        self._last_words: deque[str] = deque(maxlen=5)
        self._process = _spawn(command, env)
        jobs = (self._listen, self._write, self._read)
        self._threads = [threading.Thread(target=job, daemon=True) for job in jobs]

    def start(self) -> None:
        """Begin to write and read."""
        for thread in self._threads:
            thread.start()

    def send(self, message: dict[str, Any]) -> None:
        """Put a message in the queue. ValueError if JSON cannot hold it, as NaN."""
        line = json.dumps(message, ensure_ascii=False, allow_nan=False)
        self._watch(f"-> {line}")
        self._outbox.put(line.encode("utf-8", "replace") + b"\n")

    def news(self) -> str:
        """What may explain a silence: exit code, lines that were no answers, the last of stderr."""
        code = self._process.poll()
        facts = [f"Its exit code is {code}."] if code is not None else []
        if self._strays:
            facts.append(f"It wrote what answers nothing: {' | '.join(self._strays)}")
        if self._last_words:
            facts.append(f"The last of its stderr: {' | '.join(self._last_words)}")
        return " ".join(facts)

    def close(self) -> None:
        """End the server: close its input, then SIGTERM, then SIGKILL, with a pause after each."""
        self._outbox.put(None)
        for name in ("", "SIGTERM", "SIGKILL"):
            if name:
                self._signal(name)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE_S)
                break
        for thread in self._threads:  # each closes its pipe, unless a grandchild holds that open
            thread.join(GRACE_S)

    def _signal(self, name: str) -> None:
        # Either is said of a process that ended meanwhile, the latter by macOS
        with suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):  # the group: a launcher such as npx has the server as a child
                os.killpg(self._process.pid, getattr(signal, name))
            else:
                self._process.kill()

    def _write(self) -> None:
        assert self._process.stdin
        with suppress(OSError), self._process.stdin as stream:  # OSError: it does not read any more
            while (line := self._outbox.get()) is not None:
                stream.write(line)
                stream.flush()

    def _read(self) -> None:
        for line in filter(None, _lines(self._process.stdout, MAX_LINE_BYTES)):
            self._watch(f"<- {line}")
            try:
                understood = self._receive(json.loads(line))
            except (ValueError, RecursionError):
                understood = False
            if not understood:
                self._strays.append(_excerpt(line))
        with suppress(subprocess.TimeoutExpired):  # for the exit code, and all of stderr
            self._process.wait(GRACE_S)
            self._threads[0].join(GRACE_S)
        self._ended()

    def _listen(self) -> None:
        for line in filter(None, _lines(self._process.stderr, 4096)):
            self._last_words.append(_excerpt(line))


def _spawn(command: Sequence[str], env: dict[str, str]) -> subprocess.Popen[bytes]:
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ} | env
    shown = f"cannot start the MCP server `{shlex.join(command)}`"
    program = shutil.which(command[0], path=environment.get("PATH"))
    if program is None:
        remedy = "install it, or give its full path"
        raise MCPError(f"{shown}: there is no program {command[0]!r} on the PATH; {remedy}")
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen(
            [program, *command[1:]],
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env=environment,
            start_new_session=True,  # Ctrl-C is for us; and the group can be ended as one
        )
    except OSError as error:
        raise MCPError(f"{shown}: {error}; is it a program for this machine?") from error


def _lines(stream: IO[bytes] | None, limit: int) -> Iterator[str]:
    """The lines of a pipe until it is closed; those above the limit in pieces."""
    assert stream
    with stream:
        while line := stream.readline(limit):
            yield line.decode("utf-8", "replace").strip()


def _excerpt(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}..."
