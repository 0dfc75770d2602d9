"""Runs of n tokens, counted: what ROUGE-N, BLEU and chrF have in common."""

from collections import Counter
from collections.abc import Sequence


def ngrams(tokens: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    """How often each run of n tokens stands in a text; none if it is shorter than n."""
    return Counter(zip(*(tokens[start:] for start in range(n)), strict=False))


def overlap(a: Counter, b: Counter) -> int:
    """How many both have, each counted as often as in the one that has fewer of it."""
    # as (a & b).total(), in half the time: most runs are in one of them only
    return sum(min(a[run], b[run]) for run in a.keys() & b.keys())
