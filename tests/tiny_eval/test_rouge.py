"""ROUGE, against rouge-score, rouge_chinese and the package `rouge`."""

import jieba
import pytest
import rouge
import rouge_chinese
from hypothesis import given, settings
from rouge_score.rouge_scorer import RougeScorer

from tests.tiny_eval.pairs import PAIRS, REALISTIC, TEXTS
from tiny_eval import rouge as ours
from tiny_eval.rouge import Rouge, rouge_l, rouge_l_longbench, rouge_lsum, rouge_n
from tiny_eval.text import characters, stems_of_rouge, words_of_jieba, words_of_rouge

PROPERTY = settings(max_examples=300, derandomize=True, deadline=None)
KINDS = ["rouge1", "rouge2", "rouge3", "rougeL", "rougeLsum"]
SCORERS = {
    words_of_rouge: RougeScorer(KINDS),
    stems_of_rouge: RougeScorer(KINDS, use_stemmer=True),
}
CHINESE = rouge_chinese.Rouge(exclusive=False)  # counts; its default, sets, is tested below


def close(score: float, other: float) -> bool:
    return abs(score - other) < 1e-9


# --- rouge-score. ---


def assert_equals_rouge_score(prediction, reference, tokenize):
    expected = SCORERS[tokenize].score(reference, prediction)
    scores = {f"rouge{n}": rouge_n(prediction, reference, n, tokenize) for n in (1, 2, 3)}
    scores["rougeL"] = rouge_l(prediction, reference, tokenize)
    scores["rougeLsum"] = rouge_lsum(prediction, reference, tokenize)
    for kind, score in scores.items():
        assert all(map(close, score, expected[kind])), (kind, prediction, reference)


@pytest.mark.parametrize("tokenize", SCORERS)
def test_all_kinds_equal_rouge_score(tokenize):
    for prediction, reference in PAIRS:
        assert_equals_rouge_score(prediction, reference, tokenize)


@PROPERTY
@given(TEXTS, TEXTS)
def test_all_kinds_equal_rouge_score_on_odd_texts(prediction, reference):
    for tokenize in SCORERS:
        assert_equals_rouge_score(prediction, reference, tokenize)


def test_english_words_are_the_default():
    for prediction, reference in REALISTIC[::10]:
        pair = prediction, reference
        assert rouge_n(*pair) == rouge_n(*pair, 1, words_of_rouge)
        assert rouge_l(*pair) == rouge_l(*pair, words_of_rouge)
        assert rouge_lsum(*pair) == rouge_lsum(*pair, words_of_rouge)
    assert rouge_l("北京", "北京") == (0, 0, 0)  # it has no words for rouge-score
    assert rouge_l("北京", "北京", characters) == (1, 1, 1)


# --- The paper's examples. ---


def test_order_counts_as_in_the_paper():
    # Lin 2004, section 3.1: S2 and S3 have the same bigrams in common with S1
    reference = "police killed the gunman"
    second, third = "police kill the gunman", "the gunman kill police"
    assert rouge_n(second, reference, 2).recall == rouge_n(third, reference, 2).recall == 1 / 3
    assert rouge_l(second, reference) == (3 / 4, 3 / 4, 3 / 4)
    assert rouge_l(third, reference) == (1 / 2, 1 / 2, 1 / 2)


def test_a_summary_has_the_union_of_what_its_sentences_have():
    # section 3.2: w1 w2 and w1 w3 w5 are w1 w2 w3 w5 together
    prediction, reference = "w1 w3 w8 w9 w5\nw1 w2 w6 w7 w8", "w1 w2 w3 w4 w5"
    score = rouge_lsum(prediction, reference)
    assert (score.recall, score.precision) == (4 / 5, 4 / 10)
    assert rouge_l(prediction, reference).recall == 3 / 5


def test_a_line_feed_alone_ends_a_sentence():
    assert rouge_lsum("c d\na b", "a b c d") == rouge_lsum("a b c d", "c d\na b") == (1, 1, 1)
    for other in "\r\x0b\x0c\u2028.":
        assert rouge_lsum(f"c d{other}a b", "a b c d").recall == 1 / 2
        assert rouge_lsum("a b c d", f"c d{other}a b").recall == 1 / 2


def test_precision_is_of_the_prediction_and_recall_of_the_reference():
    expected = Rouge(precision=0.5, recall=1.0, fmeasure=2 / 3)
    for score in (rouge_n("a b c d", "a b"), rouge_l("a b c d", "a b")):
        assert score._asdict() == pytest.approx(expected._asdict(), abs=1e-12)


def test_a_repeated_word_counts_as_often_as_both_have_it():
    assert rouge_n("the the the the", "the cat the dog").precision == 1 / 2


def test_runs_have_at_least_one_token():
    with pytest.raises(ValueError, match="n=0 must be at least 1"):
        rouge_n("a", "a", 0)


def test_a_learners_tokenizer_takes_the_place_of_the_default(monkeypatch):
    monkeypatch.setattr(ours, "words_of_rouge", lambda text: list(text))
    assert rouge_l("北京", "北平").recall == 1 / 2


# --- rouge_chinese: its words are what stands between spaces. ---


@pytest.mark.parametrize("tokenize", [words_of_jieba, characters])
def test_precision_and_recall_equal_rouge_chinese(tokenize):
    compared = 0
    for prediction, reference in PAIRS:
        pair = [" ".join(tokenize(text)) for text in (prediction, reference)]
        if not all(pair):
            continue  # it raises where a text is empty
        theirs = CHINESE.get_scores(*pair)[0]
        scores = {f"rouge-{n}": rouge_n(prediction, reference, n, tokenize) for n in (1, 2)}
        scores["rouge-l"] = rouge_l(prediction, reference, tokenize)
        for kind, score in scores.items():
            precision, recall = theirs[kind]["p"], theirs[kind]["r"]
            assert close(score.precision, precision)
            assert close(score.recall, recall)
            # its F has 1e-8 below the line, which makes it up to 5e-9 too small
            assert close(theirs[kind]["f"], 2 * precision * recall / (precision + recall + 1e-8))
            assert score.fmeasure == pytest.approx(theirs[kind]["f"], abs=1e-8)
        compared += 1
    assert compared > 500


def test_rouge_chinese_is_wrong_by_default_that_words_count_once():
    text, reference = "的 的 的 的", "的 猫"
    theirs = rouge_chinese.Rouge().get_scores(text, reference)[0]["rouge-1"]
    assert theirs["p"] == 1.0  # three of four words are too many
    assert rouge_n(text, reference, 1, str.split) == (1 / 4, 1 / 2, 1 / 3)


def test_rouge_chinese_is_wrong_that_a_row_of_seven_points_is_two_words():
    theirs = rouge_chinese.Rouge(exclusive=False).get_scores("a .......", "a .......", avg=True)
    assert theirs["rouge-1"]["p"] == 1.0
    lengths = rouge_chinese.Rouge(raw_results=True).get_scores("a .......", "a")
    assert lengths[0]["rouge-1"]["hyp"] == 3
    assert rouge_n("a .......", "a", 1, str.split).precision == 1 / 2


# --- LongBench: the package `rouge`. ---


def longbench(prediction: str, reference: str, chinese: bool) -> float:
    """LongBench's rouge_score and rouge_zh_score; what it does with an error is tested below."""
    pair = [prediction, reference]
    if chinese:
        pair = [" ".join(jieba.cut(text)) for text in pair]
    try:
        return rouge.Rouge().get_scores(pair[:1], pair[1:], avg=True)["rouge-l"]["f"]
    except ValueError:  # "Hypothesis is empty.", "Reference is empty."
        return 0.0


@pytest.mark.parametrize("chinese", [False, True])
def test_longbenchs_variant_equals_the_package_rouge(chinese):
    for pair in PAIRS:
        assert close(rouge_l_longbench(*pair, chinese=chinese), longbench(*pair, chinese)), pair


@PROPERTY
@given(TEXTS, TEXTS)
def test_longbenchs_variant_equals_the_package_rouge_on_odd_texts(prediction, reference):
    for chinese in (False, True):
        score = rouge_l_longbench(prediction, reference, chinese)
        assert close(score, longbench(prediction, reference, chinese))


def test_longbenchs_variant_is_another_number():
    # words once each, and case and signs count
    assert rouge_l_longbench("the the the cat", "the cat") == pytest.approx(1)
    assert rouge_l("the the the cat", "the cat").fmeasure == pytest.approx(2 / 3)
    assert rouge_l_longbench("Cats, dogs", "cats dogs") == pytest.approx(1 / 2)


def test_longbench_is_wrong_that_a_long_sentence_scores_nothing():
    words = [f"w{n}" for n in range(1_200)]
    text = " ".join(words)
    with pytest.raises(RecursionError):  # for which LongBench gives 0
        rouge.Rouge(metrics=["rouge-l"]).get_scores(text, text)
    assert rouge_l_longbench(text, text) == pytest.approx(1)
    assert rouge_l_longbench(" ".join(words[:900]), text) == pytest.approx(6 / 7)


# --- Long texts. ---


def test_texts_of_fifty_thousand_tokens_are_scored():
    reference = " ".join(f"w{n % 9_000}" for n in range(50_000))
    prediction = reference.replace(" w1", " other")
    score = rouge_l(prediction, reference)
    kept = sum(not word.startswith("w1") for word in reference.split()[1:]) + 1
    assert score == pytest.approx((kept / 50_000,) * 3)
