"""Whether one model is better than another on the same questions, or was only lucky.

Sources: McNemar 1947 in its exact form for 0/1 scores; Fisher 1935, "The design of experiments",
section 21, for the sign flips of other scores; Phipson and Smyth 2010 for the +1; Bonett and Price
2012, "Adjusted Wald confidence interval for a difference of binomial proportions based on paired
data"; Holm 1979 for many comparisons. Chapter 52.

Leaves out: tests of corpus scores (BLEU, perplexity). Bootstrap the difference:
`stats.bootstrap_estimate` over pairs of counts.
"""

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from .stats import Z95, Array, cluster_sums, clustered_stderr, finite, student

SIGNIFICANT = 0.05
_DRAWS = 10_000


class Comparison(NamedTuple):
    """Model b against model a, question by question; more is better."""

    difference: float
    """mean(b) - mean(a)."""
    low: float
    """Its 95% interval; nan for one question or one cluster."""
    high: float
    p_value: float
    """How often chance alone would set two equal models so far apart, either way; in (0, 1]."""
    test: str
    n: int
    wins: int
    """Questions on which b is better."""
    losses: int
    ties: int


def compare(
    a: Sequence[float],
    b: Sequence[float],
    seed: int = 0,
    clusters: Sequence[Hashable] | None = None,
) -> Comparison:
    """All about the difference of two models. a[i] and b[i] are scores of the same question.

    seed: of the sign flips, where there are too many to try all · clusters: as in
    `stats.mean_estimate`; a cluster's differences are flipped together, whatever the scores
    The interval and the p-value come from two methods, which may disagree at the border.
    ValueError: no scores, different lengths, NaN or infinity
    """
    first, second = finite("a", a), finite("b", b)
    if len(first) != len(second):
        raise ValueError(
            f"a has {len(first)} scores and b {len(second)}; give both the same questions"
        )
    differences = second - first
    wins, losses = int((differences > 0).sum()), int((differences < 0).sum())
    if clusters is None and np.isin([first, second], (0, 1)).all():
        test, p_value = "McNemar's exact test", mcnemar(wins, losses)
        margins = _bonett_price(wins, losses, len(first))
    else:
        test = "sign-flip test" if clusters is None else "sign-flip test over clusters"
        p_value = sign_flip(cluster_sums(differences, clusters), seed)
        margins = _student(differences, clusters)
        if min(first.min(), second.min()) >= 0 and max(first.max(), second.max()) <= 1:
            margins = _bounded(*margins, len(cluster_sums(differences, clusters)))
    ties = len(first) - wins - losses
    mean = float(differences.mean())
    return Comparison(mean, *margins, p_value, test, len(first), wins, losses, ties)


def mcnemar(wins: int, losses: int) -> float:
    """The chance that a fair coin, tossed once a question that only one model got right, is as
    lopsided as wins to losses, either way. Questions on which both agree say nothing. In (0, 1].

    "As lopsided" takes in more lopsided: 3 wins and no loss are 2 of 8 ways, p = 0.25. Without any
    question to tell them apart, 1. Right for tens of thousands of questions.
    """
    tosses, few = wins + losses, min(wins, losses)
    tail, ways = 0, 1
    for heads in range(few + 1):
        tail += ways
        ways = ways * (tosses - heads) // (heads + 1)
    return min(1.0, 2 * tail / 2**tosses)  # whole numbers of any size: no rounding before here


def sign_flip(differences: Array, seed: int = 0) -> float:
    """How often flipped signs give a sum at least as far from 0: each sign is as likely as the
    other if the models are equal.

    differences: (n,) · exact if there are at most 10,000 ways, else 10,000 are drawn, and the one
    that happened counts as one more: p is never 0
    """
    moved = differences[differences != 0]  # a tie is the same either way
    # Sums in another order differ in the last bits, which must not break a tie.
    seen = abs(float(moved.sum())) - 1e-9 * float(np.abs(moved).sum())
    if 2 ** len(moved) <= _DRAWS:
        sums = np.zeros(1)
        for size in moved:
            sums = np.concatenate([sums - size, sums + size])
        return float((np.abs(sums) >= seen).mean())
    rng = np.random.default_rng(seed)
    reached = 1
    for _ in range(_DRAWS):
        flips = rng.integers(0, 2, len(moved), np.int8)
        reached += abs(float(moved.sum() - 2 * (flips @ moved))) >= seen
    return reached / (_DRAWS + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values of several comparisons, raised so that even one false finding is as rare as said.

    The smallest of m is multiplied by m, the next by m - 1 ..., none is below the one before it,
    none above 1. In the order given.
    ValueError if one is not in [0, 1]
    """
    for place, p_value in enumerate(p_values):
        if not 0 <= p_value <= 1:
            raise ValueError(f"p_values[{place}]={p_value} must be in [0, 1]")
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def verdict(
    comparison: Comparison, name_a: str, name_b: str, adjusted_p: float | None = None
) -> str:
    """One sentence that claims no more than the comparison shows.

    adjusted_p: by `holm`, if this is one comparison of several; it decides in place of p_value
    One model beats the other only if p <= 0.05 and 0 lies outside the interval.
    """
    found = comparison
    p_value = found.p_value if adjusted_p is None else adjusted_p
    basis = f"{found.test}, {_p(found.p_value)}"
    if adjusted_p is not None:
        basis += f", {_p(adjusted_p)} after Holm's correction"
    questions = f"{found.n} question" + "s" * (found.n != 1)
    if p_value <= SIGNIFICANT and (found.low > 0 or found.high < 0):
        better, worse = (name_b, name_a) if found.difference > 0 else (name_a, name_b)
        low, high = sorted((abs(found.low), abs(found.high)))
        size = f"{abs(found.difference):.3f}, 95% interval {low:.3f} to {high:.3f}"
        return f"{better} beats {worse} by {size}, on {questions} ({basis})."
    size = f"{found.difference:+.3f}"
    if not math.isnan(found.low):
        size += f", 95% interval {found.low:+.3f} to {found.high:+.3f}"
    return (
        f"The data cannot tell {name_a} and {name_b} apart: {name_b} - {name_a} = {size}, on "
        f"{questions} ({basis}). That does not show that they are equal."
    )


def _student(differences: Array, clusters: Sequence[Hashable] | None) -> tuple[float, float]:
    stderr, groups = clustered_stderr(differences, clusters)
    mean, margin = float(differences.mean()), student(groups - 1) * stderr
    return mean - margin, mean + margin


def _bounded(low: float, high: float, groups: int) -> tuple[float, float]:
    """The interval for scores in [0, 1], no difference of which is wider than that.

    Where all groups differ alike it has no width, though what was not seen is not known: then as
    if each group were a question, won or lost.
    """
    if low == high:
        size, signs = abs(low) or 1.0, (groups * (low > 0), groups * (low < 0))
        low, high = (size * end for end in _bonett_price(*signs, groups))
    return max(low, -1.0), min(high, 1.0)


def _bonett_price(wins: int, losses: int, n: int) -> tuple[float, float]:
    """As if there were one more win and one more loss: without them, none seen is no width."""
    won, lost = (wins + 1) / (n + 2), (losses + 1) / (n + 2)
    middle = won - lost
    margin = Z95 * math.sqrt((won + lost - middle**2) / (n + 2))
    return max(-1.0, middle - margin), min(1.0, middle + margin)


def _p(p_value: float) -> str:
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"
