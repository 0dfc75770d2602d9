"""A model that is slow is not waited for longer than was said."""

import threading
import time
from collections.abc import Generator

import pytest

from tiny_agent.agent import Agent
from tiny_agent.deadline import TimeUp, until
from tiny_agent.messages import Reply
from tiny_agent.models import ModelError
from tiny_agent.run_state import Limits


def words(count: int, pause_s: float = 0.0) -> Generator[str, None, Reply]:
    for _ in range(count):
        time.sleep(pause_s)
        yield "word "
    return Reply("word " * count)


def drained(stream: Generator[str, None, Reply]) -> tuple[list[str], Reply]:
    pieces = []
    while True:
        try:
            pieces.append(next(stream))
        except StopIteration as end:
            return pieces, end.value


def test_what_comes_in_time_comes_whole_and_in_order() -> None:
    assert drained(until(words(50), 60)) == (["word "] * 50, Reply("word " * 50))


def test_a_stream_that_drips_is_left_when_the_time_is_up() -> None:
    start, pieces = time.monotonic(), list[str]()
    with pytest.raises(TimeUp):
        pieces.extend(until(words(1000, 0.05), 0.3))
    assert 0 < len(pieces) < 10
    assert 0.25 < time.monotonic() - start < 5


def test_a_model_that_is_silent_is_left_too() -> None:
    with pytest.raises(TimeUp):
        next(until(words(1, 5), 0.05))


def test_what_the_model_raises_is_raised_here() -> None:
    def failing() -> Generator[str, None, Reply]:
        yield "a"
        raise ModelError("server said 500")

    stream = until(failing(), 60)
    assert next(stream) == "a"
    with pytest.raises(ModelError, match="500"):
        next(stream)


def test_the_stream_is_closed_by_its_own_thread() -> None:
    closed = threading.Event()

    def endless() -> Generator[str, None, Reply]:
        try:
            while True:
                time.sleep(0.01)
                yield "word "
        finally:
            closed.set()

    stream = until(endless(), 60)
    next(stream)
    stream.close()
    assert closed.wait(5)


class Slow:
    """A model that takes five seconds."""

    def generate(self, *_: object) -> Reply:
        time.sleep(5)
        return Reply("Final Answer: late")

    def stream(self, *_: object) -> Generator[str, None, Reply]:
        time.sleep(5)
        yield "Final Answer: late"
        return Reply("Final Answer: late")


def test_a_run_ends_when_its_time_is_up_whatever_the_model_does() -> None:
    start = time.monotonic()
    result = Agent(Slow(), limits=Limits(max_seconds=0.2)).run("?")
    assert (result.status, result.answer, result.steps) == ("time_budget", None, [])
    assert time.monotonic() - start < 3
