"""The randomisation test and the bootstrap, against scipy, full enumeration and simulation."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from tiny_rag.stats import bootstrap_interval, compare, paired_randomisation_test

PROPERTY = settings(max_examples=60, derandomize=True, deadline=None)
SCORES = st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.5, 0.63, 1.0])
PAIRS = st.lists(st.tuples(SCORES, SCORES), min_size=2, max_size=8)


def normal(n, mean=0.0, seed=0):
    return np.random.default_rng(seed).normal(mean, 1.0, n).tolist()


# --- The randomisation test. ---


@PROPERTY
@given(PAIRS)
def test_few_questions_give_the_exact_p_of_scipy(pairs):
    a, b = map(list, zip(*pairs, strict=True))
    oracle = scipy_stats.permutation_test(
        (a, b),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        n_resamples=np.inf,
        vectorized=True,
    )
    assert paired_randomisation_test(a, b) == pytest.approx(oracle.pvalue, abs=1e-12)


def test_five_wins_of_five_are_two_of_thirty_two_swaps():
    assert paired_randomisation_test([1] * 5, [0.5, 0.4, 0.3, 0.2, 0.1]) == 2 / 32


def test_swaps_that_give_the_same_sum_in_another_order_of_rounding_are_ties():
    # 0.1 + 0.2 - 0.3 is not 0 in floats; every one of these swaps reaches |sum| = 0 or more.
    assert paired_randomisation_test([0.1, 0.2, 0.0], [0.0, 0.0, 0.3]) == 1


def test_ties_say_nothing():
    a, b = [0.9, 0.8, 0.7, 0.9], [0.1, 0.2, 0.1, 0.3]
    assert paired_randomisation_test(a + [0.5] * 500, b + [0.5] * 500) == 2 / 16


def test_the_same_scores_have_p_1():
    assert paired_randomisation_test([0.5, 1.0], [0.5, 1.0]) == 1
    assert paired_randomisation_test([0.5] * 90, [0.5] * 90) == 1


def test_exact_and_random_swaps_agree():
    a, b = normal(12, mean=0.9, seed=3), normal(12, seed=4)
    exact = paired_randomisation_test(a, b, rounds=4096)
    assert 0.02 < exact < 0.5
    # so many random swaps are off by 0.005 at most, 3 standard deviations
    drawn = [paired_randomisation_test(a, b, rounds=4095, seed=seed) for seed in range(20)]
    assert len(set(drawn)) > 1
    assert np.mean(drawn) == pytest.approx(exact, abs=0.005)


def test_a_certain_difference_never_has_p_0():
    a, b = [1.0] * 200, [0.0] * 200
    assert paired_randomisation_test(a, b, rounds=999) == 1 / 1000


def test_both_directions_count():
    a, b = normal(60, mean=0.3), normal(60, seed=1)
    assert paired_randomisation_test(a, b) == paired_randomisation_test(b, a)


def test_equal_methods_are_told_apart_as_often_as_p_says():
    p = [
        paired_randomisation_test(normal(30, seed=2 * s), normal(30, seed=2 * s + 1), rounds=400)
        for s in range(400)
    ]
    assert 0.02 < np.mean(np.array(p) <= 0.05) < 0.08  # 20 of 400 expected, standard deviation 4.4
    assert 0.45 < np.mean(p) < 0.55


def test_the_pairing_counts():
    # Each question is far apart from the next, and b is always a little better.
    hard = random.Random(0).sample(range(100), 40)
    a = [x / 100 for x in hard]
    b = [x / 100 + 0.01 for x in hard]
    assert paired_randomisation_test(a, b) < 0.001
    assert paired_randomisation_test(a, sorted(b)) > 0.5


def test_a_seed_is_a_result_and_memory_stays_small():
    a, b = normal(3000, mean=0.02), normal(3000, seed=1)
    first, again, other = (paired_randomisation_test(a, b, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


# --- The bootstrap. ---


def test_with_few_values_the_interval_is_that_of_all_samples():
    values = [0.0, 0.3, 0.4, 1.0, 0.7]
    means = [np.mean(sample) for sample in itertools.product(values, repeat=5)]  # 3125
    expected = np.quantile(means, [0.05, 0.95])
    found = bootstrap_interval(values, confidence=0.9, rounds=50_000)
    assert found == pytest.approx(tuple(expected), abs=0.021)  # the grid of means is 0.02 or finer


def test_the_interval_is_that_of_scipy():
    values = normal(80, mean=0.5)
    oracle = scipy_stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(9)
    ).confidence_interval
    # two sets of 20000 samples: bounds differ by 0.003 or so, the interval is 0.43 wide
    assert bootstrap_interval(values, rounds=20_000) == pytest.approx(tuple(oracle), abs=0.012)


def test_the_interval_holds_the_true_mean_as_often_as_it_says():
    found = [bootstrap_interval(normal(50, seed=seed), 0.9, rounds=500) for seed in range(300)]
    share = np.mean([low < 0 < high for low, high in found])
    assert 0.83 < share < 0.95  # 0.9 expected, standard deviation 0.017, a little less for n = 50


def test_more_confidence_is_a_wider_interval_and_more_questions_a_narrower_one():
    def width(n, confidence):
        low, high = bootstrap_interval(normal(n), confidence, rounds=2000)
        return high - low

    assert width(40, 0.5) < width(40, 0.9) < width(40, 0.99)
    assert 1.5 < width(40, 0.9) / width(160, 0.9) < 2.7


def test_equal_values_have_no_width():
    assert bootstrap_interval([0.25] * 30) == (0.25, 0.25)


# --- Together. ---


def test_compare_puts_a_against_b():
    a, b = [0.9, 0.8, 0.5, 0.1], [0.4, 0.6, 0.5, 0.2]
    found = compare(a, b)
    assert found.difference == pytest.approx(0.15)
    assert (found.wins, found.losses) == (2, 1)
    assert found.p_value == paired_randomisation_test(a, b)
    low, high = found.interval
    assert low < 0.15 < high
    assert (low, high) == bootstrap_interval([x - y for x, y in zip(a, b, strict=True)])
    assert compare(b, a).difference == pytest.approx(-0.15)


@pytest.mark.parametrize("function", [compare, paired_randomisation_test])
def test_scores_that_do_not_pair_are_refused(function):
    with pytest.raises(ValueError, match=r"a has 2 scores and b 3; .* the same questions"):
        function([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match=r"b\[1\] is nan"):
        function([1, 2], [1, float("nan")])
    with pytest.raises(ValueError, match="a must be a list of at least one score"):
        function([], [])
    with pytest.raises(ValueError, match="rounds=0"):
        function([1, 2], [1, 3], rounds=0)


def test_a_bootstrap_of_nothing_is_refused():
    with pytest.raises(ValueError, match="values must be a list of at least one"):
        bootstrap_interval([])
    with pytest.raises(ValueError, match=r"values\[0\] is inf"):
        bootstrap_interval([float("inf")])
    for confidence in (0, 1, 95):
        with pytest.raises(ValueError, match=f"confidence={confidence}"):
            bootstrap_interval([1.0], confidence)
