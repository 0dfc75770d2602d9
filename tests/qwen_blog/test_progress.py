"""A bar for people who look at a terminal, and silence for everything else."""

import io
from typing import Any

import pytest

from qwen_blog.progress import training_bar

from .training_runs import settings


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def shown(monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO, first: int) -> str:
    """What is written to stderr by three steps of a run that goes on at `first`."""
    monkeypatch.setattr("sys.stderr", stderr)
    clock = Clock()
    monkeypatch.setattr("tqdm.std.time", clock)
    with training_bar(settings()) as on_step:
        for step in range(first, first + 3):
            clock.now += 600 if step == first else 2  # the first one compiles
            record: dict[str, Any] = {"step": step, "loss": 2.5, "seconds": 0.5}
            on_step(record | ({"validation": {"recall": 0.75}} if step == first + 2 else {}))
    return stderr.getvalue()


def test_the_bar_shows_steps_loss_speed_and_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, Terminal(), first=1)
    last = text.split("\r")[-1]
    assert "3/12" in last
    assert "loss=2.500" in last
    assert "tokens/s=384" in last  # 3 rows of 64 in half a second
    assert "recall=0.75" in last


@pytest.mark.parametrize(("first", "left"), [(1, "00:18"), (8, "00:04")])
def test_the_time_left_follows_from_the_steps_of_now(
    monkeypatch: pytest.MonkeyPatch, first: int, left: str
) -> None:
    """Neither from those done before a run was resumed, nor from the slow first one."""
    frames = shown(monkeypatch, Terminal(), first).split("\r")
    # while it runs, and the last one, where tqdm takes the mean of the whole run
    for frame in [x for x in frames if f"{first + 2}/12" in x and "recall" in x][-2:]:
        assert f"[00:04<{left},  2.00s/ steps" in frame


def test_where_nobody_looks_there_is_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, io.StringIO(), first=1) == ""
    monkeypatch.setenv("RANK", "1")
    assert shown(monkeypatch, Terminal(), first=1) == ""
