"""BM25: rank texts by the words they share with a question, rare words first.

    score(q, d) = sum over the words t of q of  idf(t) * tf / (tf + k1 * (1 - b + b * |d| / avg))

tf: how often t stands in d; |d|: the length of d in terms; avg: the mean length. The idf says how
much a word tells, the fraction that the tenth occurrence tells less than the first, and that a word
in a short text tells more.

Sources: Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework: BM25 and Beyond",
section 3; the three variants: Kamphuis et al. 2020, "Which BM25 Do You Mean?", table 1; working out
all weights beforehand, so that a question only adds: Lu 2024, "BM25S" (arXiv:2407.03618).
Chapter 32 explains it. Leaves out: BM25L, BM25+, fields, and skipping the rows that cannot be among
the best (MaxScore, WAND): at 20,000 rows it was slower in numpy than adding up everything.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from . import terms
from .inverted import InvertedIndex, Tokenize
from .postings import Ints

Variant = Literal["lucene", "robertson", "atire"]
Floats = NDArray[np.float64]
Scores = NDArray[np.float32]


def inverse_document_frequency(df: NDArray[Any], num_rows: int, variant: Variant) -> Floats:
    """What a term tells that stands in df of num_rows texts (natural logarithm, >= 0).

    robertson: ln((N - df + 0.5) / (df + 0.5)), its log-odds, N for num_rows; a word in more than
    half of the texts would count against a text, so it counts 0 · lucene: 1 + inside that
    logarithm, so always above 0 · atire: ln(N / df)
    df: an array of any shape · returns float64 of that shape. Kamphuis et al. 2020, table 1
    """
    odds = (num_rows - df + 0.5) / (df + 0.5)
    if variant == "robertson":
        return np.log(np.maximum(odds, 1.0))
    return np.log1p(odds) if variant == "lucene" else np.log(num_rows / df)


def length_norms(lengths: NDArray[Any], k1: float, b: float) -> Floats:
    """k1 * (1 - b + b * |d| / avg) for each text: the tf at which a term's share is one half.

    lengths: (N,) in terms · returns (N,) float64
    """
    average = lengths.mean() if lengths.any() else 1.0
    return k1 * (1.0 - b + b * lengths / average)


class BM25Index:
    """Texts by their words. Row i is the i-th text added that is still there.

    A row scores, summed over the terms of a question, idf * tf / (tf + `length_norms`): tf is how
    often the row has the term, and the length of a row is how many terms it has, repeated ones too.

    variant: see `inverse_document_frequency`; atire's scores are also times k1 + 1
    k1: >= 0, how slowly repetition stops to count; with 0 a word counts once
    b: in [0, 1], how much a text is held back for being long
    tokenize: text -> terms, for texts and questions alike

    The first question after `add` or `remove` pays for `build`, because the number of texts and
    their mean length are in all weights; but only new texts are cut into terms and counted.
    """

    def __init__(
        self,
        variant: Variant = "lucene",
        k1: float = 1.5,
        b: float = 0.75,
        tokenize: Tokenize = terms.tokenize,
    ) -> None:
        if variant not in get_args(Variant):
            raise ValueError(f"variant={variant!r} must be one of {', '.join(get_args(Variant))}")
        if not 0 <= k1 < float("inf"):
            raise ValueError(f"k1={k1} must be 0 or above; 1.2 to 2 is usual")
        if not 0 <= b <= 1:
            raise ValueError(f"b={b} must be from 0, which ignores lengths, to 1")
        self.variant: Variant = variant
        self.k1, self.b, self.tokenize = float(k1), float(b), tokenize
        self._inverted = InvertedIndex(tokenize)
        self._built = False

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self._inverted)

    def add(self, texts: Iterable[str]) -> range:
        """Add texts as new rows after the others; returns the numbers of these rows.

        If it fails, no row is added. TypeError if `texts` is a single str.
        """
        self._built = False
        return self._inverted.add(texts)

    def remove(self, rows: Iterable[int]) -> None:
        """Take rows out; later rows move up, as in a list. IndexError if there is no such row."""
        self._built = False
        self._inverted.remove(rows)

    def build(self) -> None:
        """Work out the weight of every posting, if texts have changed; questions do it too."""
        if self._built:
            return
        self._vocabulary, postings = self._inverted.settle()
        self._starts, self._rows, self._counts = postings.starts, postings.rows, postings.counts
        self._df = np.diff(postings.starts)  # (V,)
        self._idf = inverse_document_frequency(self._df, len(self), self.variant)  # (V,)
        norms = length_norms(self._inverted.lengths, self.k1, self.b)  # (N,)
        scale = self.k1 + 1 if self.variant == "atire" else 1.0
        self._weights = np.empty(len(self._rows), np.float32)  # (P,)
        for first, end in postings.blocks():
            starts = postings.starts[first : end + 1]
            here = slice(starts[0], starts[-1])
            tf = self._counts[here]
            idf = np.repeat(scale * self._idf[first:end], np.diff(starts))
            self._weights[here] = idf * (tf / (tf + norms[self._rows[here]]))
        # In a quarter of the rows, a full column takes less than twice the postings' memory.
        frequent = np.flatnonzero(self._df * 4 > len(self)).tolist()
        self._full = {term: self._spread(term) for term in frequent}
        self._built = True

    def scores(self, query: str) -> Scores:
        """(N,) the score of every row, >= 0. A word asked twice counts twice."""
        return self._sum(self._terms_of(query))

    def top_k(self, query: str, k: int) -> tuple[Ints, Scores]:
        """The k best rows and their scores, best first; among equals the lower row first.

        The same as sorting all of `scores`; fewer than k where fewer rows score above 0.
        ValueError if k < 1
        """
        if k < 1:
            raise ValueError(f"k={k} must be at least 1")
        asked = self._terms_of(query)
        scores = self._sum(asked)
        # The k-th best of a word's rows is a floor for the k-th best of all. Most rows are below
        # it, and a comparison is many times faster than a partition of all scores.
        floor = np.float32(0)
        for term in asked:
            rows, _ = self._column(term)
            if len(rows) >= k and (floor == 0 or term not in self._full):
                floor = max(floor, np.partition(scores[rows], -k)[-k])
        found = np.flatnonzero(scores >= floor if floor > 0 else scores > 0)
        best = _best(scores[found], k)
        return found[best], scores[found[best]]

    def matched(self, query: str, row: int) -> tuple[float, float]:
        """(what the row has of a query, what there is to have): sums of idf over its terms.

        A term that no row has weighs 1, and no term weighs more, but for `terms.term_weight`; each
        counts once. Words that ask (`without_question_words`) are left out. Always with Lucene's
        idf, which no word makes 0 or infinite, and as if there were 100 rows at least: fewer don't
        tell which words are rare.
        """
        self.build()
        self._inverted.check_row(row)
        rows = max(len(self), 100)
        unknown = float(inverse_document_frequency(np.array(0), rows, "lucene"))
        asked = held = 0.0
        for name in sorted(set(self.tokenize(terms.without_question_words(query)))):
            term = self._vocabulary.get(name)
            df = np.array(0 if term is None else self._df[term])
            mass = float(inverse_document_frequency(df, rows, "lucene")) / unknown
            mass *= terms.term_weight(name)
            asked += mass
            if term is not None and self._has(term, row):
                held += mass
        return held, asked

    def idf(self, term: str) -> float:
        """The idf of a term. KeyError if no row has it."""
        self.build()
        if term not in self._vocabulary:
            raise KeyError(f"no row has the term {term!r}; terms are what `tokenize` returns")
        return float(self._idf[self._vocabulary[term]])

    def postings(self, term: str) -> dict[int, int]:
        """The rows that hold a term, and how often each does; empty if none does."""
        self.build()
        if term not in self._vocabulary:
            return {}
        here = self._span(self._vocabulary[term])
        rows, counts = self._rows[here].tolist(), self._counts[here].tolist()
        return dict(zip(rows, counts, strict=True))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it as arrays without objects, for `np.save(..., allow_pickle=False)`."""
        own = {"variant": np.array(self.variant), "k1_b": np.array([self.k1, self.b])}
        return own | self._inverted.arrays()

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[Any]], tokenize: Tokenize = terms.tokenize
    ) -> Self:
        """The index that `arrays` described; they may be read-only memory maps.

        ValueError if they are incomplete or do not fit each other, or if the texts were cut by
        another function than `tokenize`: the names are compared
        """
        if "variant" not in arrays or "k1_b" not in arrays:
            raise ValueError("arrays lack variant or k1_b: they are not of a BM25Index")
        k1, b = arrays["k1_b"].tolist()
        variant: Any = str(arrays["variant"])
        index = cls(variant, k1, b, tokenize)
        index._inverted = InvertedIndex.from_arrays(arrays, tokenize)
        return index

    def _terms_of(self, query: str) -> dict[int, int]:
        """The known terms of a query, the rarest first, and how often it has each."""
        self.build()
        asked = Counter(self.tokenize(query))
        known = [
            (self._vocabulary[name], n) for name, n in asked.items() if name in self._vocabulary
        ]
        return dict(sorted(known, key=lambda item: (self._df[item[0]], item[0])))

    def _sum(self, asked: Mapping[int, int]) -> Scores:
        """(N,) the weights of terms, each times its number, added up in their order."""
        total = np.zeros(len(self), np.float32)
        for term, times in asked.items():
            if term in self._full:
                total += times * self._full[term]
            else:
                rows, weights = self._column(term)
                np.add.at(total, rows, times * weights)  # in numpy faster than total[rows] +=
        return total

    def _span(self, term: int) -> slice:
        """Where the postings of a term are."""
        return slice(self._starts[term], self._starts[term + 1])

    def _column(self, term: int) -> tuple[NDArray[np.int32], Scores]:
        """(df,) the rows that hold a term, ascending, and its weight in each."""
        here = self._span(term)
        return self._rows[here], self._weights[here]

    def _spread(self, term: int) -> Scores:
        """(N,) the weight of a term in every row: to add it for a word of many rows is faster."""
        column = np.zeros(len(self), np.float32)
        rows, weights = self._column(term)
        column[rows] = weights
        return column

    def _has(self, term: int, row: int) -> bool:
        """Whether the row holds the term."""
        rows, _ = self._column(term)
        place = np.searchsorted(rows, np.int32(row))  # an int64 would convert all rows first
        return bool(place < len(rows) and rows[place] == row)


def _best(scores: Scores, k: int) -> Ints:
    """The places of the k highest, the highest first; among equals the lower place first."""
    if k >= len(scores):
        return np.argsort(-scores, kind="stable")
    floor = np.partition(scores, -k)[-k]
    above = np.flatnonzero(scores > floor)
    equal = np.flatnonzero(scores == floor)[: k - len(above)]
    best = np.concatenate([above, equal])  # those above are fewer than k, and ascending
    return best[np.argsort(-scores[best], kind="stable")]
