"""Lists of tokens made to fit a model's context, and put together into batches.

Plain Python over lists of token ids, so that it can be read without a model. Leaves out: packing
several texts into one row. Sources: lm-evaluation-harness (windows), LongBench (the middle).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

TRUNCATIONS = ("left", "middle")
"""Which part of too long a prompt goes."""


class Scored(NamedTuple):
    """Tokens whose last ones are to be scored, and the request that they belong to."""

    owner: int
    ids: tuple[int, ...]
    """At least one more than `scored`: the first token has nothing before it."""
    scored: int


def shortened(ids: list[int], room: int, truncation: str) -> list[int]:
    """At most `room` of the tokens: the last ones, or the first and the last half."""
    if len(ids) <= room:
        return ids
    first = room // 2 if truncation == "middle" else 0
    return ids[:first] + ids[len(ids) - (room - first) :]


def rolling_windows(ids: Sequence[int], prefix: int, length: int, owner: int = 0) -> list[Scored]:
    """A text of any length cut up so that each token is scored once, with at most `length` before.

    The first window starts with `prefix`, which is not scored. The others go on where the last one
    ended, and see what comes before as far as it fits: a short rest, for example, almost all of it.
    """
    before = (prefix, *ids)
    windows = []
    for start in range(0, len(ids), length):
        end = min(start + length, len(ids))
        # `before` is one longer than `ids`: this ends with the token at end - 1
        windows.append(Scored(owner, before[max(0, end - length) : end + 1], end - start))
    return windows


def batches(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Places of rows, the longest first: little padding, and what is too large fails early."""
    order = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    for start in range(0, len(order), size):
        yield order[start : start + size]
