"""The inverted index: for each term the rows that hold it, and how often.

A book's index is the same thing: words in order, each with its pages. Here it is a sparse matrix in
numpy, terms by rows, kept term by term ("compressed sparse columns"):

    terms   0        1     2              which term
    starts  0        2     3        6     where its postings begin, and the end of the last
    rows    0  4     1     0  3  4        ascending within a term
    counts  1  2     1     3  1  1        how often the term stands in the row

Chapter 32 draws one. Sources: Zobel and Moffat 2006, "Inverted files for text search engines",
sections 3 and 5. Leaves out: compression, positions (so no phrase search).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK = 2**21  # postings handled at once: what bounds the memory of temporary arrays

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Postings:
    """P postings of V terms; no array is ever changed in place, so they may be read-only maps."""

    terms: Ints
    """(V,) ascending; every term has at least one posting."""
    starts: Ints
    """(V + 1,)"""
    rows: NDArray[np.int32]
    """(P,)"""
    counts: NDArray[np.unsignedinteger]
    """(P,) at least 1, in the smallest type that holds them."""

    @classmethod
    def empty(cls) -> "Postings":
        """Of no rows."""
        none = np.zeros(0, np.int64)
        return cls(none, np.zeros(1, np.int64), none.astype(np.int32), none.astype(np.uint8))

    def blocks(self, size: int = BLOCK) -> Iterator[tuple[int, int]]:
        """Ranges of places in `terms` that hold about `size` postings together, or one term."""
        first = 0
        while first < len(self.terms):
            end = int(np.searchsorted(self.starts, self.starts[first] + size, "right")) - 1
            end = max(end, first + 1)
            yield first, end
            first = end

    def check(self, num_rows: int) -> None:
        """ValueError unless they can be the postings of that many rows."""
        fits = (
            len(self.starts) == len(self.terms) + 1
            and self.starts[0] == 0
            and self.starts[-1] == len(self.rows) == len(self.counts)
            and bool((np.diff(self.starts) > 0).all())
            and self.rows.min(initial=0) >= 0
            and self.rows.max(initial=-1) < num_rows
            and self.counts.min(initial=1) > 0
            and self._ascend()
        )
        if not fits:
            raise ValueError(
                f"{len(self.rows)} postings of {len(self.terms)} terms do not fit {num_rows} rows: "
                "the arrays are damaged; index the texts again"
            )

    def _ascend(self) -> bool:
        rising = np.diff(self.rows) > 0  # (P - 1,)
        rising[self.starts[1:-1] - 1] = True  # between two terms rows may fall
        return bool(rising.all())


def invert(ids: Ints, lengths: Ints, first_row: int, size: int = BLOCK) -> Iterator[Postings]:
    """The postings of new rows, some rows at a time: about `size` terms, or one row.

    ids: (sum of lengths,) the terms of all rows, one row after another, repeated as they occur
    lengths: (n,) how many are of each row · first_row: the number of the first
    """
    ends = np.concatenate([[0], np.cumsum(lengths)])  # (n + 1,)
    first = 0
    while first < len(lengths):
        end = max(int(np.searchsorted(ends, ends[first] + size, "right")) - 1, first + 1)
        numbers = np.arange(first_row + first, first_row + end)
        rows = np.repeat(numbers, lengths[first:end])
        yield _invert(ids[ends[first] : ends[end]].astype(np.int64), rows)
        first = end


def _invert(ids: Ints, rows: Ints) -> Postings:
    """Sort the pairs of term and row; a pair's count is the length of its run."""
    pairs = ids << 32 | rows  # one number each: sorting those is many times faster
    pairs.sort()
    first = np.flatnonzero(np.diff(pairs, prepend=-1))  # where a new pair begins
    counts = np.diff(first, append=len(pairs))
    pairs = pairs[first]
    terms = pairs >> 32
    starts = np.flatnonzero(np.diff(terms, prepend=-1))
    return Postings(
        terms[starts],
        np.append(starts, len(pairs)),
        (pairs & 0xFFFFFFFF).astype(np.int32),
        counts.astype(np.min_scalar_type(int(counts.max(initial=0)))),
    )


def merge(parts: Sequence[Postings]) -> Postings:
    """One index of several. Each part's rows must all come after those of the parts before it.

    So a term's postings of one part go, in one piece, behind those of the parts before: nothing is
    sorted again. Linear time; temporary memory of one block.
    """
    num_terms = max((int(part.terms[-1]) + 1 for part in parts if len(part.terms)), default=0)
    sizes = np.zeros(num_terms, np.int64)
    for part in parts:
        sizes[part.terms] += np.diff(part.starts)
    free = np.cumsum(sizes) - sizes  # where each term's next posting goes
    rows = np.empty(sizes.sum(), np.int32)
    counts = np.empty(len(rows), np.result_type(np.uint8, *[part.counts.dtype for part in parts]))
    for part in parts:
        for first, end in part.blocks():
            terms, starts = part.terms[first:end], part.starts[first : end + 1]
            size = np.diff(starts)
            here = slice(starts[0], starts[-1])
            to = np.repeat(free[terms] - starts[:-1], size) + np.arange(starts[0], starts[-1])
            rows[to] = part.rows[here]
            counts[to] = part.counts[here]
            free[terms] += size
    terms = np.flatnonzero(sizes)
    return Postings(terms, np.concatenate([[0], np.cumsum(sizes[terms])]), rows, counts)


def select_rows(postings: Postings, keep: NDArray[np.bool_]) -> Postings:
    """The postings of the rows for which keep: (N,) is True, renumbered without gaps."""
    number = (np.cumsum(keep) - 1).astype(np.int32)  # (N,) the new number of a row that stays
    stays = keep[postings.rows]  # (P,)
    before = np.concatenate([[0], np.cumsum(stays)])  # (P + 1,) postings that stay before each
    starts = before[postings.starts]
    alive = np.flatnonzero(np.diff(starts))  # terms that still stand somewhere
    return Postings(
        postings.terms[alive],
        np.append(starts[alive], starts[-1]),
        number[postings.rows[stays]],
        postings.counts[stays],
    )


def pack_strings(texts: Iterable[str]) -> tuple[NDArray[np.uint8], Ints]:
    """Strings as arrays: their UTF-8 one after another, and where each ends."""
    data = [text.encode("utf-8", "surrogatepass") for text in texts]
    ends = np.cumsum([len(item) for item in data], dtype=np.int64)
    return np.frombuffer(b"".join(data), np.uint8), ends


def unpack_strings(data: NDArray[np.uint8], ends: Ints) -> Iterator[str]:
    """The strings that `pack_strings` was given. ValueError if the ends do not fit the data."""
    if len(data) != (ends[-1] if len(ends) else 0):
        raise ValueError(f"{len(data)} bytes for strings that end at {ends[-1:]}: damaged")
    text, start = data.tobytes(), 0
    for end in ends.tolist():
        yield text[start:end].decode("utf-8", "surrogatepass")
        start = end
