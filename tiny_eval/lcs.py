"""The longest common subsequence, a row of bits at a time.

The table of the textbook has a cell for each pair of tokens: 2.5 billion for two texts of 50,000.
Neighbouring cells differ by 0 or 1, so a row of it fits into one integer, a bit a cell:
bit j is 0 where the row rises at j. One row makes the next with an addition, a subtraction, an
`and` and an `or` of long integers, which Python does 30 bits at a time. Chapter 51 explains it.
Source: Hyyrö 2004, "Bit-parallel LCS-length computation revisited", figure 2.
"""

from collections.abc import Hashable, Iterator, Sequence
from typing import Literal


def lcs_length(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """How many tokens two sequences have in common, in order: [0, min(len(a), len(b))].

    Gaps are allowed on both sides: of "abcd" and "xbyd" it is 2. Tokens are compared with ==.
    """
    few, many = sorted((a, b), key=len)
    row = (1 << len(many)) - 1
    for row in _rows(few, many):  # noqa: B007  # the last one counts
        pass
    return len(many) - row.bit_count()


def lcs_indices(
    a: Sequence[Hashable], b: Sequence[Hashable], leave: Literal["a", "b"] = "a"
) -> list[int]:
    """The places in `a` of one longest common subsequence, rising.

    leave: there may be several; going back from the end, a token of this sequence is left out where
    both ways are as good. rouge-score leaves "a", the package `rouge` "b", and a summary's score
    may depend on it. · holds len(a) * len(b) bits: 0.3 GB for two texts of 50,000 tokens
    """
    if leave == "b":
        return [place for place, _ in _matches(a, b)][::-1]
    return [place for _, place in _matches(b, a)][::-1]


def _matches(a: Sequence[Hashable], b: Sequence[Hashable]) -> Iterator[tuple[int, int]]:
    """Places in both of what they have in common, from the end; leaves a token of `b` at ties."""
    rows = list(_rows(a, b))
    i, j = len(a) - 1, len(b) - 1
    while i >= 0 and j >= 0:
        if a[i] == b[j]:
            yield i, j
            i, j = i - 1, j - 1
        elif rows[i] >> j & 1:  # the row does not rise here: as much is found without b[j]
            j -= 1
        else:
            i -= 1


def _rows(a: Sequence[Hashable], b: Sequence[Hashable]) -> Iterator[int]:
    """The row of each token of `a`: len(b) bits."""
    places: dict[Hashable, int] = {}
    for place, token in enumerate(b):
        places[token] = places.get(token, 0) | 1 << place
    full = (1 << len(b)) - 1
    row = full
    for token in a:
        if token in places:
            matches = row & places[token]
            row = ((row + matches) | (row - matches)) & full
        yield row
