"""Answers against right answers: equal to the published definitions, or right where those are not.

The definitions below are LongBench's, in words of our own and as plainly as can be: what they must
agree with is never computed by the code under test.
"""

import re
import string
from collections import Counter
from itertools import pairwise

import jieba
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz import fuzz

from tiny_eval.answers import (
    classification_score,
    count_score,
    edit_similarity,
    exact_match,
    number_match,
    retrieval_score,
    token_f1,
)
from tiny_eval.text import normalize_chinese, words_of_chinese_qa

PROPERTY = settings(max_examples=200, derandomize=True, deadline=None)
ENGLISH = st.lists(
    st.sampled_from(["The", "a", "ferry", "Ferry,", "is", "yellow.", "an", "9", "!", "naïve", ""]),
    max_size=9,
).map(" ".join)
CHINESE = st.lists(
    st.sampled_from(["渡船", "黄色", "的", "，", "。", "是", "银鳅河", "A", " ", "9", "！", "《"]),
    max_size=9,
).map("".join)
CHINESE_SIGNS = (
    "！？｡。＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠｢｣､、〃》「」『』【】〔"
    "〕〖〗〘〙〚〛〜〝〞〟〰〾〿–—‘’‛“”„‟…‧﹏."
)


def official_normal(text):
    kept = [sign for sign in text.lower() if sign not in string.punctuation]
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", "".join(kept)).split())


def official_chinese_words(text):
    words = []
    for word in jieba.cut(text):
        kept = [c for c in word.lower() if c not in string.punctuation + CHINESE_SIGNS]
        words.append("".join("".join(kept).split()))
    return [word for word in words if word]


def official_f1(given, expected):
    same = sum((Counter(given) & Counter(expected)).values())
    if same == 0:
        return 0
    precision, recall = same / len(given), same / len(expected)
    return 2 * precision * recall / (precision + recall)


# --- Words. ---


@PROPERTY
@given(ENGLISH, ENGLISH)
def test_f1_is_that_of_squad_and_longbench(prediction, reference):
    words = official_normal(prediction).split(), official_normal(reference).split()
    if any(words):
        assert token_f1(prediction, reference) == pytest.approx(official_f1(*words), abs=1e-12)


@PROPERTY
@given(CHINESE, CHINESE)
def test_chinese_f1_is_that_of_longbench(prediction, reference):
    words = official_chinese_words(prediction), official_chinese_words(reference)
    if any(words):
        found = token_f1(prediction, reference, words_of_chinese_qa)
        assert found == pytest.approx(official_f1(*words), abs=1e-12)


@pytest.mark.parametrize(
    ("prediction", "reference", "score"),
    [
        ("a red ferry boat", "The yellow ferry.", 2 / 5),  # 1/3, 1/2
        ("yellow yellow", "yellow", 2 / 3),  # once, not twice
        ("red", "yellow", 0),
        ("", "", 0),
        ("", "yellow", 0),
        ("A", "A", 1),
        ("the", "A", 0),
        ("?", "!", 0),
        ("", "A", 0),
    ],
)
def test_f1_of_worked_examples(prediction, reference, score):
    assert token_f1(prediction, reference) == pytest.approx(score)


def test_f1_of_other_tokens():
    assert token_f1("ab", "abc", list) == pytest.approx(4 / 5)
    assert token_f1("……", "……", words_of_chinese_qa) == 1


def test_squad_is_wrong_that_the_answer_a_is_none():
    assert official_f1(official_normal("A").split(), official_normal("A").split()) == 0


@PROPERTY
@given(ENGLISH, ENGLISH.filter(official_normal))
def test_exact_match_is_that_of_squad(prediction, reference):
    same = official_normal(prediction) == official_normal(reference)
    assert exact_match(prediction, reference) == float(same)


def test_exact_match_does_not_take_no_answer_for_the_letter_a():
    for prediction in ["", "The", "...", "B", "an a"]:
        assert exact_match(prediction, "A") == 0
    assert official_normal("") == official_normal("The") == official_normal("A")  # SQuAD gives 1
    assert exact_match(" a\n", "A") == 1
    assert exact_match("B.", "b") == 1


def test_exact_match_with_another_normal_form():
    assert exact_match("《渡船》。", "《渡船", normalize_chinese) == 1
    assert exact_match("渡 船", "渡船", normalize_chinese) == 1
    assert exact_match("渡船", "渡口", normalize_chinese) == 0
    assert exact_match("A", "a", str) == 0


# --- Classes. ---


def official_classification(prediction, reference, all_classes):
    found = [name for name in all_classes if name in prediction]
    for name in found:  # walks through a list that gets shorter
        if name in reference and name != reference:
            found.remove(name)
    return 1 / len(found) if reference in found else 0.0


CLASSES = ["event", "sports event", "sports", "food", "sea food"]


@PROPERTY
@given(st.lists(st.sampled_from([*CLASSES, "nothing"]), max_size=4), st.sampled_from(CLASSES))
def test_classification_is_that_of_longbench_where_it_skips_nothing(names, reference):
    prediction = "; ".join(names)
    parts = [name for name in CLASSES if name in reference and name != reference]
    found = [name for name in CLASSES if name in prediction]
    score = classification_score(prediction, reference, CLASSES)
    official = official_classification(prediction, reference, CLASSES)
    skipped = any(a in parts and b in parts for a, b in pairwise(found))
    assert score >= official if skipped else score == official


def test_classification_where_longbench_skips_a_class():
    classes = ["sports", "event", "sports event"]
    assert official_classification("It is a sports event", "sports event", classes) == 1 / 2
    assert classification_score("It is a sports event", "sports event", classes) == 1


def test_classification_of_worked_examples():
    assert classification_score("food", "food", CLASSES) == 1
    assert classification_score("food or sports", "food", CLASSES) == 1 / 2
    assert classification_score("sports", "food", CLASSES) == 0
    assert classification_score("", "food", CLASSES) == 0
    assert classification_score("sea food", "food", CLASSES) == 1 / 2  # both are named, as there
    assert classification_score("sea food", "sea food", CLASSES) == 1
    assert classification_score("Food", "food", CLASSES) == 0  # case counts, as there


# --- Numbers. ---


@pytest.mark.parametrize(
    ("prediction", "score"),
    [
        ("Paragraph 15", 1),
        ("段落15", 1),
        ("Paragraph 15 or 16", 1 / 2),
        ("15, 15, 3", 2 / 3),
        ("Paragraph 1", 0),
        ("Paragraph 150", 0),
        ("the last", 0),
        ("", 0),
    ],
)
@pytest.mark.parametrize("reference", ["Paragraph 15", "段落15"])
def test_retrieval_is_the_share_of_right_numbers(prediction, score, reference):
    assert retrieval_score(prediction, reference) == pytest.approx(score)
    assert count_score(prediction, "15") == pytest.approx(score)


def test_a_reference_that_names_no_paragraph():
    with pytest.raises(ValueError, match="reference='15' must be like \"Paragraph 15\""):
        retrieval_score("15", "15")


@pytest.mark.parametrize(
    ("prediction", "reference"),
    [
        ("The total is $1,234.00.", "1234"),
        ("3 jars and 4 jars are 7 jars", "7"),
        ("So 48/2=<<48/2=24>>24\n#### 24\n\nQuestion: 5 and 6?", "way\n#### 24"),
        ("It is -5", "-5"),
        ("-$5", "-5"),
        ("$-5", "-5"),
        ("10-3", "3"),
        ("降到−4", "-4"),
        ("一共１２元", "12"),
        ("共 12,000 元", "12000"),
        ("1, 2, 345", "345"),
        ("1,2,3", "3"),
        ("1,2345", "2345"),
        (".5", "0.50"),
        ("72.0", "72"),
        ("72.", "72"),
        ("9" * 5000, "9" * 5000),
        ("(2)-1 = 1", "1"),
        ("剩下 3/4", "0.75"),
        ("-6/4", "-1.5"),
    ],
)
def test_the_same_number_in_another_dress(prediction, reference):
    assert number_match(prediction, reference) == 1


@pytest.mark.parametrize(
    ("prediction", "reference"),
    [
        ("24", "25"),
        ("24 of 25", "24"),
        ("5", "-5"),
        ("1.5", "15"),
        ("12,34", "1234"),
        ("", "0"),
        ("no number", "0"),
        ("24 #### none", "24"),
        ("3/4", "4"),
        ("3/0", "0"),
        ("0.1000000000000000000001", "0.1"),
    ],
)
def test_another_number(prediction, reference):
    assert number_match(prediction, reference) == 0


def test_a_reference_without_a_number():
    with pytest.raises(ValueError, match="reference='many' holds no number"):
        number_match("3", "many")


# --- Code. ---

CODE = st.text(st.sampled_from("ab =()x1"), max_size=20)


@PROPERTY
@given(CODE, CODE)
def test_edit_similarity_is_the_ratio_of_fuzz(prediction, reference):
    line = prediction if prediction.strip() else ""
    expected = fuzz.ratio(line, reference) / 100
    assert edit_similarity(prediction, reference) == pytest.approx(expected, abs=1e-12)


def official_line(prediction):
    for line in prediction.lstrip("\n").split("\n"):
        if "`" not in line and "#" not in line and "//" not in line:
            return line
    return ""


@pytest.mark.parametrize(
    "prediction",
    ["x = 1", "\n\nx = 1\ny = 2", "```python\n# one\nx = 1\n```", "// c\n  x = 1\nz", "# only", ""],
)
def test_the_line_that_counts_is_longbenchs(prediction):
    expected = fuzz.ratio(official_line(prediction), "  x = 1") / 100
    assert edit_similarity(prediction, "  x = 1") == pytest.approx(expected, abs=1e-12)


def test_an_empty_line_after_a_comment_is_no_answer():
    assert official_line("# the answer\n\nx = 1") == ""  # LongBench gives 0
    assert edit_similarity("# the answer\n\nx = 1", "x = 1") == 1
    assert edit_similarity("   \nx = 1", "x = 1") == 1


# --- All of them. ---


@PROPERTY
@given(st.text(max_size=30), st.text(max_size=30))
def test_every_score_is_from_0_to_1(prediction, reference):
    for metric in (exact_match, token_f1, count_score, edit_similarity):
        assert 0 <= metric(prediction, reference) <= 1
    assert 0 <= classification_score(prediction, reference, [reference, "x"]) <= 1
    assert exact_match(reference, reference) == 1
    assert edit_similarity("x" + prediction.replace("\n", ""), reference) <= 1
