"""Error bars against scipy and lm-eval, and against what they promise, by simulation."""

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from tiny_eval.stats import bootstrap_estimate, mean_estimate, questions_needed, student

PROPERTY = settings(max_examples=60, derandomize=True, deadline=None)
SCORES = st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.63, 1.0]), min_size=2, max_size=30)


def held(truth, draw, estimate, rounds=1500):
    """How often the interval of a sample holds the truth. Standard deviation 0.006 at 0.95."""
    found = [estimate(draw(np.random.default_rng(seed))) for seed in range(rounds)]
    return np.mean([one.low <= truth <= one.high for one in found])


def clustered(groups, size, agreement, share):
    """A sample of 0/1 scores in clusters; each cluster has a share of its own."""

    def draw(rng):
        spread = (1 - agreement) / agreement
        shares = rng.beta(share * spread, (1 - share) * spread, groups)
        names = np.repeat(np.arange(groups), size)
        return (rng.random(groups * size) < shares[names]).astype(float), names.tolist()

    return draw


# --- The standard error. ---


@PROPERTY
@given(SCORES)
def test_the_standard_error_is_that_of_lm_eval(values):
    oracle = pytest.importorskip("lm_eval.api.metrics")
    found = mean_estimate(values)
    assert found.value == pytest.approx(oracle.mean(values), abs=1e-12)
    assert found.stderr == pytest.approx(oracle.mean_stderr(values), abs=1e-12)


@PROPERTY
@given(SCORES)
def test_the_standard_error_is_that_of_scipy(values):
    found = mean_estimate(values)
    assert found.stderr == pytest.approx(scipy_stats.sem(values), abs=1e-12)
    assert found.n == len(values)


@PROPERTY
@given(SCORES, st.randoms(use_true_random=False))
def test_with_clusters_it_is_millers_with_the_correction_for_few(values, rng):
    clusters = [rng.choice("abc") for _ in values]
    n, mean, groups = len(values), np.mean(values), len(set(clusters))
    crossed = sum(  # the formula of the paper, pair by pair
        (values[i] - mean) * (values[j] - mean)
        for i in range(n)
        for j in range(n)
        if clusters[i] == clusters[j]
    )
    found = mean_estimate(values, clusters).stderr
    if groups == 1:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(math.sqrt(groups / (groups - 1) * crossed) / n, abs=1e-9)


@PROPERTY
@given(SCORES)
def test_a_cluster_for_each_question_changes_nothing_but_the_quantile(values):
    plain, alone = mean_estimate(values), mean_estimate(values, range(len(values)))
    assert alone.stderr == pytest.approx(plain.stderr, abs=1e-12)
    assert alone.low <= plain.low + 1e-12


def test_the_same_question_four_times_is_one_question():
    once = [0.2, 0.9, 0.4, 0.7, 0.1]
    names = [name for name in "abcde" for _ in range(4)]
    copies = mean_estimate([score for score in once for _ in range(4)], names)
    assert copies.stderr == pytest.approx(mean_estimate(once).stderr)
    assert (copies.low, copies.high) == pytest.approx(mean_estimate(once)[2:4])
    right = mean_estimate([1.0] * 20, names)  # 5 right answers, not 20
    assert right.low < mean_estimate([1.0] * 5).low < mean_estimate([1.0] * 20).low


# --- The interval. ---


@pytest.mark.parametrize(("right", "n"), [(0, 1), (1, 1), (0, 10), (3, 10), (10, 10), (57, 60)])
def test_the_interval_of_right_and_wrong_is_wilsons(right, n):
    oracle = scipy_stats.binomtest(right, n).proportion_ci(method="wilson")
    found = mean_estimate([1] * right + [0] * (n - right))
    assert (found.low, found.high) == pytest.approx(tuple(oracle), abs=1e-12)


def test_other_scores_get_students_interval():
    values = [0.1, 0.5, 0.33, 1.0, 0.0, 0.8]
    oracle = scipy_stats.t.interval(0.95, 5, np.mean(values), scipy_stats.sem(values))
    found = mean_estimate(values)
    assert (found.low, found.high) == pytest.approx(oracle, rel=1e-3)


def test_students_quantile_is_that_of_scipy():
    for freedom in [*range(1, 40), 100, 10_000]:
        assert student(freedom) == pytest.approx(scipy_stats.t.ppf(0.975, freedom), rel=2e-3)
    assert math.isnan(student(0))


@pytest.mark.parametrize(("n", "share"), [(10, 0.8), (20, 0.8), (50, 0.95), (200, 0.5)])
def test_the_interval_holds_the_true_share_as_often_as_it_says(n, share):
    def draw(rng):
        return (rng.random(n) < share).astype(float)

    assert 0.93 < held(share, draw, mean_estimate) < 0.98


@pytest.mark.parametrize("n", [10, 20, 100])
def test_the_interval_holds_the_true_mean_f1_as_often_as_it_says(n):
    def draw(rng):  # 3 of 10 wrong, 2 of 10 right, the rest in between, as F1 scores are
        kind = rng.random(n)
        return np.where(kind < 0.3, 0, np.where(kind < 0.5, 1, rng.random(n)))

    assert 0.925 < held(0.45, draw, mean_estimate) < 0.97


def test_the_bootstrap_would_miss_more_often():
    def draw(rng):
        return rng.beta(0.5, 3, 10)

    def bootstrap(values):
        return bootstrap_estimate(values, np.mean, rounds=200)

    truth = 0.5 / 3.5
    assert held(truth, draw, bootstrap, 400) < held(truth, draw, mean_estimate, 400) - 0.02


@pytest.mark.parametrize(("groups", "size", "agreement"), [(10, 10, 0.6), (30, 5, 0.3)])
def test_clusters_keep_the_promise_that_is_broken_without_them(groups, size, agreement):
    draw = clustered(groups, size, agreement, 0.7)
    assert 0.93 < held(0.7, draw, lambda drawn: mean_estimate(*drawn), 1000) < 0.98
    assert held(0.7, draw, lambda drawn: mean_estimate(drawn[0]), 1000) < 0.88


def test_clusters_that_do_not_agree_are_no_surer_than_single_questions():
    # Each passage has one right and one wrong answer: the formula's standard error is 0.
    values, clusters = [0.0, 1.0] * 50, [place // 2 for place in range(100)]
    found, plain = mean_estimate(values, clusters), mean_estimate(values)
    assert found.stderr == 0
    assert found.low < plain.low < plain.high < found.high
    nearly = mean_estimate([1.0, *values[1:]], clusters)  # one passage has two right answers
    assert 0 < nearly.stderr < 0.01
    assert nearly.high - nearly.low > plain.high - plain.low


def test_a_cluster_for_each_right_or_wrong_answer_is_as_many_independent_ones():
    values = [1.0, 0.0, 0.0, 1.0, 0.0]
    found = mean_estimate(values, range(5))
    quantile = scipy_stats.t.ppf(0.975, 4)
    for bound in (found.low, found.high):  # where the test of a share is on the border
        assert abs(0.4 - bound) == pytest.approx(
            quantile * math.sqrt(bound * (1 - bound) / 5), rel=2e-3
        )


def test_one_question_has_no_standard_error():
    value, stderr, low, high, n = mean_estimate([0.4])
    assert (value, n) == (0.4, 1)
    assert all(map(math.isnan, (stderr, low, high)))
    right = mean_estimate([1])
    assert math.isnan(right.stderr)
    assert right.low == pytest.approx(0.2065, abs=1e-4)  # a right answer does say something


def test_one_passage_says_nothing_of_other_passages():
    for values in ([0, 1, 1], [1, 1, 1], [0.2, 0.3, 0.9]):
        found = mean_estimate(values, ["a"] * 3)
        assert all(map(math.isnan, found[1:4]))


# --- The bootstrap. ---


def test_the_bootstrap_draws_lm_evals_samples(monkeypatch):
    oracle = pytest.importorskip("lm_eval.api.metrics")
    monkeypatch.setenv("DISABLE_MULTIPROC", "1")
    rng = random.Random(5)
    items = [(-rng.uniform(20, 90), rng.randint(5, 30)) for _ in range(40)]
    found = bootstrap_estimate(items, oracle.weighted_perplexity, rounds=300)
    expected = oracle.bootstrap_stderr(oracle.weighted_perplexity, items, iters=300)
    assert found.stderr == pytest.approx(expected, rel=1e-12)
    assert found.value == oracle.weighted_perplexity(items)


def test_the_bootstraps_interval_is_that_of_scipy():
    values = np.random.default_rng(0).gamma(2, 1, 80)
    oracle = scipy_stats.bootstrap(
        (values,), np.median, n_resamples=4000, method="percentile", rng=np.random.default_rng(1)
    )
    found = bootstrap_estimate(values.tolist(), np.median, rounds=4000)
    # two sets of 4000 samples: the bounds differ by 0.02 or so, the interval is 0.7 wide
    assert (found.low, found.high) == pytest.approx(tuple(oracle.confidence_interval), abs=0.06)
    assert found.stderr == pytest.approx(oracle.standard_error, rel=0.06)


def test_the_bootstraps_percentiles_are_those_of_coins():
    # Half of 100 answers are right, so a sample is 100 tosses of a coin.
    coin = scipy_stats.binom(100, 0.5)
    found = bootstrap_estimate([0.0, 1.0] * 50, np.mean, rounds=2000)
    assert found.value == pytest.approx(0.5)
    assert found.n == 100
    # 0.40 and 0.60; the 5th percentile is 0.42. A bound is one toss off now and then.
    assert found.low == pytest.approx(coin.ppf(0.025) / 100, abs=0.011)
    assert found.high == pytest.approx(coin.ppf(0.975) / 100, abs=0.011)
    # of 2000 samples, off by 1.6% or so
    assert found.stderr == pytest.approx(coin.std() / 100, rel=0.08)


def test_a_seed_is_a_result():
    items = [0.1, 0.4, 0.35, 0.8, 0.9, 0.2]
    first, again, other = (bootstrap_estimate(items, np.mean, seed, 50) for seed in (1, 1, 2))
    assert first == again != other


def test_one_item_has_no_spread():
    value, *rest = bootstrap_estimate([3.0], np.mean)
    assert value == 3
    assert all(map(math.isnan, rest[:3]))


# --- How many questions. ---


def test_millers_example_needs_969_questions():
    # Its variance of the difference on one question is 1/9.
    assert questions_needed(0.03, stdev=math.sqrt(1 / 18)) == 969


def test_pairing_saves_what_the_two_models_share():
    alone = questions_needed(0.05)
    assert alone == 1570  # (1.95996 + 0.84162)^2 * 2 * 0.25 / 0.05^2 = 1569.8
    assert questions_needed(0.05, correlation=0.5) == 785
    assert questions_needed(-0.05) == alone
    assert questions_needed(0.1) == 393
    assert questions_needed(0.05, power=0.9) > alone
    assert questions_needed(0.05, significance=0.01) > alone


def test_so_many_questions_find_the_difference_as_often_as_asked():
    difference, correlation = 0.3, 0.6
    n = questions_needed(difference, 1.0, correlation)
    assert n == 70
    rng = np.random.default_rng(0)
    cov = [[1, correlation], [correlation, 1]]
    a, b = np.moveaxis(rng.multivariate_normal([0, difference], cov, (4000, n)), -1, 0)
    assert 0.77 < (scipy_stats.ttest_rel(a, b, axis=1).pvalue <= 0.05).mean() < 0.83
    m = questions_needed(difference, 1.0)
    a, b = rng.normal(0, 1, (4000, m)), rng.normal(difference, 1, (4000, m))
    assert 0.77 < (scipy_stats.ttest_ind(a, b, axis=1).pvalue <= 0.05).mean() < 0.83


# --- Refusals. ---


def test_scores_that_are_none_are_refused():
    with pytest.raises(ValueError, match="values must be a list of at least one number"):
        mean_estimate([])
    with pytest.raises(ValueError, match=r"values\[1\] is nan; leave out"):
        mean_estimate([1, math.nan])
    with pytest.raises(ValueError, match=r"values\[0\] is inf"):
        mean_estimate([math.inf])
    with pytest.raises(ValueError, match="3 values have 2 clusters"):
        mean_estimate([1, 0, 1], ["a", "b"])


def test_a_bootstrap_that_cannot_be_is_a_value_error():
    def undefined(items):
        return math.nan if len(set(items)) == 1 else 1.0

    for items, statistic, rounds in (([], np.mean, 10), ([1.0, 2.0], np.mean, 1)):
        with pytest.raises(ValueError):  # noqa: PT011  # in whatever words
            bootstrap_estimate(items, statistic, rounds=rounds)
    with pytest.raises(ValueError):  # noqa: PT011
        bootstrap_estimate([1.0, 2.0], undefined)


def test_a_bootstrap_of_nothing_is_refused():
    with pytest.raises(ValueError, match="items is empty"):
        bootstrap_estimate([], np.mean)
    with pytest.raises(ValueError, match="rounds=1"):
        bootstrap_estimate([1.0, 2.0], np.mean, rounds=1)
    with pytest.raises(ValueError, match="some sample is NaN"):
        bootstrap_estimate([1.0, 2.0], lambda items: math.nan if len(set(items)) == 1 else 1.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"difference": 0},
        {"difference": math.nan},
        {"difference": 0.1, "stdev": 0},
        {"difference": 0.1, "correlation": 1},
        {"difference": 0.1, "power": 80},
        {"difference": 0.1, "significance": 0},
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(wrong):
    name = list(wrong)[-1]
    with pytest.raises(ValueError, match=f"{name}={wrong[name]}"):
        questions_needed(**wrong)


def test_a_sample_may_overflow_and_the_rest_still_counts():
    worst = 400.0  # as a perplexity whose exponent is too large where this is drawn twice
    found = bootstrap_estimate(
        [1.0, 2.0, 3.0, worst], lambda drawn: math.inf if drawn.count(worst) > 1 else sum(drawn)
    )
    assert found.value == 406
    assert found.high == found.stderr == math.inf
    assert found.low == 6
