"""The texts as counts: which terms each row has, and how often. What BM25 weighs.

Sources: Zobel and Moffat 2006, "Inverted files for text search engines", section 5, for building
an index in parts and merging those. Chapter 32 explains it.
"""

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .postings import Ints, Postings, invert, merge, pack_strings, select_rows, unpack_strings

Tokenize = Callable[[str], list[str]]
_ARRAYS = ("lengths", "terms", "term_ends", "starts", "rows", "counts", "tokenizer")


class InvertedIndex:
    """Rows of terms. Row i is the i-th text added that is still there.

    tokenize: text -> its terms, repeated as they occur

    `add` only notes the terms. `settle` counts those of the new rows and merges them with the rest.
    """

    def __init__(self, tokenize: Tokenize) -> None:
        self.tokenize = tokenize
        self._lengths = array("q")  # of all rows, in terms
        self._new_ids = array("i")  # the terms of the rows that are not in `_postings` yet
        self._new_rows = 0
        self._postings = Postings.empty()
        self._set_vocabulary([])

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self._lengths)

    @property
    def lengths(self) -> Ints:
        """(N,) how many terms each row has, repeated ones too."""
        return np.array(self._lengths, dtype=np.int64)

    def add(self, texts: Iterable[str]) -> range:
        """Add texts as new rows after the others; returns the numbers of these rows.

        If it fails, no row is added. TypeError if `texts` is a single str.
        """
        if isinstance(texts, str):
            raise TypeError("texts is one str; give a list of texts: [text]")
        ids, lengths, number = array("i"), array("q"), self._vocabulary.__getitem__
        for text in texts:
            before = len(ids)
            ids.extend(map(number, self.tokenize(text)))
            lengths.append(len(ids) - before)
        first = len(self)
        self._new_ids.extend(ids)
        self._lengths.extend(lengths)
        self._new_rows += len(lengths)
        return range(first, len(self))

    def remove(self, rows: Iterable[int]) -> None:
        """Take rows out; later rows move up, as in a list. IndexError if there is no such row."""
        gone = sorted(set(rows))
        for row in gone[:1] + gone[-1:]:
            self.check_row(row)
        self._count_new()
        keep = np.ones(len(self), bool)
        keep[gone] = False
        self._postings = select_rows(self._postings, keep)
        self._lengths = array("q", self.lengths[keep].tobytes())

    def settle(self) -> tuple[Mapping[str, int], Postings]:
        """The vocabulary, term -> number from 0, and the postings of these numbers."""
        self._count_new()
        used = self._postings.terms
        if len(used) < len(self._vocabulary):  # no row has the others any more
            names = list(self._vocabulary)
            self._set_vocabulary(names[number] for number in used.tolist())
            self._postings = replace(self._postings, terms=np.arange(len(used)))
        return self._vocabulary, self._postings

    def check_row(self, row: int) -> None:
        """IndexError if there is no such row; rows do not count from the end."""
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} is not one of the {len(self)} rows (from 0)")

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it as arrays without objects, for `np.save(..., allow_pickle=False)`."""
        vocabulary, postings = self.settle()
        text, ends = pack_strings(vocabulary)
        return {
            "lengths": self.lengths,
            "terms": text,
            "term_ends": ends,
            "starts": postings.starts,
            "rows": postings.rows,
            "counts": postings.counts,
            "tokenizer": np.array(_name_of(self.tokenize)),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], tokenize: Tokenize) -> Self:
        """The index that `arrays` described; they may be read-only memory maps.

        ValueError if they are incomplete or do not fit each other, or if the texts were cut by
        another function than `tokenize`: the names are compared
        """
        if missing := [name for name in _ARRAYS if name not in arrays]:
            raise ValueError(f"arrays lack {', '.join(missing)}; index the texts again")
        name = str(arrays["tokenizer"])
        if name != _name_of(tokenize):
            raise ValueError(
                f"the texts were cut by {name}, not by {_name_of(tokenize)}: "
                "pass that function as tokenize, or index the texts again"
            )
        index = cls(tokenize)
        terms = np.arange(len(arrays["starts"]) - 1)
        index._postings = Postings(terms, arrays["starts"], arrays["rows"], arrays["counts"])
        index._lengths = array("q", arrays["lengths"].astype(np.int64).tobytes())
        index._postings.check(len(index))
        index._set_vocabulary(unpack_strings(arrays["terms"], arrays["term_ends"]))
        num_terms, total = len(index._vocabulary), int(arrays["lengths"].sum())
        if num_terms != len(terms) or total != arrays["counts"].sum():
            raise ValueError(
                f"{num_terms} terms and {total} in all rows do not fit {len(terms)} lists of "
                f"{arrays['counts'].sum()}: the arrays are damaged; index the texts again"
            )
        return index

    def _set_vocabulary(self, names: Iterable[str]) -> None:
        numbers: defaultdict[str, int] = defaultdict()
        for name in names:
            numbers[name] = len(numbers)
        numbers.default_factory = numbers.__len__  # looking up a new term gives it the next number
        self._vocabulary = numbers

    def _count_new(self) -> None:
        if self._new_rows:
            first = len(self) - self._new_rows
            parts = invert(np.array(self._new_ids), self.lengths[first:], first)
            self._postings = merge([self._postings, *parts])
            self._new_ids, self._new_rows = array("i"), 0


def _name_of(function: Tokenize) -> str:
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return f"{getattr(function, '__module__', None) or '?'}.{name}"
