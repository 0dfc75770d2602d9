"""Python that a model wrote, run in a child process with its hands tied: what stops accidents.

This is no security boundary: the code can read whatever the user can, it can use the network, and
who means harm finds a way around the rest. What it stops is what models do by mistake: loops
without end, all memory taken, gigabytes printed, files left about, processes that stay. So the tool
asks for approval of every call. For code of strangers use a container or a virtual machine.
Chapter 42 shows each limit at work.

| what | how | where |
| --- | --- | --- |
| time | we kill the process group; an alarm and a CPU limit do if we are gone | all; POSIX |
| memory, size of a file, open files | rlimits | Linux; macOS, but for memory |
| processes and threads | refused by Python, and by rlimit unless run as root | all; POSIX |
| output | the child is killed once it has printed too much | all |
| environment | nothing but HOME and TMPDIR (on Windows TEMP and SYSTEMROOT) | all |
| files | the working directory is temporary | all |

The child runs with -I, so that neither the environment nor the working directory changes what it
imports, and with -S: it has the standard library alone, the same on every machine, and no start-up
files of installed packages run.
"""

import contextlib
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from .tools import Tool, ToolError, shorten, tool

_CHILD = Path(__file__).with_name("sandbox_child.py")
_FENCED = re.compile(r"\s*```\w*[ \t]*\n(.*?)\n?\s*```\s*", re.DOTALL)
_MB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """How much a run may take. ValueError if one is not above 0."""

    timeout_s: float = 10.0
    memory_mb: int = 512
    """Of address space; an idle interpreter has 30."""
    file_mb: int = 16
    """For each file; their number is not limited."""
    open_files: int = 64
    output_bytes: int = _MB
    processes: bool = False
    """Whether it may start processes and threads; who leaves its group is then not killed."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name != "processes" and not value > 0:
                raise ValueError(f"{name}={value} must be above 0")


DEFAULT_LIMITS = Limits()


def run_python(code: str, limits: Limits = DEFAULT_LIMITS) -> str:
    """What a program prints, and the value of its last expression. Takes 30 ms at the least.

    A program in a Markdown fence is taken out of it; printed bytes that are no UTF-8 are U+FFFD.
    ToolError, with the output in it, if it ends with another status than 0: for an exception, by
    sys.exit(1), or because it was killed
    """
    fenced = _FENCED.fullmatch(code)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        program = (fenced[1] if fenced else code).encode("utf-8", "replace")
        Path(folder, "main.py").write_bytes(program)
        output, problem = _run(folder, limits)
    text = output.decode("utf-8", "replace").rstrip()
    if problem:
        raise ToolError(f"{problem}\n{shorten(text, 3500)}".strip())
    return text or "(no output; print what you want to see)"


def python_tool(limits: Limits = DEFAULT_LIMITS) -> Tool:
    """The tool `python`."""

    @tool(needs_approval=True, timeout_s=limits.timeout_s + 10)
    def python(code: str) -> str:
        """Run a Python program: returns what it prints, and the value of its last expression.

        Standard library only. No input, no threads, no processes. Nothing is kept from one call to
        the next: neither variables nor files.

        Args:
            code: The program, for example: import statistics; statistics.median([3, 1, 2])
        """
        return run_python(code, limits)

    return python


def _run(folder: str, limits: Limits) -> tuple[bytearray, str]:
    """What main.py in the folder prints, and what went wrong; empty if nothing."""
    with contextlib.ExitStack() as stack:
        process = _start(folder, limits)
        output = bytearray()
        reading = threading.Thread(target=_read, args=(process, output, limits), daemon=True)
        reading.start()
        stack.callback(reading.join, 2.0)  # a process outside the group may keep the pipe open
        stack.callback(_kill, process)
        try:
            status = process.wait(limits.timeout_s)
        except subprocess.TimeoutExpired:
            return output, f"killed: it ran for more than {limits.timeout_s:g} s; make it do less"
    if len(output) > limits.output_bytes:
        return output, f"killed: it printed more than {limits.output_bytes} bytes; print less"
    if status < 0:
        return output, f"ended by {signal.Signals(-status).name}"
    return output, f"exit status {status}" if status else ""


def _start(folder: str, limits: Limits) -> "subprocess.Popen[bytes]":
    sizes = (limits.memory_mb * _MB, limits.file_mb * _MB, limits.open_files, limits.processes)
    numbers = [str(int(number)) for number in (math.ceil(limits.timeout_s) + 1, *sizes)]
    places = dict.fromkeys(("HOME", "TMPDIR", "TEMP"), folder)
    kept = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-B", "-u", "-X", "utf8", str(_CHILD), *numbers],
        bufsize=0,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env=places | kept,
        start_new_session=True,  # its own process group; of no effect on Windows
    )


def _read(process: "subprocess.Popen[bytes]", output: bytearray, limits: Limits) -> None:
    """Read what it prints until nobody can print any more; kill it if that is too much."""
    assert process.stdout
    with process.stdout as pipe:
        while chunk := pipe.read(1 << 16):
            output += chunk
            if len(output) > limits.output_bytes:
                return _kill(process)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill it and all of its group, also where it is long done but has left others behind."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # all gone; macOS says the other
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
