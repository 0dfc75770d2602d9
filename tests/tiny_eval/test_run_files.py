"""The folder of a run survives kills, full disks and hands."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tiny_eval.run_files import (
    PREDICTIONS,
    RUN,
    SUPERSEDED,
    append,
    encode,
    one_writer,
    open_for_lines,
    read_rows,
    read_run,
    tidy,
    write_whole,
)

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither lock nor limit")


def write(path: Path, *rows: dict) -> None:
    path.write_bytes(b"".join(map(encode, rows)))


def test_a_row_is_a_line_that_reads_back_with_chinese_readable() -> None:
    row = {"id": "一", "reply": "a\nb\r\u2028c", "cut": False}
    line = encode(row)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert "一".encode() in line
    assert json.loads(line) == row


def test_half_a_surrogate_pair_is_kept(tmp_path: Path) -> None:
    write(tmp_path / "rows", {"reply": "\ud83d"}, {"reply": "\u2028"})
    assert read_rows(tmp_path / "rows") == [{"reply": "\ud83d"}, {"reply": "\u2028"}]


def test_rows_of_no_file_are_none(tmp_path: Path) -> None:
    assert read_rows(tmp_path / "rows") == []


@pytest.mark.parametrize("cut", [1, 5, 70_000])
def test_a_line_that_was_cut_off_is_neither_read_nor_written_after(
    cut: int, tmp_path: Path
) -> None:
    path = tmp_path / "rows"
    write(path, {"id": 1}, {"id": 2})
    whole = path.read_bytes()
    path.write_bytes(whole + encode({"reply": "x" * 80_000})[:cut])
    assert read_rows(path) == [{"id": 1}, {"id": 2}]
    with open_for_lines(path) as file:
        append(file, {"id": 3})
    assert path.read_bytes() == whole + encode({"id": 3})


def test_of_a_long_file_only_the_last_line_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    write(path, *({"id": n, "reply": "x" * 990} for n in range(200)))
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"id"')
    open_for_lines(path).close()
    assert path.read_bytes() == whole


def test_a_file_that_takes_a_few_bytes_at_a_time_gets_the_whole_line() -> None:
    class Slow(io.BytesIO):
        def write(self, data: Any) -> int:
            return super().write(bytes(data[:7]))

    file = Slow()
    append(file, {"id": 1, "reply": "x" * 50})
    assert file.getvalue() == encode({"id": 1, "reply": "x" * 50})


def test_a_file_of_half_a_line_is_emptied(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_bytes(b'{"id"')
    open_for_lines(path).close()
    assert path.read_bytes() == b""


@pytest.mark.parametrize("line", ["{oops}", "[1]", "3", '{"id": 1}{"id": 2}'])
def test_a_line_that_is_no_row_is_named(line: str, tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_text(f'{{"id": 1}}\n\n{line}\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"rows, line 3 is no JSON.*remove that line"):
        read_rows(path)


def test_a_line_that_lacks_a_field_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    write(path, {"key": "a", "points": None}, {"points": 1})
    assert len(read_rows(path, "points")) == 2
    with pytest.raises(ValueError, match=r"rows, line 2 lacks key; remove that line"):
        read_rows(path, "key", "points")


def test_what_is_written_is_there_before_the_file_is_closed(tmp_path: Path) -> None:
    with open_for_lines(tmp_path / "rows") as file:
        append(file, {"id": 1})
        assert read_rows(tmp_path / "rows") == [{"id": 1}]


@posix
def test_a_full_disk_is_an_error_and_leaves_whole_lines(tmp_path: Path) -> None:
    """A system may write half of what it is given, and say no only to the rest."""
    script = """
import resource, sys
from tiny_eval.run_files import append, open_for_lines
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
with open_for_lines(__import__("pathlib").Path(sys.argv[1])) as file:
    for number in range(100):
        append(file, {"id": number, "reply": "x" * 90})
"""
    path = tmp_path / "rows"
    ran = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True)
    assert ran.returncode == 1
    assert "OSError" in ran.stderr
    assert "the rows before this one are kept" in ran.stderr
    assert path.stat().st_size == 1000
    assert [row["id"] for row in read_rows(path)] == list(range(8))


def test_tidy_keeps_what_is_wanted_in_order_and_puts_the_rest_aside(tmp_path: Path) -> None:
    path = tmp_path / PREDICTIONS
    rows = [{"key": name, "reply": name * 2} for name in ("c", "old", "a")]
    write(path, *rows)
    there, gone = tidy(tmp_path, [{"key": name} for name in "abc"])
    assert (there, gone) == ({"a", "c"}, 1)
    assert read_rows(path) == [rows[2], rows[0]]
    assert read_rows(tmp_path / SUPERSEDED) == [rows[1]]
    tidy(tmp_path, [{"key": "c"}])
    assert [row["key"] for row in read_rows(tmp_path / SUPERSEDED)] == ["old", "a"]


def test_tidy_takes_targets_from_today_and_replies_from_then(tmp_path: Path) -> None:
    path = tmp_path / PREDICTIONS
    write(path, {"key": "a", "target": ["1"], "doc": {"a": 1}, "reply": "2", "cut": False})
    tidy(tmp_path, [{"key": "a", "target": ["2"], "doc": {"a": 2}}])
    assert read_rows(path) == [
        {"key": "a", "target": ["2"], "doc": {"a": 2}, "reply": "2", "cut": False}
    ]


def test_tidy_leaves_one_row_of_two_with_a_key(tmp_path: Path) -> None:
    path = tmp_path / PREDICTIONS
    write(path, {"key": "a", "reply": "1"}, {"key": "a", "reply": "1"})
    assert tidy(tmp_path, [{"key": "a"}]) == ({"a"}, 0)
    assert read_rows(path) == [{"key": "a", "reply": "1"}]


def test_tidy_does_not_touch_a_file_that_is_as_it_should_be(tmp_path: Path) -> None:
    path = tmp_path / PREDICTIONS
    write(path, {"key": "a", "reply": "1"})
    os.utime(path, (1, 1))
    tidy(tmp_path, [{"key": "a"}, {"key": "b"}])
    assert path.stat().st_mtime == 1
    assert not (tmp_path / SUPERSEDED).exists()


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_whole(path, encode({"name": "一"}, indent=1))
    assert path.read_bytes() == '{\n "name": "一"\n}\n'.encode()
    with pytest.raises(TypeError):
        write_whole(path, None)  # type: ignore[arg-type]
    assert json.loads(path.read_bytes()) == {"name": "一"}
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_no_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"no run: it has no run.json; `run` or `infer` makes one"
    ):
        read_run(tmp_path)


@pytest.mark.parametrize("text", ['{"task": {', "[]", '{"task": 1}', "\ud83d"])
def test_a_broken_run_says_how_to_mend_it(text: str, tmp_path: Path) -> None:
    (tmp_path / RUN).write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ValueError, match=r"run.json.*remove it; `run` or `infer` makes it anew"):
        read_run(tmp_path)


@posix
def test_only_one_process_writes(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    script = "import sys\nfrom tiny_eval.run_files import one_writer\nfrom pathlib import Path\n"
    script += "with one_writer(Path(sys.argv[1])): print('in')"
    other = [sys.executable, "-c", script, folder]
    with one_writer(folder):
        ran = subprocess.run(other, capture_output=True, text=True)
        assert ran.returncode == 1
        assert "BlockingIOError: another process is writing into" in ran.stderr
    assert subprocess.run(other, capture_output=True, text=True).stdout == "in\n"
