"""Scores from probabilities against lm-eval, scikit-learn and numbers worked by hand."""

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from tiny_eval.likelihood import (
    brier_score,
    calibration_bins,
    choice_probabilities,
    choose,
    corpus_perplexity,
    count_bytes,
    count_words,
    expected_calibration_error,
    perplexity,
)

PROPERTY = settings(max_examples=60, derandomize=True, deadline=None)
TEXTS = ["", " ", "a b", " a\n\tb ", "火星上没有海。", "火星 mars　金星", "🚀", "don't stop"]
ANSWERS = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


# --- Perplexity. ---


def test_a_model_that_guesses_among_seven_has_perplexity_7():
    assert perplexity(5 * math.log(1 / 7), 5) == pytest.approx(7)
    assert perplexity(0.0, 3) == 1


def test_a_corpus_is_one_long_text_as_in_lm_eval():
    oracle = pytest.importorskip("lm_eval.api.metrics")
    rng = random.Random(0)
    documents = [(-rng.uniform(1, 900), rng.randint(1, 300)) for _ in range(50)]
    assert corpus_perplexity(documents) == pytest.approx(
        oracle.weighted_perplexity(documents), rel=1e-12
    )
    assert math.log2(corpus_perplexity(documents)) == pytest.approx(
        oracle.bits_per_byte(documents), rel=1e-12
    )


def test_long_documents_weigh_more():
    short, long = (-1.0, 1), (-9.0, 99)
    assert corpus_perplexity([short, long]) == pytest.approx(math.exp(10 / 100))
    assert perplexity(*short) == pytest.approx(math.e)


def test_a_perplexity_beyond_floats_is_infinite():
    assert perplexity(-5000.0, 1) == math.inf


@pytest.mark.parametrize("text", TEXTS)
def test_words_and_bytes_are_counted_as_in_lm_eval(text):
    task = pytest.importorskip("lm_eval.api.task").PerplexityTask
    assert count_words(text) == task.count_words(text)
    assert count_bytes(text) == task.count_bytes(text)


def test_what_is_no_loglikelihood_is_refused():
    with pytest.raises(ValueError, match=r"document 0 is 0\.5; it is at most 0"):
        perplexity(0.5, 3)
    with pytest.raises(ValueError, match=r"loglikelihoods\[1\] is -inf"):
        corpus_perplexity([(-1.0, 2), (-math.inf, 2)])
    with pytest.raises(ValueError, match="document 1 has count=0"):
        corpus_perplexity([(-1.0, 2), (-1.0, 0)])
    with pytest.raises(ValueError, match="at least one"):
        corpus_perplexity([])


# --- Multiple choice. ---


def test_each_way_to_normalise_takes_another_choice():
    choices = ["no", "certainly", "火星", "x y z w v u"]
    loglikelihoods = [-4.0, -9.0, -5.0, -9.5]
    # by characters -2, -1, -2.5, -0.86; by bytes -2, -1, -0.83, -0.86
    # by tokens -4, -2.25, -5, -9.5
    assert choose(loglikelihoods) == 0
    assert choose(loglikelihoods, "characters", choices) == 3
    assert choose(loglikelihoods, "bytes", choices) == 2
    assert choose(loglikelihoods, "tokens", token_counts=[1, 4, 1, 1]) == 1


def test_the_choice_is_lm_evals():
    pytest.importorskip("lm_eval")
    from lm_eval.api.task import ConfigurableTask

    class Task(ConfigurableTask):
        """Only what scores a document: no data is loaded."""

        def __init__(self, choices):
            self.choices, self.multiple_input, self.multiple_target = choices, 0, 0
            self.OUTPUT_TYPE = "multiple_choice"
            self._metric_fn_list = dict.fromkeys(["acc", "acc_norm", "acc_bytes", "brier_score"])
            self._config = type("Config", (), {"process_results": None})()

        def doc_to_choice(self, doc):
            return self.choices

        def doc_to_target(self, doc):
            return doc

    rng = random.Random(0)
    words = ["a", "no", "火星", "an island", "对", "none of these", "🚀🚀"]
    for _ in range(200):
        choices = rng.sample(words, 4)
        loglikelihoods = [-float(rng.randint(1, 12)) for _ in choices]  # whole: ties happen
        results = [(score, False) for score in loglikelihoods]
        for gold in range(4):
            found = Task(choices).process_results(gold, results)
            assert found["acc"] == (choose(loglikelihoods) == gold)
            assert found["acc_norm"] == (choose(loglikelihoods, "characters", choices) == gold)
            assert found["acc_bytes"] == (choose(loglikelihoods, "bytes", choices) == gold)
            assert choice_probabilities(loglikelihoods) == pytest.approx(found["brier_score"][1])


def test_of_equals_the_first_is_taken():
    assert choose([-3.0, -2.0, -2.0]) == 1
    assert choose([-4.0, -2.0], "characters", ["ab", "c"]) == 0


def test_choices_that_cannot_be_compared_are_refused():
    with pytest.raises(ValueError, match=r"loglikelihoods\[1\] is nan"):
        choose([-1.0, math.nan])
    with pytest.raises(ValueError, match="list of at least one"):
        choose([])
    with pytest.raises(ValueError, match=r"2 log-likelihoods by characters: .* length \[1\]"):
        choose([-1.0, -2.0], "characters", ["a"])
    with pytest.raises(ValueError, match=r"by bytes: choices of length \[1, 0\]"):
        choose([-1.0, -2.0], "bytes", ["a", ""])
    with pytest.raises(ValueError, match=r"by tokens: choices of length \[\]"):
        choose([-1.0, -2.0], "tokens", ["a", "b"])
    with pytest.raises(ValueError, match="normalise='words' must be one of"):
        choose([-1.0, -2.0], "words", ["a", "b"])


def test_probabilities_of_very_unlikely_texts_do_not_vanish():
    assert choice_probabilities([-2000.0, -2000.0 + math.log(3)]) == pytest.approx([0.25, 0.75])


def test_the_brier_score_is_lm_evals():
    oracle = pytest.importorskip("lm_eval.api.metrics")
    rng = np.random.default_rng(0)
    items = [(int(rng.integers(4)), rng.dirichlet(np.ones(4))) for _ in range(30)]
    found = [brier_score(given.tolist(), gold) for gold, given in items]
    assert np.mean(found) == pytest.approx(oracle.brier_score(items))


def test_of_two_choices_the_brier_score_is_twice_that_of_scikit_learn():
    assert brier_score([0.3, 0.7], 1) == pytest.approx(2 * brier_score_loss([1], [0.7]))
    assert brier_score([1.0, 0.0], 0) == 0
    assert brier_score([1.0, 0.0], 1) == 2
    for gold in (-1, 2):
        with pytest.raises(ValueError, match=rf"gold={gold} must be in \[0, 2\)"):
            brier_score([0.5, 0.5], gold)


# --- Calibration. ---


@PROPERTY
@given(ANSWERS, st.integers(1, 12))
def test_the_reliability_diagram_is_scikit_learns(answers, bins):
    confidences, correct = map(list, zip(*answers, strict=True))
    accuracy, confidence = calibration_curve(
        np.array(correct, int), confidences, n_bins=bins, strategy="uniform"
    )
    found = calibration_bins(confidences, correct, bins)
    assert [one.accuracy for one in found] == pytest.approx(accuracy.tolist())
    assert [one.confidence for one in found] == pytest.approx(confidence.tolist())
    assert sum(one.n for one in found) == len(answers)


def test_the_calibration_error_by_hand():
    # (0, 0.5]: mean confidence 0.4, 1 of 3 right; (0.5, 1]: 0.8, 1 of 2 right
    confidences, correct = [0.3, 0.4, 0.5, 0.7, 0.9], [True, False, False, True, False]
    expected = (3 * abs(1 / 3 - 0.4) + 2 * abs(1 / 2 - 0.8)) / 5
    assert expected_calibration_error(confidences, correct, 2) == pytest.approx(expected)
    assert expected_calibration_error(confidences, correct, 1) == pytest.approx(abs(0.4 - 0.56))


# sixteenths, and a power of two of bins: on an edge there is no rounding
EDGED = st.lists(st.tuples(st.integers(0, 16), st.booleans()), min_size=1, max_size=40)


@PROPERTY
@given(EDGED, st.sampled_from([1, 2, 4, 8]))
def test_the_calibration_error_is_the_sum_over_all_bins(answers, bins):
    expected = 0.0
    for i in range(bins):
        low, high = 16 * i / bins, 16 * (i + 1) / bins
        held = [(c / 16, right) for c, right in answers if low < c <= high or c == low == 0]
        if held:
            confidence = sum(c for c, _ in held) / len(held)
            accuracy = sum(right for _, right in held) / len(held)
            expected += len(held) / len(answers) * abs(accuracy - confidence)
    confidences, correct = [c / 16 for c, _ in answers], [right for _, right in answers]
    found = expected_calibration_error(confidences, correct, bins)
    assert found == pytest.approx(expected, abs=1e-12)


def test_sure_and_right_is_calibrated_and_sure_and_wrong_is_not():
    assert expected_calibration_error([1.0, 1.0, 0.0], [1, 1, 0]) == pytest.approx(0)
    assert expected_calibration_error([1.0, 1.0], [0, 0]) == pytest.approx(1)


def test_too_sure_in_one_bin_does_not_cancel_too_unsure_in_another():
    assert expected_calibration_error([0.9, 0.1], [0, 1]) == pytest.approx(0.9)


def test_what_cannot_be_calibrated_is_refused():
    with pytest.raises(ValueError, match="2 confidences and 1 correct"):
        expected_calibration_error([0.1, 0.2], [True])
    with pytest.raises(ValueError, match=r"confidences\[1\]=1.2 must be in \[0, 1\]"):
        expected_calibration_error([0.1, 1.2], [True, True])
    with pytest.raises(ValueError, match=r"confidences\[0\]=-0.1"):
        expected_calibration_error([-0.1], [True])
    with pytest.raises(ValueError, match=r"confidences\[0\] is nan"):
        expected_calibration_error([math.nan], [True])
    with pytest.raises(ValueError, match="correct must be 0 or 1"):
        expected_calibration_error([0.5], [0.5])
    with pytest.raises(ValueError, match="bins=0 must be at least 1"):
        expected_calibration_error([0.5], [True], bins=0)
    with pytest.raises(ValueError, match="at least one"):
        expected_calibration_error([], [])
