"""chrF: how much of a reference's letters, in runs of one to six, a text has.

    P, R = mean over n of matched n-grams / those of the text, / those of the reference
    chrF = (1 + 4) P R / (4 P + R)                 recall counts twice as much: beta = 2

It needs no tokenizer, so it is the same for any language: white space is left out, and a wrong
ending costs a few letters where BLEU loses the word. Chapter 51. Source: Popović 2015,
https://aclanthology.org/W15-3049; the numbers are those of sacrebleu 2. Leaves out chrF++, which
adds runs of words.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from .bleu import check_corpus
from .ngrams import ngrams, overlap

ORDER = 6
BETA = 2


class Counts(NamedTuple):
    """n-grams of one n."""

    ours: int
    theirs: int
    matched: int


def corpus_chrf(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """chrF of all texts together, in [0, 100]; of several references the one that fits best counts.

    references: for each prediction its own, one or more
    Counts are added up over the texts before anything is divided. For one prediction and one
    reference they are, for each n: the n-grams of the prediction (0 if the reference has none),
    those of the reference, and those in both, each as often as both have it. P and R are the means
    over those n for which both sums are above 0; without one the score is 0.
    ValueError, TypeError as `bleu.check_corpus`
    """
    check_corpus(predictions, references)
    pairs = zip(predictions, references, strict=True)
    return chrf_of_counts([chrf_counts(prediction, own) for prediction, own in pairs])


def sentence_chrf(prediction: str, references: Sequence[str]) -> float:
    """chrF of one text, in [0, 100]."""
    return corpus_chrf([prediction], [references])


def chrf_counts(prediction: str, references: Sequence[str]) -> list[Counts]:
    """The counts, for n = 1 .. 6, against the reference that gives the highest score."""
    ours = _runs(prediction)
    candidates = []
    for reference in references:
        pairs = zip(ours, _runs(reference), strict=True)
        candidates.append([_count(mine, others) for mine, others in pairs])
    return max(candidates, key=lambda counts: chrf_of_counts([counts]))


def _count(ours: Counter, theirs: Counter) -> Counts:
    # n-grams that the reference is too short for are not held against the text
    return Counts(ours.total() if theirs else 0, theirs.total(), overlap(ours, theirs))


def _runs(text: str) -> list[Counter[tuple[str, ...]]]:
    letters = "".join(text.split())
    return [ngrams(letters, n) for n in range(1, ORDER + 1)]


def chrf_of_counts(counts: Sequence[Sequence[Counts]]) -> float:
    """The score of texts whose n-grams have been counted."""
    sums = [Counts(*map(sum, zip(*order, strict=True))) for order in zip(*counts, strict=True)]
    used = [order for order in sums if order.ours and order.theirs]
    precision = recall = 0.0
    for order in used:  # in sacrebleu's order: the last bit may decide which reference fits best
        precision += order.matched / order.ours
        recall += order.matched / order.theirs
    if not precision:
        return 0.0
    precision, recall = precision / len(used), recall / len(used)
    return 100 * ((1 + BETA**2) * precision * recall / (BETA**2 * precision + recall))
