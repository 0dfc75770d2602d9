"""Relevance: does what was found have to do with the question at all? If not, no answer is better.

A retriever always finds its k best, also for a question that the corpus knows nothing about, and
its best score does not tell: a sum over words, it is high for any long question. The share of the
question that was found does not tell either: of a short question, one common word is half. Their
product does,

    relevance = found * found / asked

with `found` and `asked` as sums of idf, in units of a word that is nowhere. Below a threshold the
pipeline refuses; `calibrate` finds it from questions that are known to have an answer or none.
Chapter 33 draws the three.

Leaves out: a question whose words are all there and whose answer is not ("Who built the station?"
where only its year stands). There a model that reads the passages must refuse.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from .bm25 import BM25Index
from .documents import Chunk, Hit

Relevance = Callable[[str, Sequence[Hit]], float]
"""relevance(question, hits): how much the best of the hits has to do with the question, >= 0."""


@dataclass(frozen=True)
class WordRelevance:
    """By the words that question and passage share, as an index of the corpus weighs them."""

    index: BM25Index
    chunks: Sequence[Chunk]
    """Row i of the index is the text of chunks[i]."""

    def __call__(self, question: str, hits: Sequence[Hit]) -> float:
        """>= 0; 0 without hits. Hits that are not in the index count 0.

        A passage that has all of a question of n rare words has about n.
        """
        rows = (self._rows.get(hit.chunk.id) for hit in hits)
        return max((self._of(question, row) for row in rows if row is not None), default=0.0)

    def _of(self, question: str, row: int) -> float:
        found, asked = self.index.matched(question, row)
        return found * found / asked if asked else 0.0

    @cached_property
    def _rows(self) -> Mapping[str, int]:
        return {chunk.id: row for row, chunk in enumerate(self.chunks)}


@dataclass(frozen=True)
class Threshold:
    """Where to refuse, and how well that does on the questions it was found with."""

    value: float
    """Refuse below this."""
    answered: float
    """The share of the answerable questions that are at or above it."""
    refused: float
    """The share of the unanswerable questions that are below it."""


def calibrate(answerable: Sequence[float], unanswerable: Sequence[float]) -> Threshold:
    """The threshold with the best mean of the two shares: neither kind outweighs the other.

    answerable, unanswerable: the relevance of each question of the kind · among equally good
    thresholds the lowest, so that in doubt the question is answered
    ValueError if a kind is missing
    """
    if not answerable or not unanswerable:
        counts = f"{len(answerable)} answerable and {len(unanswerable)} unanswerable questions"
        raise ValueError(f"{counts}; a threshold needs some of each")
    values = sorted({0.0, *answerable, *unanswerable})
    middles = [0.0, *((low + high) / 2 for low, high in pairwise(values))]

    def at(value: float) -> Threshold:
        answered = sum(score >= value for score in answerable) / len(answerable)
        refused = sum(score < value for score in unanswerable) / len(unanswerable)
        return Threshold(value, answered, refused)

    return max(map(at, middles), key=lambda threshold: threshold.answered + threshold.refused)
