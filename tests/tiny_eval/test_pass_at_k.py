"""pass@k and pass^k against every set of k tries, and against what unbiased means."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from tiny_eval.pass_at_k import pass_all_k, pass_at_k

CASES = [(n, c, k) for n in range(1, 8) for c in range(n + 1) for k in range(1, n + 1)]


def expected(estimate, p, n):
    """Its mean over all outcomes of n tries that each succeed with probability p."""
    return sum(math.comb(n, c) * p**c * (1 - p) ** (n - c) * estimate(c) for c in range(n + 1))


@pytest.mark.parametrize(("n", "c", "k"), CASES)
def test_they_are_the_share_of_all_sets_of_k_tries(n, c, k):
    sets = list(itertools.combinations([True] * c + [False] * (n - c), k))
    # to the last bit is a matter for many tries, below
    assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, sets)) / len(sets), abs=1e-12)
    assert pass_all_k(n, c, k) == pytest.approx(sum(map(all, sets)) / len(sets), abs=1e-12)


def test_pass_at_k_is_the_product_that_the_paper_computes():
    for n, c, k in [(200, 3, 100), (200, 150, 10), (1000, 1, 1), (100, 37, 50)]:
        paper = 1.0 - np.prod(1.0 - k / np.arange(n - c + 1, n + 1))
        assert pass_at_k(n, c, k) == pytest.approx(paper, rel=1e-12)


@pytest.mark.parametrize(("n", "c", "k"), [(100_000, 3, 7), (20_000, 9_000, 10_000), (60, 1, 2)])
def test_many_tries_lose_no_digit(n, c, k):
    exact = 1 - Fraction(math.comb(n - c, k), math.comb(n, k))
    assert pass_at_k(n, c, k) == float(exact)
    assert pass_all_k(n, c, k) == float(Fraction(math.comb(c, k), math.comb(n, k)))


@pytest.mark.parametrize("p", [0.05, 0.3, 0.8])
def test_both_are_right_on_average_and_the_plain_guess_is_too_low(p):
    n, k = 8, 5
    assert expected(lambda c: pass_at_k(n, c, k), p, n) == pytest.approx(1 - (1 - p) ** k)
    assert expected(lambda c: pass_all_k(n, c, k), p, n) == pytest.approx(p**k)
    plain = expected(lambda c: 1 - (1 - c / n) ** k, p, n)
    assert plain < 1 - (1 - p) ** k - 1e-4


def test_one_try_is_the_share_of_successes():
    assert pass_at_k(10, 3, 1) == pytest.approx(0.3)
    assert pass_all_k(10, 3, 1) == pytest.approx(0.3)


@pytest.mark.parametrize(("n", "c", "k"), [(5, 2, 6), (5, 2, 0), (5, 6, 1), (5, -1, 1), (0, 0, 1)])
def test_impossible_counts_are_value_errors(n, c, k):
    with pytest.raises(ValueError):  # noqa: PT011  # in whatever words
        pass_at_k(n, c, k)


@pytest.mark.parametrize("function", [pass_at_k, pass_all_k])
def test_what_was_not_sampled_is_refused(function):
    with pytest.raises(ValueError, match=r"k=6 must be in \[1, n=5\]; sample at least"):
        function(5, 2, 6)
    with pytest.raises(ValueError, match="k=0"):
        function(5, 2, 0)
    for c in (-1, 6):
        with pytest.raises(ValueError, match=f"c={c} successes of n=5"):
            function(5, c, 1)
    with pytest.raises(ValueError, match="k=1"):
        function(0, 0, 1)
