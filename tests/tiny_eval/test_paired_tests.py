"""Paired tests against scipy, full enumeration and simulation."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from tiny_eval.paired_tests import compare, holm, mcnemar, sign_flip, verdict

PROPERTY = settings(max_examples=60, derandomize=True, deadline=None)
SCORES = st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.5, 0.63, 1.0])
PAIRS = st.lists(st.tuples(SCORES, SCORES), min_size=2, max_size=8)


def answers(wins, losses, ties):
    """0/1 scores of two models with so many questions that only b, only a, or both got right."""
    return [0] * wins + [1] * losses + [1] * ties, [1] * wins + [0] * losses + [1] * ties


# --- 0/1 scores. ---


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (1, 0), (5, 0), (3, 4), (9, 2), (40, 60)])
def test_mcnemar_is_scipys_binomial_test(wins, losses):
    if wins + losses == 0:
        assert mcnemar(0, 0) == 1
        return
    assert mcnemar(wins, losses) == pytest.approx(
        scipy_stats.binomtest(wins, wins + losses).pvalue, rel=1e-12
    )


@pytest.mark.parametrize(
    ("wins", "losses", "p_value"),
    [
        (1, 0, 1),  # either way: one question shows nothing
        (3, 0, 2 / 8),
        (0, 3, 2 / 8),
        (5, 1, 2 * (1 + 6) / 64),
        (2, 2, 1),  # not 22 / 16
        (9, 2, 2 * (1 + 11 + 55) / 2048),
    ],
)
def test_mcnemar_by_hand(wins, losses, p_value):
    assert mcnemar(wins, losses) == pytest.approx(p_value, rel=1e-12)


def test_mcnemar_of_many_questions_neither_overflows_nor_crawls():
    assert mcnemar(5000, 5200) == pytest.approx(
        scipy_stats.binomtest(5000, 10_200).pvalue, rel=1e-9
    )


def test_right_and_wrong_answers_get_mcnemars_test():
    found = compare(*answers(wins=9, losses=2, ties=50))
    assert found.test == "McNemar's exact test"
    assert (found.n, found.wins, found.losses, found.ties) == (61, 9, 2, 50)
    assert found.difference == pytest.approx(7 / 61)
    assert found.p_value == mcnemar(9, 2)
    assert compare([True, False], [False, False]).test == found.test


@PROPERTY
@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=10))
def test_mcnemar_is_the_sign_flip_test_of_0_and_1(differences):
    moved = np.array(differences)
    wins, losses = int((moved > 0).sum()), int((moved < 0).sum())
    assert mcnemar(wins, losses) == pytest.approx(sign_flip(moved), abs=1e-12)


def test_no_difference_seen_is_no_proof_of_none():
    found = compare(*answers(wins=0, losses=0, ties=20))
    assert found.p_value == 1
    assert found.low < -0.05 < 0.05 < found.high


def test_the_interval_of_0_and_1_is_bonett_and_prices():
    # 24 wins and 8 losses of 100, worked by hand: 25/102 and 9/102
    found = compare(*answers(wins=24, losses=8, ties=68))
    middle, both = 16 / 102, 34 / 102
    margin = 1.959964 * math.sqrt((both - middle**2) / 102)
    assert (found.low, found.high) == pytest.approx((middle - margin, middle + margin), abs=1e-6)
    assert compare([1, 1, 1], [0, 0, 0]).low == -1  # never beyond what is possible
    assert compare([0, 0, 0], [1, 1, 1]).high == 1


@pytest.mark.parametrize(
    ("n", "win", "loss"), [(30, 0.2, 0.05), (100, 0.1, 0.1), (100, 0.05, 0.02)]
)
def test_the_interval_of_0_and_1_holds_the_truth_as_often_as_it_says(n, win, loss):
    drawn = np.random.default_rng(1).multinomial(n, [win, loss, 1 - win - loss], 600).tolist()
    found = [compare(*answers(*counts)) for counts in drawn]
    share = np.mean([one.low <= win - loss <= one.high for one in found])
    assert 0.935 < share < 0.995  # 0.95 promised, a little more held; standard deviation 0.009


def test_a_significant_mcnemar_has_an_interval_without_0():
    for wins, losses, ties in itertools.product(range(16), range(6), (0, 1, 20)):
        if wins + losses + ties:
            found = compare(*answers(wins, losses, ties))
            assert found.low <= found.difference <= found.high
            assert found.p_value > 0.05 or not found.low <= 0 <= found.high


# --- Other scores. ---


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
    assert compare(a, b).p_value == pytest.approx(oracle.pvalue, abs=1e-12)


def test_flips_that_give_the_same_sum_but_for_rounding_are_ties():
    # 0.1 + 0.2 - 0.3 is not 0 in floats; every flip reaches |sum| = 0 or more.
    assert compare([0.1, 0.2, 0.0], [0.0, 0.0, 0.3]).p_value == 1


def test_ties_say_nothing():
    a, b = [0.9, 0.8, 0.7, 0.9], [0.1, 0.2, 0.1, 0.3]
    assert compare(a + [0.5] * 500, b + [0.5] * 500).p_value == 2 / 16


def test_thirteen_moves_are_tried_all_and_fourteen_drawn():
    sizes = np.random.default_rng(2).normal(0.35, 1, 14)
    assert len({sign_flip(sizes[:13], seed) for seed in range(5)}) == 1
    assert len({sign_flip(sizes, seed) for seed in range(5)}) > 1


def test_exact_and_drawn_flips_agree():
    sizes = np.random.default_rng(2).normal(0.35, 1, 14)
    signs = np.array(list(itertools.product([-1, 1], repeat=14)))
    exact = (np.abs(signs @ sizes) >= abs(sizes.sum()) - 1e-9).mean()
    assert 0.02 < exact < 0.6
    # 10,000 draws have a standard deviation of 0.005 at most
    assert sign_flip(sizes) == pytest.approx(exact, abs=0.015)


def test_a_certain_difference_never_has_p_0():
    assert compare([0.9] * 60, [0.1] * 60).p_value == 1 / 10_001


def test_equal_models_are_told_apart_as_rarely_as_p_says():
    rng = np.random.default_rng(0)
    # 12 of them: exact, thus quick
    p = [compare(*rng.normal(0, 1, (2, 12)).tolist()).p_value for _ in range(800)]
    assert 0.03 < np.mean(np.array(p) <= 0.05) < 0.07  # standard deviation 0.008
    assert 0.46 < np.mean(p) < 0.54


def test_the_sign_is_that_of_b_minus_a():
    found = compare([0.5, 0.2, 0.4, 0.4], [0.9, 0.4, 0.3, 0.4])
    assert found.difference == pytest.approx(0.125)
    assert (found.wins, found.losses, found.ties) == (2, 1, 1)
    back = compare([0.9, 0.4, 0.3, 0.4], [0.5, 0.2, 0.4, 0.4])
    assert (back.low, back.high) == pytest.approx((-found.high, -found.low))
    assert back.p_value == found.p_value


def test_the_interval_is_students_of_the_differences():
    a, b = np.random.default_rng(3).random((2, 40))
    oracle = scipy_stats.ttest_rel(b, a).confidence_interval()
    found = compare(a.tolist(), b.tolist())
    assert (found.low, found.high) == pytest.approx(tuple(oracle), rel=1e-4)


def test_shares_are_never_more_than_1_apart():
    wide = compare([0.0, 0.1, 0.5], [1.0, 1.0, 0.5])
    assert (wide.low > -1, wide.high) == (True, 1)
    assert compare([1.0, 1.0, 0.5], [0.0, 0.1, 0.5]).low == -1
    clustered = compare([0, 0, 1], [1, 1, 1], clusters=["p", "q", "r"])
    assert clustered.high == 1
    assert compare([0, 10, 50], [100, 100, 50]).high > 100  # points of 100, or an own scale


def test_a_gain_that_is_the_same_everywhere_counts_in_full():
    # differences of 0 and 1 alone, but no 0/1 scores
    found = compare([0.5] * 12, [1.5] * 6 + [0.5] * 6)
    assert found.test == "sign-flip test"
    oracle = scipy_stats.ttest_1samp([1] * 6 + [0] * 6, 0).confidence_interval()
    assert (found.low, found.high) == pytest.approx(tuple(oracle), rel=1e-3)


def test_clusters_flip_together():
    a = [0.0] * 20
    b = [1.0] * 10 + [0.0] * 10  # one passage of ten questions, all won: one coin, not ten
    passages = ["won"] * 10 + [f"tied {place}" for place in range(10)]
    assert compare(a, b).p_value < 0.01
    found = compare(a, b, clusters=passages)
    assert (found.p_value, found.test) == (1, "sign-flip test over clusters")
    assert found.low < 0 < found.high
    with pytest.raises(ValueError, match="20 values have 1 clusters"):
        compare(a, b, clusters=["x"])


def test_scores_that_do_not_pair_are_refused():
    with pytest.raises(ValueError, match=r"a has 2 scores and b 3; .* the same questions"):
        compare([1, 0], [1, 0, 1])
    with pytest.raises(ValueError, match=r"b\[1\] is nan"):
        compare([1, 0], [1, math.nan])
    with pytest.raises(ValueError, match="a must be a list of at least one"):
        compare([], [])


# --- Many comparisons. ---


@PROPERTY
@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_bonferroni_on_every_set_of_hypotheses(p_values):
    # The closure principle: a finding holds if every set it is in is rejected by Bonferroni.
    places = range(len(p_values))
    sets = [s for size in places for s in itertools.combinations(places, size + 1)]
    expected = [
        max(min(1, len(s) * min(p_values[i] for i in s)) for s in sets if place in s)
        for place in places
    ]
    assert holm(p_values) == pytest.approx(expected, abs=1e-12)


def test_holm_by_hand():
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([]) == []
    with pytest.raises(ValueError, match=r"p_values\[1\]=nan must be in \[0, 1\]"):
        holm([0.1, math.nan])


# --- In words. ---


def test_a_difference_that_shows_is_said_with_its_test_and_interval():
    found = compare(*answers(wins=24, losses=8, ties=68))
    assert verdict(found, "old", "new") == (
        "new beats old by 0.160, 95% interval 0.049 to 0.265, on 100 questions "
        "(McNemar's exact test, p = 0.007)."
    )
    worse = compare(*answers(wins=8, losses=24, ties=68))
    assert verdict(worse, "old", "new").startswith("old beats new by 0.160, 95% interval 0.049 to")


def test_a_difference_that_does_not_show_is_not_called_equality():
    said = verdict(compare(*answers(wins=5, losses=4, ties=11)), "old", "new")
    assert said == (
        "The data cannot tell old and new apart: new - old = +0.050, 95% interval -0.249 to "
        "+0.340, on 20 questions (McNemar's exact test, p = 1.000). That does not show that they "
        "are equal."
    )


def test_among_many_comparisons_the_corrected_p_decides():
    found = compare(*answers(wins=24, losses=8, ties=68))
    said = verdict(found, "old", "new", adjusted_p=0.07)
    assert said.startswith("The data cannot tell old and new apart")
    assert "p = 0.007, p = 0.070 after Holm's correction" in said
    assert "new beats old" in verdict(found, "old", "new", adjusted_p=0.05)
    assert "p < 0.001" in verdict(found._replace(p_value=0.0002), "old", "new")


def test_an_interval_with_0_in_it_stops_the_claim():
    found = compare(*answers(wins=24, losses=8, ties=68))
    assert "beats" not in verdict(found._replace(low=-0.01), "old", "new")


def test_one_question_claims_nothing_and_shows_no_interval():
    said = verdict(compare([0.2], [0.9]), "old", "new")
    assert said.startswith("The data cannot tell")
    assert "nan" not in said
    assert "on 1 question (" in said


def test_differences_that_are_all_alike_still_have_a_width():
    """Four passages of three questions show less than twelve questions."""
    four = compare([0] * 12, [1] * 12, clusters=[place // 3 for place in range(12)])
    twelve = compare([0] * 12, [1] * 12, clusters=range(12))
    assert 0 < four.low < twelve.low < twelve.high == four.high == 1
    even = compare([0.5] * 12, [0.5] * 12)
    assert even.low < 0 < even.high
    assert compare([5.0] * 12, [7.0] * 12).low == 2  # on a scale of its own nothing is known
