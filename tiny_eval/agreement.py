"""How far a judge can be trusted: agreement with people, and what it likes for the wrong reason.

Sources: Cohen 1960, "A coefficient of agreement for nominal scales", and 1968 for the weighted one;
Zheng et al. 2023 (arXiv:2306.05685), section 3.3, for the biases. Chapter 53.
"""

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from .judge import PairJudgement
from .stats import Estimate, finite, mean_estimate


class PairSummary(NamedTuple):
    """What a judge said of two models over many questions, and how it came to it."""

    wins_a: int
    wins_b: int
    ties: int
    unread: int
    """Pairs of which a verdict could not be read; they count nowhere else."""
    consistency: Estimate | None
    """The share of pairs with the same verdict in both orders."""
    first_place: Estimate | None
    """How often the first place won, of all verdicts for a side; 0.5 without a bias. None if the
    judge named no side."""
    longer: Estimate | None
    """How often the longer reply won. It may well be the better one: only pairs of replies as good
    as each other tell."""


def cohen_kappa(a: Sequence[Hashable], b: Sequence[Hashable]) -> float:
    """Agreement of two judges beyond chance: 1 is perfect, 0 what their habits alone would give.

    a, b: (n,) the two verdicts on each item, labels of any kind
    (observed - chance) / (1 - chance): observed is the share of items with equal verdicts, chance
    the sum over labels of (share of it in a) * (share of it in b) · at most 1, below 0 if they
    agree less than by chance · nan if both say the same of all: nothing was chosen
    ValueError: different lengths or no items
    """
    _check(a, b)
    differing = sum(x != y for x, y in zip(a, b, strict=True)) / len(a)
    counts = Counter(b)
    by_chance = 1 - sum(n * counts[label] for label, n in Counter(a).items()) / len(a) ** 2
    return 1 - differing / by_chance if by_chance else math.nan


def quadratic_kappa(a: Sequence[float], b: Sequence[float]) -> float:
    """Cohen's kappa for marks: being off by 2 points is 4 times as bad as by 1.

    By the marks' values, so that marks nobody gave change nothing. Errors as `cohen_kappa`, and
    for NaN or infinity.
    """
    _check(a, b)
    first, second = finite("a", a), finite("b", b)
    observed = float(((first - second) ** 2).mean())
    by_chance = float(first.var() + second.var() + (first.mean() - second.mean()) ** 2)
    return 1 - observed / by_chance if by_chance else math.nan


def summarize_pairs(
    judgements: Sequence[PairJudgement], replies_a: Sequence[str], replies_b: Sequence[str]
) -> PairSummary:
    """Wins, ties and biases. judgements[i] is of replies_a[i] and replies_b[i]; length: characters.

    ValueError: different lengths
    """
    _check(judgements, replies_a)
    _check(judgements, replies_b)
    winners = Counter(judgement.winner for judgement in judgements)
    read = [place for place, one in enumerate(judgements) if one.winner is not None]
    first, longer = list[tuple[bool, int]](), list[tuple[bool, int]]()
    for place in read:
        more = len(replies_a[place]) - len(replies_b[place])
        for verdict, shown_first in zip(judgements[place].verdicts, "ab", strict=True):
            if verdict != "tie":
                first.append((verdict == shown_first, place))
                longer += [(verdict == ("a" if more > 0 else "b"), place)] if more else []
    consistent = [(judgements[place].consistent, place) for place in read]
    shares = [_share(found) for found in (consistent, first, longer)]
    return PairSummary(winners["a"], winners["b"], winners["tie"], winners[None], *shares)


def _share(found: Sequence[tuple[bool, int]]) -> Estimate | None:
    """The two verdicts on a pair are no independent ones: a cluster."""
    if not found:
        return None
    values, pairs = zip(*found, strict=True)
    return mean_estimate([float(value) for value in values], pairs)


def _check(a: Sequence[object], b: Sequence[object]) -> None:
    if len(a) != len(b) or not a:
        raise ValueError(f"{len(a)} and {len(b)} items; give the same number of both, at least one")
