"""The folder of a run: whole lines, written as they come, by one process at a time.

    run.json              the task and the model, as they were
    predictions.jsonl     a line a document: what was asked, what came back
    superseded.jsonl      lines of documents or prompts that have changed since
    judgements.jsonl      what a judge said of the replies, if one was asked

A process may be killed in the middle of a line; then the next one cuts that off and asks again.
"""

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

if sys.platform != "win32":
    import fcntl

Row = dict[str, Any]
RUN, PREDICTIONS, SUPERSEDED = "run.json", "predictions.jsonl", "superseded.jsonl"
JUDGEMENTS = "judgements.jsonl"


def encode(row: Row, indent: int | None = None) -> bytes:
    """A row as a line. Chinese stays readable; half a surrogate pair, no UTF-8, is escaped."""
    try:
        return json.dumps(row, ensure_ascii=False, indent=indent).encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(row, indent=indent).encode() + b"\n"


def read_rows(path: str | Path, *needed: str) -> list[Row]:
    """The whole lines of a file; none if there is no file, and without a last one that was cut off.

    ValueError names the line that is no JSON object, or lacks one of the fields that are needed
    """
    path = Path(path)
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    rows = ((number, line) for number, line in enumerate(lines[:-1], 1) if line.strip())
    return [_row(f"{path}, line {number}", line, needed) for number, line in rows]


def read_run(folder: str | Path) -> Row:
    """What run.json says. FileNotFoundError if the folder is no run."""
    path = Path(folder) / RUN
    if not path.is_file():
        inside = next((run for at in ("*", "*/*") for run in path.parent.glob(f"{at}/{RUN}")), None)
        remedy = (
            f"give those inside, as {inside.parent}" if inside else "`run` or `infer` makes one"
        )
        raise FileNotFoundError(f"{folder} is no run: it has no {RUN}; {remedy}")
    remedy = "remove it; `run` or `infer` makes it anew"
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON ({error}); {remedy}") from error
    if not isinstance(run, dict) or not isinstance(run.get("task"), dict):
        raise ValueError(f"{path} names no task; {remedy}")
    return run


def judged_key(row: Row) -> str:
    """What a judgement belongs to: this reply to this question."""
    return f"{row['key']}-{hashlib.sha256(encode({'reply': row.get('reply')})).hexdigest()[:12]}"


def write_whole(path: Path, content: bytes) -> None:
    """Written beside its place and moved there, so that it is whole or not there at all."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        beside.write_bytes(content)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def one_writer(folder: Path) -> Iterator[None]:
    """Keep other processes from writing into a run, whose folder is made if need be.

    BlockingIOError if one is at it. The system lets go of what a killed process held; Windows has
    no such lock, and nobody is kept out there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if sys.platform == "win32":
        yield
        return
    with (folder / ".writer").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"another process is writing into {folder}; wait until it has ended"
            raise BlockingIOError(message) from error
        yield


def open_for_lines(path: Path) -> IO[bytes]:
    """The file, open for whole lines at its end; what a killed process left of one is cut off.

    Unbuffered: what has been written survives this process.
    """
    file = path.open("a+b", buffering=0)
    file.seek(0)
    file.truncate(file.read().rfind(b"\n") + 1)
    return file


def append(file: IO[bytes], row: Row) -> None:
    """Write a row. OSError if the disk is full; what is left of its line is cut off later."""
    left = memoryview(encode(row))
    try:
        while left:
            left = left[file.write(left) :]
    except OSError as error:
        problem = f"{error.strerror}; the rows before this one are kept"
        raise OSError(error.errno, problem, file.name) from error


def tidy(folder: Path, wanted: Sequence[Row]) -> tuple[set[str], int]:
    """Leave only these rows among the predictions: in their order, with the targets of today.

    Rows with other keys go to another file. Returns the keys that are there, and how many went.
    """
    path = folder / PREDICTIONS
    rows = read_rows(path)
    by_key = {row.get("key"): row for row in rows}
    current = [{**by_key[row["key"]], **row} for row in wanted if row["key"] in by_key]
    keys = {row["key"] for row in current}
    old = [row for row in rows if row.get("key") not in keys]
    if old:
        with open_for_lines(folder / SUPERSEDED) as file:
            for row in old:
                append(file, row)
    if current != rows:
        # Only now, so that a kill in between leaves a row in both files rather than in none.
        write_whole(path, b"".join(map(encode, current)))
    return keys, len(old)


def discard_empty(folder: Path) -> None:
    """Remove a run in which nothing was ever answered, so that nobody takes it for one."""
    files = {RUN, PREDICTIONS, ".writer"}
    if not read_rows(folder / PREDICTIONS) and {path.name for path in folder.iterdir()} <= files:
        for name in files:
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()


def _row(place: str, line: bytes, needed: Sequence[str]) -> Row:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise ValueError(f"{place} is no JSON ({error}); remove that line") from error
    if not isinstance(row, dict):
        raise ValueError(f"{place} is no JSON object; remove that line")
    if missing := [name for name in needed if name not in row]:
        raise ValueError(f"{place} lacks {', '.join(missing)}; remove that line")
    return row
