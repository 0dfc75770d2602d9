"""The sandbox: what a program gives back, and what becomes of one that takes too much."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

import pytest

from tiny_agent.messages import ToolCall
from tiny_agent.sandbox import Limits, python_tool, run_python
from tiny_agent.tools import ToolError, ToolRegistry

PATIENT = Limits(timeout_s=30)  # of what ends by itself, on a busy machine too
SHORT = Limits(timeout_s=0.7)
POSIX = pytest.mark.skipif(os.name != "posix", reason="rlimits and process groups are POSIX's")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds the address space")


def failure(code, limits=PATIENT):
    with pytest.raises(ToolError) as error:
        run_python(code, limits)
    return str(error.value)


def ends(pid, within_s=1.0):
    """Whether a process is soon gone, or a zombie that its parent does not bury."""
    command = ["ps", "-o", "stat=", "-p", str(pid)]
    for _ in range(int(within_s / 0.05)):
        state = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        if state.strip()[:1] in ("", "Z"):
            return True
        time.sleep(0.05)
    return False


@pytest.fixture(autouse=True)
def _nothing_is_left(tmp_path, monkeypatch):
    """Whatever a test does, the working directory of the child is gone after it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield
    assert list(tmp_path.iterdir()) == []


# --- What comes back. ---


@pytest.mark.parametrize(
    ("code", "output"),
    [
        ("x = 6\nx * 7", "42"),
        ("print('a'); 'b'", "a\n'b'"),
        ("None", "(no output; print what you want to see)"),
        ("x = 1", "(no output; print what you want to see)"),
        ("print()", "(no output; print what you want to see)"),
        ("", "(no output; print what you want to see)"),
        ("# nothing", "(no output; print what you want to see)"),
        ("print('  indented')", "  indented"),
        ("print('星 é 😀')", "星 é 😀"),
        ("import sys\nprint('out'); print('err', file=sys.stderr); print('out')", "out\nerr\nout"),
        ("if __name__ == '__main__':\n    print('main')", "main"),
        ("import sys; sys.argv", "['main.py']"),
        ("import pickle\nclass A:\n    x = 1\npickle.loads(pickle.dumps(A())).x", "1"),
        ("import sys; sys.exit(0)", "(no output; print what you want to see)"),
        ("def f(n):\n    return n and n * f(n - 1) or 1\nf(20)", "2432902008176640000"),
        ("from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int\nA(1)", "A(x=1)"),
        ("```python\n1 + 1\n```", "2"),
        ("```\nprint('a')\nprint('b')```\n", "a\nb"),
        ("  ```py\nx = '''```'''\nx\n```", "'```'"),
        ("x = 3\r\nx", "3"),
        ("try:\n    open('/dev/null').write('x')\nexcept OSError as e:\n    print('no')", "no"),
        ("print('\ud800')", "?"),
    ],
)
def test_what_a_program_prints_and_the_value_of_its_last_expression(code, output):
    assert run_python(code) == output


def test_a_program_of_a_megabyte_runs():
    code = "x = '" + "星a" * 250_000 + "'\nlen(x)"
    assert len(code.encode()) > 1_000_000
    assert run_python(code) == "500000"


def test_bytes_that_are_no_text_are_shown_as_such():
    output = run_python("import sys; sys.stdout.buffer.write(bytes(range(256))); None")
    assert output.startswith("\0\x01")
    assert output.count("\ufffd") == 128


def test_an_exception_is_shown_with_the_lines_of_the_program_alone():
    message = failure("def f(x):\n    return 1 / x\n\nprint('before')\nf(0)")
    assert message.startswith("exit status 1\nbefore\nTraceback (most recent call last):\n")
    assert 'File "main.py", line 5, in <module>\n    f(0)' in message
    assert 'File "main.py", line 2, in f\n    return 1 / x' in message
    assert message.endswith("ZeroDivisionError: division by zero")
    assert "sandbox" not in message


def test_an_exception_in_the_library_shows_where_the_program_called_it():
    message = failure(
        "import statistics as s\ntry:\n    s.mean([])\nexcept s.StatisticsError:\n    s.mean([])"
    )
    assert message.count('File "main.py"') == message.count("File ") == 2
    assert "During handling of the above exception" in message


@pytest.mark.parametrize(
    ("code", "end"),
    [
        ("x = (1", "SyntaxError: '(' was never closed"),
        ("x = 1\0", "null bytes"),
        ("return 1", "'return' outside function"),
        ("import numpy", "ModuleNotFoundError: No module named 'numpy'"),
        ("def f(): f()\nf()", "RecursionError: maximum recursion depth exceeded"),
        ("(" * 100_000, ""),
        ("raise SystemExit('because')", "because"),
        ("raise ValueError('星')", "ValueError: 星"),
    ],
)
def test_a_program_that_fails_says_why(code, end):
    message = failure(code)
    assert message.startswith("exit status 1\n")
    assert message.endswith(end) or end in message.splitlines()[-1]


@pytest.mark.parametrize("status", [1, 3, 255])
def test_an_exit_status_is_told_with_the_output(status):
    message = failure(f"import sys\nprint('done')\nsys.exit({status})")
    assert message == f"exit status {status}\ndone"


@POSIX
def test_a_crash_of_the_interpreter_is_named():
    assert failure("import os; os.kill(os.getpid(), 11)") == "ended by SIGSEGV"


# --- What it cannot reach. ---


def test_nothing_of_our_environment_is_visible(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("PYTHONSTARTUP", "/nowhere")
    names = set(eval(run_python("import os; sorted(os.environ)")))
    allowed = {"HOME", "TMPDIR", "TEMP", "SYSTEMROOT", "LC_CTYPE", "__CF_USER_TEXT_ENCODING"}
    assert {"HOME", "TMPDIR"} <= names <= allowed


def test_modules_come_from_the_standard_library_alone():
    code = "open('json.py', 'w').close()\nimport json, sys\nprint(json.dumps(1))\nsys.path"
    output = run_python(code)
    assert output.startswith("1\n")
    assert "site-packages" not in output
    for name in ("numpy", "calculator"):  # installed, and beside the child's own file
        assert failure(f"import {name}").endswith(f"No module named '{name}'")


def test_reading_input_ends_at_once():
    assert failure("input()").endswith("EOFError: EOF when reading a line")
    ours = (
        "from tiny_agent.sandbox import run_python as r; print(r('import sys; sys.stdin.read()'))"
    )
    command = [sys.executable, "-c", ours]
    done = subprocess.run(command, input="secret", capture_output=True, text=True, check=True)
    assert done.stdout == "''\n"


def test_files_go_to_a_folder_of_their_own_that_is_removed(tmp_path):
    code = (
        "import os, tempfile\nopen('a.txt', 'w').write('x')\n"
        "tempfile.mkstemp()\nos.chmod(os.getcwd(), 0)\n"
        "print(os.getcwd() == os.environ['HOME'] == os.environ['TMPDIR'])\nprint(os.getcwd())"
    )
    same, folder = run_python(code).splitlines()
    assert same == "True"
    assert Path(folder).parent == tmp_path
    assert not Path(folder).exists()


def test_nothing_is_kept_between_runs():
    run_python("x = 1; open('kept', 'w').close()")
    assert failure("x").endswith("NameError: name 'x' is not defined")
    assert run_python("import os; os.listdir()") == "['main.py']"


def test_it_cannot_reach_out_of_its_folder_when_that_is_removed(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept.txt").write_text("x")
    run_python(f"import os; os.symlink({str(outside)!r}, 'link')")
    assert (outside / "kept.txt").read_text() == "x"
    (outside / "kept.txt").unlink()
    outside.rmdir()


# --- What it may not take. ---


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "import time\ntime.sleep(60)",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "10**10**9",
        pytest.param(
            "import signal\nfor n in range(1, 32):\n    try: signal.signal(n, signal.SIG_IGN)\n"
            "    except (OSError, ValueError): pass\nimport time; time.sleep(30)",
            marks=POSIX,
        ),
    ],
    ids=["loop", "sleep", "catches-all", "power", "ignores-signals"],
)
def test_a_program_that_does_not_end_is_killed_on_time(code):
    start = time.perf_counter()
    message = failure(code, SHORT)
    assert message == "killed: it ran for more than 0.7 s; make it do less"
    assert 0.6 < time.perf_counter() - start < 4


def test_what_was_printed_before_the_time_was_up_is_shown():
    message = failure("print('started')\nwhile True: pass", Limits(timeout_s=1.5))
    assert message.endswith("make it do less\nstarted")


@POSIX
@pytest.mark.parametrize("then", ["time.sleep(60)", "signal.alarm(0)\nwhile True: pass"])
def test_should_the_parent_die_the_child_ends_by_itself(tmp_path, then):
    told = tmp_path / "pid"
    code = f"import os, signal, time\nopen({str(told)!r}, 'w').write(f'{{os.getpid()}}.')\n{then}"
    ours = f"from tiny_agent.sandbox import *; run_python({code!r}, Limits(timeout_s=1))"
    parent = subprocess.Popen(
        [sys.executable, "-c", ours], env=os.environ | {"TMPDIR": str(tmp_path)}
    )
    while not (told.exists() and told.read_text().endswith(".")):
        assert parent.poll() is None
        time.sleep(0.02)
    parent.kill()
    parent.wait()
    assert ends(told.read_text()[:-1], within_s=10)
    told.unlink()
    for left_by_the_parent in tmp_path.iterdir():
        shutil.rmtree(left_by_the_parent)


@LINUX
@pytest.mark.parametrize("code", ["x = 'x' * 10**10", "x = []\nwhile True: x.append(bytes(10**6))"])
def test_memory_is_bounded(code):
    message = failure(code, Limits(memory_mb=200))
    assert message.endswith("MemoryError")


def test_a_flood_is_cut_off_and_does_not_fill_our_memory():
    tracemalloc.start()
    start = time.perf_counter()
    message = failure("while True: print('x' * 10_000)", Limits(output_bytes=200_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert message.startswith("killed: it printed more than 200000 bytes; print less\nxxx")
    assert "characters left out" in message
    assert len(message) < 4000
    assert peak < 3_000_000
    assert time.perf_counter() - start < 5


def test_as_much_as_is_allowed_may_be_printed():
    limits = Limits(output_bytes=100_000)
    assert len(run_python("print('x' * 99_999)", limits)) == 99_999
    failure("print('x' * 100_001)", limits)


@POSIX
def test_a_file_is_bounded():
    code = "with open('big', 'wb') as f:\n    for _ in range(100): f.write(bytes(10**6))"
    assert failure(code, Limits(file_mb=2)).endswith("OSError: [Errno 27] File too large")


@POSIX
def test_open_files_are_bounded():
    message = failure("files = [open('main.py') for _ in range(200)]")
    assert "Too many open files" in message


def test_folders_are_bounded_so_that_they_can_be_removed():
    code = "import os\nfor _ in range(3000):\n    os.mkdir('d')\n    os.chdir('d')"
    assert failure(code).endswith("OSError: a run makes no more than 100 folders")


@pytest.mark.parametrize(
    "code",
    [
        "import subprocess; subprocess.run(['echo'])",
        "import os; os.system('echo')",
        "import multiprocessing as m; m.get_context('spawn').Process(target=print).start()",
        "import threading; threading.Thread(target=print).start()",
        "import _thread; _thread.start_new_thread(print, ())",
        "from concurrent.futures import ThreadPoolExecutor as T; T().submit(print).result()",
        pytest.param("import os\nfor _ in range(3): os.fork()", marks=POSIX),  # a small bomb
        pytest.param("import os; os.posix_spawn('/bin/sh', ['sh'], {})", marks=POSIX),
        pytest.param("import os; os.execv('/bin/sh', ['sh', '-c', 'echo gone'])", marks=POSIX),
        pytest.param("import os; os.spawnv(os.P_NOWAIT, '/bin/sh', ['sh'])", marks=POSIX),
        pytest.param("import pty; pty.spawn('/bin/sh')", marks=POSIX),
        pytest.param("import pty; pty.fork()", marks=POSIX),
    ],
)
def test_processes_and_threads_are_refused(code):
    message = failure(code)
    assert message.startswith("exit status 1\n")
    assert message.endswith("no threads and no processes here; do it in this one")


@POSIX
def test_what_a_program_left_running_in_its_group_is_killed_with_it():
    # Not in the way of the pipe, and in the way of it: neither holds up the answer.
    for stdout in ("subprocess.DEVNULL", "None"):
        code = (
            "import subprocess, sys\n"
            "sleep = [sys.executable, '-c', 'import time; time.sleep(60)']\n"
            f"subprocess.Popen(sleep, stdout={stdout}, stderr={stdout}).pid"
        )
        start = time.perf_counter()
        pid = int(run_python(code, Limits(processes=True)))
        assert time.perf_counter() - start < 5
        assert ends(pid)


@POSIX
def test_on_a_timeout_the_whole_group_is_killed():
    code = (
        "import os, time\npids = []\nfor _ in range(5):\n    pid = os.fork()\n"
        "    if pid == 0:\n        time.sleep(60)\n    pids.append(pid)\n"
        "print(*pids)\ntime.sleep(60)"
    )
    message = failure(code, Limits(timeout_s=1, processes=True))
    pids = message.splitlines()[-1].split()
    assert len(pids) == 5
    assert all(ends(pid) for pid in pids)


@POSIX
def test_a_process_that_left_the_group_does_not_hold_up_the_answer():
    code = (
        "import subprocess, sys\n"
        "sleep = [sys.executable, '-c', 'import time; time.sleep(4)']\n"
        "subprocess.Popen(sleep, start_new_session=True).pid"
    )
    start = time.perf_counter()
    pid = int(run_python(code, Limits(processes=True)))
    assert time.perf_counter() - start < 3.8
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("name", sorted(vars(Limits()).keys() - {"processes"}))
def test_a_limit_is_above_0(name):
    with pytest.raises(ValueError, match=f"{name}=0 must be above 0"):
        Limits(**{name: 0})


# --- The tool. ---


def test_the_tool_wants_approval_and_outlasts_its_own_limit():
    tool = python_tool(Limits(timeout_s=40))
    assert tool.needs_approval
    assert tool.timeout_s > 40


def test_what_goes_wrong_is_an_observation():
    registry = ToolRegistry([python_tool()])
    result = registry.run(ToolCall("python", {"code": "sum(range(10))"}))
    assert (result.content, result.is_error) == ("45", False)
    result = registry.run(ToolCall("python", {"code": "1/0"}))
    assert result.is_error
    assert result.content.startswith("Error: exit status 1\nTraceback")
