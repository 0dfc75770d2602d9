"""What is ignored in a text, and what its words are."""

import subprocess
import sys

import jieba
import pytest
from hypothesis import example, given, settings
from nltk.stem.porter import PorterStemmer
from rouge_score.tokenize import tokenize as tokenize_of_rouge

from tests.tiny_eval.longbench_oracle import longbench_metrics
from tests.tiny_eval.pairs import NASTY, REALISTIC, TEXTS
from tiny_eval.text import (
    characters,
    cut_by_jieba,
    normalize_chinese,
    normalize_english,
    stems_of_rouge,
    words_of_chinese_qa,
    words_of_jieba,
    words_of_qa,
    words_of_rouge,
)

PROPERTY = settings(max_examples=200, derandomize=True, deadline=None)
ALL = [*NASTY, *(text for pair in REALISTIC for text in pair)]
STEMMER = PorterStemmer()


@pytest.fixture(scope="module")
def longbench():
    return longbench_metrics()


# --- Normal forms. ---


def test_normal_forms_and_their_words_are_those_of_longbench(longbench):
    for text in ALL:
        assert normalize_english(text) == longbench.normalize_answer(text)
        assert normalize_chinese(text) == longbench.normalize_zh_answer(text)
        words = map(longbench.normalize_zh_answer, jieba.cut(text))
        assert words_of_chinese_qa(text) == [word for word in words if word]


@PROPERTY
@given(TEXTS)
def test_normal_forms_stay_as_they_are_once_normal(text):
    assert normalize_chinese(normalize_chinese(text)) == normalize_chinese(text)
    normal = normalize_english(text)
    assert " ".join(normal.split()) == normal


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("The U.S.  Army", "us army"),  # points vanish, they are no spaces
        ("an A-team, the end", "ateam end"),
        ("a-b", "ab"),  # signs go before articles: no "a" is left to drop
        ("Theatre and anatomy", "theatre and anatomy"),  # articles are whole words
        ("the", ""),
        ("café。", "café。"),  # signs of other scripts stay
    ],
)
def test_english_loses_case_ascii_signs_articles_and_spaces(text, normal):
    assert normalize_english(text) == normal
    assert words_of_qa(text) == normal.split()


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("北京 ，2008年！\n", "北京2008年"),
        ("“GPT-4”", "gpt4"),
        ("The a", "thea"),  # articles are English
        ("《红楼梦》", "《红楼梦"),  # LongBench's list lacks the opening mark
    ],
)
def test_chinese_loses_case_signs_and_spaces(text, normal):
    assert normalize_chinese(text) == normal


# --- Words of ROUGE. ---


@PROPERTY
@given(TEXTS)
@example("\u212a \u0130 \u017f K")  # letters whose lower case is ASCII, or starts with it
@example("\ud800 lone")
def test_words_are_those_of_rouge_score(text):
    assert words_of_rouge(text) == tokenize_of_rouge(text, None)
    assert stems_of_rouge(text) == tokenize_of_rouge(text, STEMMER)


def test_stems_of_many_words_are_those_of_rouge_score():
    # NLTK's stemmer departs from Porter's paper in words such as these
    odd = "dying lying skies news innings proceed succeed exceed flies tied spied enjoy happy fully"
    for text in [odd, *ALL]:
        assert stems_of_rouge(text) == tokenize_of_rouge(text, STEMMER)
    assert stems_of_rouge("Dying skies running ties was") == ["die", "sky", "run", "tie", "was"]


def test_words_of_rouge_are_runs_of_ascii_letters_and_digits():
    assert words_of_rouge("The café's 3.5%, 中文_x") == ["the", "caf", "s", "3", "5", "x"]


# --- Words of Chinese. ---


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("用GPT-4写诗。", ["用", "gpt", "-", "4", "写", "诗", "。"]),
        ("模型v2\u3000好\n", ["模", "型", "v2", "好"]),  # the ideographic space is a space
        ("\U00020bb7野家", ["\U00020bb7", "野", "家"]),
        ("Ｑ３ a_b café", ["ｑ３", "a", "_", "b", "café"]),
        ("「ｱｲ」あア", ["「", "ｱ", "ｲ", "」", "あ", "ア"]),
        ("\U0001f600\U0001f600 …", ["\U0001f600", "\U0001f600", "…"]),
    ],
)
def test_characters_are_single_in_chinese_and_runs_elsewhere(text, tokens):
    assert characters(text) == tokens


@PROPERTY
@given(TEXTS)
def test_characters_lose_nothing_but_white_space(text):
    assert "".join(characters(text)) == "".join(text.lower().split())


@PROPERTY
@given(TEXTS)
def test_words_of_jieba_are_its_cut_without_white_space(text):
    assert "".join(cut_by_jieba(text)) == text
    assert words_of_jieba(text) == [word for word in jieba.cut(text) if word.strip()]


def test_words_of_jieba_are_words():
    assert words_of_jieba("我来到 北京清华大学") == ["我", "来到", "北京", "清华大学"]


# --- What it takes. ---


def test_jieba_and_nltk_are_imported_when_needed_and_say_nothing():
    code = (
        "import sys, tiny_eval.rouge, tiny_eval.bleu, tiny_eval.chrf\n"
        "assert not {'jieba', 'nltk', 'sympy', 'torch'} & set(sys.modules)\n"
        "assert tiny_eval.text.words_of_jieba('北京大学') == ['北京大学']\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
