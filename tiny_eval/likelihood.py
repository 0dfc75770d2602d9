"""Scores from the probabilities that a model gives, not from what it writes.

Perplexity, multiple choice by log-likelihood, and calibration. The numbers are
lm-evaluation-harness's (word_perplexity, byte_perplexity, acc, acc_norm, acc_bytes, brier_score);
Guo et al. 2017, "On calibration of modern neural networks", eq. 3, for the calibration error.
Chapters 51 and 52. The model that gives the log-likelihoods is in `models`.
"""

import math
import re
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np

from .stats import finite

Normalise = Literal["none", "characters", "bytes", "tokens"]


def perplexity(loglikelihood: float, count: int) -> float:
    """exp(-log-likelihood / count), at least 1: among how many equal choices the model guessed.

    loglikelihood: natural logarithm, of a whole text · count: of its tokens, words or bytes; only
    perplexities by the same unit compare, and by tokens only those of one tokenizer. Its log2 is
    bits per unit. inf where it is more than a float holds
    ValueError: a log-likelihood that is above 0 or not finite, count < 1
    """
    return corpus_perplexity([(loglikelihood, count)])


def corpus_perplexity(documents: Sequence[tuple[float, int]]) -> float:
    """The perplexity of (log-likelihood, count) pairs as of one long text: long ones weigh more.

    It is no mean of the documents' perplexities; for its error bar, see `bootstrap_estimate`.
    """
    loglikelihoods = finite("loglikelihoods", [found for found, _ in documents])
    for place, (loglikelihood, count) in enumerate(documents):
        if loglikelihood > 0:
            raise ValueError(
                f"the log-likelihood of document {place} is {loglikelihood}; it is at most 0"
            )
        if count < 1:
            raise ValueError(f"document {place} has count={count}; leave out empty ones")
    mean = float(loglikelihoods.sum()) / sum(count for _, count in documents)
    try:
        return math.exp(-mean)
    except OverflowError:
        return math.inf


def count_words(text: str) -> int:
    """What lm-eval divides by: pieces between white space, an empty one at either end included.

    A Chinese text is one word or few; use `count_bytes` for it.
    """
    return len(re.split(r"\s+", text))


def count_bytes(text: str) -> int:
    """Bytes of UTF-8: 1 for a Latin letter, 3 for nearly all Chinese characters."""
    return len(text.encode("utf-8"))


def choose(
    loglikelihoods: Sequence[float],
    normalise: Normalise = "none",
    choices: Sequence[str] = (),
    token_counts: Sequence[int] = (),
) -> int:
    """Which choice the model takes: the likeliest, the first of equals.

    loglikelihoods: (n,) of each choice's text after the question · normalise: "none" is lm-eval's
    acc, and favours short choices; "characters" its acc_norm and "bytes" its acc_bytes, which
    divide by the length of choices[i], without the space before it; "tokens" divides by
    token_counts[i]
    ValueError: no choices, different lengths, a choice of length 0, NaN or infinity
    """
    scores = finite("loglikelihoods", loglikelihoods)
    if normalise == "none":
        lengths = [1] * len(scores)
    elif normalise == "tokens":
        lengths = list(token_counts)
    elif normalise in ("characters", "bytes"):
        lengths = [len(one) if normalise == "characters" else count_bytes(one) for one in choices]
    else:
        raise ValueError(f"normalise={normalise!r} must be one of {get_args(Normalise)}")
    if len(lengths) != len(scores) or min(lengths) < 1:
        raise ValueError(
            f"{len(scores)} log-likelihoods by {normalise}: choices of length {lengths}; "
            "give each one, of length 1 at least"
        )
    return int((scores / lengths).argmax())


def choice_probabilities(loglikelihoods: Sequence[float]) -> list[float]:
    """How sure the model is of each choice, were there no other text: (n,), they sum to 1."""
    scores = finite("loglikelihoods", loglikelihoods)
    weights = np.exp(scores - scores.max())  # the largest is 1: none overflows
    return [float(weight) for weight in weights / weights.sum()]


def brier_score(probabilities: Sequence[float], gold: int) -> float:
    """Squared distance of the choices' probabilities from 1 for gold and 0 elsewhere: [0, 2].

    Less is better; the mean over questions is lm-eval's. ValueError if gold is no choice
    """
    given = finite("probabilities", probabilities)
    if not 0 <= gold < len(given):
        raise ValueError(f"gold={gold} must be in [0, {len(given)})")
    return float(((given - np.eye(len(given))[gold]) ** 2).sum())


class Bin(NamedTuple):
    """Answers of about the same confidence: a point of the reliability diagram."""

    confidence: float
    """Their mean confidence."""
    accuracy: float
    """The share of them that is right; of a calibrated model, the same."""
    n: int


def calibration_bins(
    confidences: Sequence[float], correct: Sequence[bool], bins: int = 10
) -> list[Bin]:
    """The bins (i / bins, (i + 1) / bins] that hold an answer, in order; 0 is in the first.

    ValueError: no answers, different lengths, a confidence outside [0, 1], bins < 1
    """
    sure, right = finite("confidences", confidences), finite("correct", correct)
    if len(sure) != len(right):
        raise ValueError(f"{len(sure)} confidences and {len(right)} correct; give one of each")
    outside = np.flatnonzero((sure < 0) | (sure > 1))
    if len(outside):
        raise ValueError(f"confidences[{outside[0]}]={sure[outside[0]]} must be in [0, 1]")
    if not np.isin(right, (0, 1)).all():
        raise ValueError("correct must be 0 or 1 for each answer; partial credit has no bin")
    if bins < 1:
        raise ValueError(f"bins={bins} must be at least 1; 10 is usual")
    places = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], sure)
    held = [places == place for place in range(bins)]
    return [
        Bin(float(sure[some].mean()), float(right[some].mean()), int(some.sum()))
        for some in held
        if some.any()
    ]


def expected_calibration_error(
    confidences: Sequence[float], correct: Sequence[bool], bins: int = 10
) -> float:
    """How far confidence and accuracy are apart, the mean over answers of their bins': [0, 1].

    confidences, correct: (n,) how sure each answer was, in [0, 1], and whether it was right ·
    bins: of equal width, (i / bins, (i + 1) / bins]; 0 is in the first
    sum over bins of n_i / n * |accuracy_i - mean confidence_i|. It depends on `bins`, and is above
    0 by chance alone for few answers. Errors as `calibration_bins`.
    """
    found = calibration_bins(confidences, correct, bins)
    return sum(one.n * abs(one.accuracy - one.confidence) for one in found) / len(confidences)
