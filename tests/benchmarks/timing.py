"""Fair clocks: contenders take turns in one process, and each turn gives one ratio.

A busy machine slows every contender of a turn alike, so the median of the turns' ratios holds where
absolute times do not. With one thread the clock counts this process's CPU time, which others
hardly touch; with more threads it must be the wall's.
"""

import time
from collections.abc import Callable, Mapping
from statistics import median

import torch


def clock_s() -> float:
    """Seconds, of CPU time under torch.set_num_threads(1), else of wall time."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


class Stopwatch:
    """Durations between one `lap` and the next."""

    def __init__(self) -> None:
        self.laps_s: list[float] = []
        self._last = clock_s()

    def lap(self) -> None:
        now = clock_s()
        self.laps_s.append(now - self._last)
        self._last = now


def take_turns(turns: Mapping[str, Callable[[], list[float]]], rounds: int) -> dict[str, list]:
    """Run everyone once a round, each time from another one on.

    turns: what to run, which returns durations in seconds
    returns for each name its median duration in every round
    """
    names, times = list(turns), {name: [] for name in turns}
    for r in range(rounds):
        for name in names[r % len(names) :] + names[: r % len(names)]:
            times[name].append(median(turns[name]()))
    return times


def faster(times: dict[str, list], name: str, than: str) -> float:
    """How many times faster `name` is: the median of the rounds' ratios."""
    return median(b / a for a, b in zip(times[name], times[than], strict=True))


def read_bandwidth() -> float:
    """Bytes a second that a sum over 512 MB takes in: the best of 15 runs."""
    numbers = torch.ones(2**27)

    def once() -> float:
        watch = Stopwatch()
        numbers.sum()
        watch.lap()
        return watch.laps_s[0]

    return numbers.nbytes / min(once() for _ in range(15))
