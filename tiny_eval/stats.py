"""How sure a score is: standard errors, intervals, and how many questions are enough.

The questions are a sample of all that could be asked. Sources: Miller 2024, "Adding error bars to
evals" (arXiv:2411.00640), for clusters and for `questions_needed` (eq. 9); Wilson 1927, "Probable
inference", for shares of right answers; Student 1908 for other means; Efron 1979 for the bootstrap;
Abramowitz and Stegun 26.7.5 for Student's quantile. Chapter 52.

Leaves out: the sampling of a model's replies. With several replies a question, average them first.
"""

import math
import random
from collections.abc import Callable, Hashable, Sequence
from statistics import NormalDist
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Item = TypeVar("Item")
Array = NDArray[np.float64]

Z95 = NormalDist().inv_cdf(0.975)  # 1.96


class Estimate(NamedTuple):
    """A score with its error bar."""

    value: float
    stderr: float
    """Standard error; nan if one question (or one cluster) is all there is."""
    low: float
    """The 95% interval; nan where nothing can be said about it."""
    high: float
    n: int
    """Questions."""


def mean_estimate(values: Sequence[float], clusters: Sequence[Hashable] | None = None) -> Estimate:
    """The mean score of a model, as a guess at its mean over all such questions.

    values: (n,) scores, one a question, on a scale that ends at 1 · clusters: (n,) what the
    questions share, such as a passage: within a cluster, scores rise and fall together
    stderr is sample standard deviation / sqrt(n), as lm-eval's; with clusters it is Miller's, the
    root of the sum of (the deviations from the mean, added up in each cluster) squared, / n, times
    sqrt(G / (G - 1)) for G clusters, without which few clusters look too sure; nan if G is 1. The
    interval is Wilson's where all values are 0 or 1: mean +- 1.96 stderr has no width where all are
    right. With clusters it is Wilson's with `student`(G - 1) for 1.96 and for as many independent
    answers as have this stderr: n * (sqrt(p (1 - p) / (n - 1)) / stderr)^2, at most n, and G where
    p is 0 or 1. Else it is Student's, mean +- `student`(n - 1 or G - 1) stderr, cut at 0 and 1 if
    all values lie there; it holds what it says from about 20 questions on. The bootstrap's is
    narrower and misses more often. Equal values other than 0 and 1 get no width: what was not seen
    is not known.
    ValueError: no values, NaN or infinity, not a cluster for each value
    """
    scores = finite("values", values)
    n, mean = len(scores), float(scores.mean())
    stderr, groups = clustered_stderr(scores, clusters)
    binary = np.isin(scores, (0, 1)).all()
    if binary and clusters is None:
        return Estimate(mean, stderr, *_wilson(mean, n, Z95), n)
    if binary and groups > 1:
        independent = _independent_answers(mean, n, stderr, groups)
        return Estimate(mean, stderr, *_wilson(mean, independent, student(groups - 1)), n)
    margin = student(groups - 1) * stderr
    low, high = mean - margin, mean + margin
    if scores.min() >= 0 and scores.max() <= 1:  # then so is the mean
        low, high = max(low, 0.0), min(high, 1.0)
    return Estimate(mean, stderr, low, high, n)


def bootstrap_estimate(
    items: Sequence[Item],
    statistic: Callable[[Sequence[Item]], float],
    seed: int = 0,
    rounds: int = 1000,
) -> Estimate:
    """A score that is no mean of the questions' scores, such as BLEU or a corpus's perplexity.

    items: (n,) what the statistic adds up; counts are quicker than texts, as it is called `rounds`
    times · returns the statistic of the items themselves, its standard deviation (ddof 1) over
    samples of n items drawn with replacement, and their 2.5% and 97.5% percentiles; all three are
    nan for one item · seed: of a `random.Random`; with its `choices` and 1000 rounds or fewer, the
    samples of seed 0 are lm-eval's
    The interval is too narrow for n below about 20. A sample may be infinite, as a perplexity is.
    ValueError: no items, rounds < 2, the statistic is infinite, or NaN for some sample
    """
    if not len(items):
        raise ValueError("items is empty; a score needs at least one question")
    if rounds < 2:
        raise ValueError(f"rounds={rounds} must be at least 2; 1000 is usual")
    value = float(finite("statistic", [statistic(items)])[0])
    if len(items) == 1:
        return Estimate(value, math.nan, math.nan, math.nan, 1)
    rng = random.Random(seed)
    drawn = (statistic(rng.choices(items, k=len(items))) for _ in range(rounds))
    found = np.sort(np.asarray(list(drawn), np.float64))
    if np.isnan(found).any():
        raise ValueError("the statistic of some sample is NaN; it must be a number for any sample")
    if np.isinf(found).any():  # a perplexity may overflow, in the samples with one hard document
        low, high = found[round(0.025 * (rounds - 1))], found[round(0.975 * (rounds - 1))]
        return Estimate(value, math.inf, float(low), float(high), len(items))
    low, high = np.quantile(found, [0.025, 0.975])
    return Estimate(value, float(found.std(ddof=1)), float(low), float(high), len(items))


def questions_needed(
    difference: float,
    stdev: float = 0.5,
    correlation: float = 0.0,
    power: float = 0.8,
    significance: float = 0.05,
) -> int:
    """How many questions show that two models differ, if they do by `difference`.

    difference: of the mean scores, such as 0.03 · stdev: of one model's scores over the questions;
    0.5 is the most that 0/1 scores can have · correlation: of the two models' scores over the
    same questions, 0.3 to 0.7 in Miller 2024; 0 for models that answer different questions, so
    many each · power: how often a test at `significance` is to find the difference
    ValueError: a number out of its range
    """
    for name, share in (("power", power), ("significance", significance)):
        if not 0 < share < 1:
            raise ValueError(f"{name}={share} must be between 0 and 1")
    if not (math.isfinite(difference) and difference):
        raise ValueError(f"difference={difference} must be finite and not 0: nothing shows a 0")
    if not (math.isfinite(stdev) and stdev > 0 and -1 <= correlation < 1):
        raise ValueError(f"stdev={stdev} must be above 0, correlation={correlation} in [-1, 1)")
    quantiles = NormalDist().inv_cdf(1 - significance / 2) + NormalDist().inv_cdf(power)
    variance = 2 * stdev**2 * (1 - correlation)  # of the difference on one question
    return math.ceil(quantiles**2 * variance / difference**2)


def clustered_stderr(scores: Array, clusters: Sequence[Hashable] | None) -> tuple[float, int]:
    """Standard error of the mean, and how many clusters there are: each question is one if None."""
    sums = cluster_sums(scores - scores.mean(), clusters)
    groups = len(sums)
    if groups == 1:
        return math.nan, 1
    return math.sqrt(groups / (groups - 1) * float(sums @ sums)) / len(scores), groups


def cluster_sums(scores: Array, clusters: Sequence[Hashable] | None) -> Array:
    """The sum of each cluster's scores: (n,) -> (G,); the scores themselves if clusters is None."""
    if clusters is None:
        return scores
    if len(clusters) != len(scores):
        raise ValueError(f"{len(scores)} values have {len(clusters)} clusters; give each value one")
    numbers: dict[Hashable, int] = {}
    places = [numbers.setdefault(cluster, len(numbers)) for cluster in clusters]
    return np.bincount(places, weights=scores).astype(np.float64)


def student(freedom: int) -> float:
    """The 97.5% quantile of Student's t: 12.7 for one degree of freedom, towards 1.96 for many.

    Off by less than 0.2%; nan for 0 degrees.
    """
    if freedom < 1:
        return math.nan
    if freedom <= 2:
        return math.tan(0.475 * math.pi) if freedom == 1 else 0.95 * math.sqrt(2 / (1 - 0.95**2))
    z = Z95
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, start=1))


def finite(name: str, values: Sequence[float]) -> Array:
    """The values as an array. ValueError if there is none, or one is NaN or infinite."""
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or not len(array):
        raise ValueError(
            f"{name} must be a list of at least one number; its shape is {array.shape}"
        )
    bad = np.flatnonzero(~np.isfinite(array))
    if len(bad):
        raise ValueError(f"{name}[{bad[0]}] is {array[bad[0]]}; leave out what has no score")
    return array


def _wilson(share: float, n: float, quantile: float) -> tuple[float, float]:
    """All true shares that a test with this quantile would not rule out."""
    shrink = 1 + quantile**2 / n
    middle = (share + quantile**2 / (2 * n)) / shrink
    margin = quantile * math.sqrt(share * (1 - share) / n + (quantile / (2 * n)) ** 2) / shrink
    return max(0.0, middle - margin), min(1.0, middle + margin)


def _independent_answers(share: float, n: int, stderr: float, groups: int) -> float:
    """How many independent 0/1 answers would be as sure as these n in clusters; never above n.

    Where all are right or all wrong, nothing shows how far a cluster agrees: then wholly.
    """
    if share in (0, 1):
        return groups
    simple = math.sqrt(share * (1 - share) / (n - 1))
    return n * min(1.0, (simple / stderr) ** 2) if stderr else n
