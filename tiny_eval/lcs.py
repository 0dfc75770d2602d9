"""The longest common subsequence, a word of bits at a time.

The table of the textbook has a cell for each pair of tokens, and a text of 50,000 tokens has 2.5
billion. Neighbouring cells differ by 0 or 1, so a row of it fits into one integer, a bit a cell:
bit j is 0 where the row rises at j. One row makes the next with an addition, an `and` and an `or`
of long integers, which Python does 30 bits at a time. Chapter 51 explains it. Source: Hyyrö 2004,
"Bit-parallel LCS-length computation revisited", figure 2.
"""

from collections.abc import Hashable, Iterator, Sequence
from typing import Literal


def lcs_length(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """How many tokens two sequences have in common, in order: [0, min(len(a), len(b))]."""
    row = 0
    for row in _rows(a, b):  # noqa: B007  # the last one counts
        pass
    return len(b) - row.bit_count() if a else 0


def lcs_indices(
    a: Sequence[Hashable], b: Sequence[Hashable], leave: Literal["a", "b"] = "a"
) -> list[int]:
    """The places in `a` of one longest common subsequence.

    leave: there may be several; going back from the end, a token of this sequence is left out where
    both ways are as good. rouge-score leaves "a", the package `rouge` "b", and a summary's score
    may depend on it.
    """
    rows = [(1 << len(b)) - 1, *_rows(a, b)]
    i, j, found = len(a), len(b), list[int]()
    while i and j:
        below = (1 << j) - 1
        if a[i - 1] == b[j - 1]:
            found.append(i - 1)
            i, j = i - 1, j - 1
            continue
        without_b = _height(rows[i], below >> 1)
        without_a = _height(rows[i - 1], below)
        if without_b > without_a or (without_b == without_a and leave == "b"):
            j -= 1
        else:
            i -= 1
    return found[::-1]


def _rows(a: Sequence[Hashable], b: Sequence[Hashable]) -> Iterator[int]:
    """The row of each token of `a`."""
    places: dict[Hashable, int] = {}
    for place, token in enumerate(b):
        places[token] = places.get(token, 0) | 1 << place
    full = (1 << len(b)) - 1
    row = full
    for token in a:
        matches = row & places.get(token, 0)
        row = ((row + matches) | (row - matches)) & full
        yield row


def _height(row: int, mask: int) -> int:
    """The table's value behind as many tokens as the mask has bits."""
    return (~row & mask).bit_count()
