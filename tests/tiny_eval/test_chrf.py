"""chrF, against sacrebleu."""

import pytest
import sacrebleu
from hypothesis import given, settings

from tests.tiny_eval.pairs import PAIRS, REALISTIC
from tests.tiny_eval.test_bleu import CORPORA
from tiny_eval.chrf import corpus_chrf, sentence_chrf

PROPERTY = settings(max_examples=300, derandomize=True, deadline=None)


def test_a_corpus_equals_sacrebleu():
    for pairs in (PAIRS, REALISTIC[:100], REALISTIC[100:]):
        predictions = [prediction for prediction, _ in pairs]
        references = [reference for _, reference in pairs]
        ours = corpus_chrf(predictions, [[reference] for reference in references])
        theirs = sacrebleu.corpus_chrf(predictions, [references]).score
        assert ours == pytest.approx(theirs, abs=1e-9)


def test_a_sentence_equals_sacrebleu():
    for prediction, reference in PAIRS:
        theirs = sacrebleu.sentence_chrf(prediction, [reference]).score
        assert sentence_chrf(prediction, [reference]) == pytest.approx(theirs, abs=1e-9)


@PROPERTY
@given(CORPORA)
def test_of_several_references_the_best_counts_as_in_sacrebleu(corpus):
    predictions = [prediction for prediction, _ in corpus]
    references = [own for _, own in corpus]
    columns = [list(column) for column in zip(*references, strict=True)]
    theirs = sacrebleu.corpus_chrf(predictions, columns).score
    assert corpus_chrf(predictions, references) == pytest.approx(theirs, abs=1e-9)


def test_a_worked_example():
    # of abcd in abc: 3 of 4 letters, 2 of 3 pairs, 1 of 2 threes; the reference has no four
    precision, recall = (3 / 4 + 2 / 3 + 1 / 2) / 3, 1
    expected = 100 * 5 * precision * recall / (4 * precision + recall)
    assert sentence_chrf("ab cd", ["a bc"]) == pytest.approx(expected)


def test_recall_counts_more_than_precision():
    assert sentence_chrf("abcdefgh", ["abcd"]) > sentence_chrf("abcd", ["abcdefgh"])


def test_a_wrong_ending_costs_a_little_where_bleu_loses_the_word():
    assert sentence_chrf("walking", ["walked"]) > 30
    assert sacrebleu.sentence_bleu("walking", ["walked"]).score == 0


def test_nothing_in_common_scores_nothing():
    for prediction, reference in (("", "abc"), ("abc", ""), ("x", "y"), ("", "")):
        assert sentence_chrf(prediction, [reference]) == 0


def test_each_prediction_has_its_references():
    with pytest.raises(ValueError, match="2 predictions and 1 lists"):
        corpus_chrf(["a", "b"], [["a"]])
    with pytest.raises(TypeError, match="give a list"):
        sentence_chrf("abc", "abc")
