"""A run as a file: every prompt and every reply, exactly, a line a step.

    result = record(agent, "What is 12.5% of 840?", "run.jsonl")
    read_trace("run.jsonl").steps[0].prompt

The first line is the header: the question and how it was asked (`trace_header`). Then comes a line
a step, written when the step is done, so that a process that is killed loses the step under way and
no other; the last is the result (`trace_lines`). `replay` runs a trace again without a model,
`trace_page` shows it. Chapter 43 reads some. Leaves out: the steps of a sub-agent, which is a tool.
"""

import json
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from .events import Event, StepFinished
from .messages import RunResult, Step
from .trace_header import FORMAT, Header, Runner, header_from, header_line
from .trace_lines import (
    Known,
    Line,
    Numbered,
    decode,
    encode,
    result_from,
    result_line,
    step_from,
    step_line,
)

_SHORTEST_SECRET = 8  # a shorter one may well be a part of other words
_ENDED = "the run was ended from outside before it came to a result"


@dataclass(frozen=True)
class Trace:
    """A run that was read from a file. Steps share the messages that stand in several prompts."""

    header: Header
    steps: list[Step]
    result: RunResult | None
    missing: str | None = None
    """Where there is no result: what is not there, in words."""


class TraceWriter:
    """Writes the trace of one run. A trace of the same name is replaced.

    secrets: API keys and the like; *** is written in their place, wherever they turn up
    ValueError if there is a file that is not a trace; OSError if none can be written
    """

    def __init__(self, path: str | Path, header: Header, secrets: Sequence[str] = ()) -> None:
        self.path, self._known = Path(path), _known_from(header)
        texts = [each for each in secrets if len(each) >= _SHORTEST_SECRET]
        self._secrets = [json.dumps(each, ensure_ascii=False)[1:-1].encode() for each in texts]
        _check_replaceable(self.path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("wb")
        self._put(header_line(header))

    def __enter__(self) -> "TraceWriter":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def follow(
        self, events: Generator[Event, None, RunResult]
    ) -> Generator[Event, None, RunResult]:
        """The same events, each step written before it is passed on; then the result, written."""
        with closing(events):
            while True:
                try:
                    event = next(events)
                except StopIteration as end:
                    self.finish(end.value)
                    return end.value
                self.write(event)
                yield event

    def write(self, event: Event) -> None:
        """Write what is worth keeping of an event: a step holds all that came before it."""
        if isinstance(event, StepFinished):
            self._put(step_line(event.step, self._known))

    def finish(self, result: RunResult) -> None:
        """Write what the run came to."""
        self._put(result_line(result, self._known))

    def close(self) -> None:
        """Close the file. Without a result in it, it is the trace of a run that was ended."""
        self._file.close()

    def _put(self, line: Line) -> None:
        data = encode(line)
        for secret in self._secrets:
            data = data.replace(secret, b"***")
        self._file.write(data + b"\n")
        self._file.flush()


def record(runner: Runner, question: str, path: str | Path) -> RunResult:
    """Answer a question as `runner.run` does, and write the trace of it."""
    with TraceWriter(path, Header.of(runner, question)) as trace:
        events = trace.follow(runner.stream(question))
        while True:
            try:
                next(events)
            except StopIteration as end:
                return end.value


def read_trace(path: str | Path) -> Trace:
    """A trace, also one whose run was killed: see `Trace.missing`.

    FileNotFoundError if there is none; ValueError names the line that is not that of a trace
    """
    lines, cut_off = _lines(Path(path))
    with _named(path, 1):
        header = header_from(decode(lines[0]))
    known, steps = _known_from(header), list[Step]()
    for number, data in enumerate(lines[1:], start=2):
        with _named(path, number):
            line = decode(data)
            match line.get("type"):
                case "step":
                    steps.append(step_from(line, known))
                case "result" if number < len(lines) or cut_off:
                    raise ValueError("something comes after this result; a file holds one run")
                case "result":
                    return Trace(header, steps, result_from(line, steps, known))
                case other:
                    raise ValueError(f"there is no line of the type {other!r}")
    part = f"line {len(lines) + 1} is cut off" if cut_off else "there is no result"
    return Trace(header, steps, None, f"{part}: {_ENDED}")


def _lines(path: Path) -> tuple[list[bytes], bool]:
    """The lines that are whole, and whether one more had been begun. ValueError if there is none.

    A line that was written to its end has a line break, unless an editor took that off the last.
    """
    *lines, last = path.read_bytes().split(b"\n")
    cut_off = bool(last.strip()) and not _is_whole(last)
    if last.strip() and not cut_off:
        lines.append(last)
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise ValueError(f"{path} is no trace: it has no whole line; --trace FILE makes one")
    return lines, cut_off


def _is_whole(data: bytes) -> bool:
    try:
        decode(data)
    except ValueError:
        return False
    return True


@contextmanager
def _named(path: str | Path, number: int) -> Iterator[None]:
    """What is wrong with a line, with its number."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        problem = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"{path} line {number}: {problem}") from error


def _known_from(header: Header) -> Known:
    """What the header tells already."""
    return Known(Numbered(header.history), Numbered(header.tools))


def _check_replaceable(path: Path) -> None:
    """ValueError if this file would be a loss."""
    if not path.is_file() or path.stat().st_size == 0:
        return
    with path.open("rb") as file:
        start = file.readline(200)
    if FORMAT.encode() not in start:
        raise ValueError(f"{path} is there, and no trace; name another file")
