"""`python -m qwen_blog serve`: from the command line to an answer, and out again with Ctrl-C."""

import os
import re
import signal
import subprocess
import sys
import urllib.request

import pytest

from qwen_blog.cli import main


@pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl-C to a whole console")
def test_serve_answers_and_ends_with_ctrl_c() -> None:
    command = [sys.executable, "-m", "qwen_blog", "serve", "--model", "untrained", "--port", "0"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    try:
        told = [process.stderr.readline(), process.stderr.readline()]
        found = re.fullmatch(
            r"untrained at (http://127\.0\.0\.1:\d+/v1) \(Ctrl-C ends\)\n", told[1]
        )
        assert found, told
        with urllib.request.urlopen(f"{found[1]}/models", timeout=60) as answer:
            assert b'"id":"untrained"' in answer.read()
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=60)[1]
        assert (process.returncode, rest) == (0, "")
    finally:
        process.kill()


@pytest.mark.parametrize("missing", ["starlette", "uvicorn", "pydantic"])
def test_without_the_extra_the_error_says_what_to_install(capsys, monkeypatch, missing) -> None:
    for name in [name for name in sys.modules if name.startswith("qwen_blog.server")]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.split(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    assert main(["serve", "--model", "untrained"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert f"error: serving needs {missing}" in err
    assert "pip install 'tiny-universe[serve]'" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("--port", "70000"), "port 70000"),
        (("--host", "256.0.0.1"), "cannot listen on 256.0.0.1"),
        (("--max-batch", "0", "--port", "0"), "max_batch=0"),
        (("--max-queue", "-1", "--port", "0"), "max_queue=-1"),
    ],
)
def test_what_cannot_be_served_is_one_line_and_exit_code_1(capsys, argv, message: str) -> None:
    assert main(["serve", "--model", "untrained", *argv]) == 1
    err = capsys.readouterr().err
    assert message in err.splitlines()[-1]
    assert "Traceback" not in err


def test_a_missing_folder_is_found_before_anything_is_served(capsys) -> None:
    assert main(["serve", "--model", "no/such/folder", "--port", "0"]) == 1
    assert "no/such/folder" in capsys.readouterr().err
