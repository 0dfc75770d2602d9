"""The part of a passage that is shown for a query."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiny_rag.snippets import snippet
from tiny_rag.terms import tokenize

FILLER = "Nothing of note is said in this sentence. " * 6
CHINESE_FILLER = "这一句里没有什么特别的内容。" * 12


def equal(term):
    return 1.0


def test_a_short_text_is_shown_whole_and_in_one_line():
    assert snippet(" A text.\n\n  Two lines. ", "lines", 40, equal) == ("A text. Two lines.", 0)


def test_the_start_is_shown_if_it_holds_as_much_as_any_other_part():
    text = "The moon is made of ice. " + FILLER + "The moon is made of ice."
    shown = snippet(text, "What is the moon made of?", 60, equal)
    assert shown == (text[:58] + "…", 0)
    assert snippet(text, "zebra", 60, equal).start == 0
    assert snippet(text, "", 60, equal).start == 0


def test_the_window_starts_with_the_sentence_that_holds_the_words():
    text = FILLER + "The larger moon is made of ice. " + FILLER
    shown = snippet(text, "What is the moon made of?", 80, equal)
    assert shown.text.startswith("…The larger moon is made of ice. Nothing")
    assert shown.text.endswith("…")
    assert text[shown.start :].startswith("The larger")


def test_chinese_has_no_spaces_and_is_found_all_the_same():
    text = CHINESE_FILLER + "站长是林河。" + CHINESE_FILLER
    shown = snippet(text, "站长是谁？", 40, equal)
    assert shown.text.startswith("…站长是林河。这一句")
    assert len(shown.text) == 40
    assert text[shown.start :].startswith("站长")


def test_two_neighbours_weigh_more_than_the_same_characters_apart():
    text = CHINESE_FILLER + "长在那个站里。" + CHINESE_FILLER + "站长在。" + CHINESE_FILLER
    assert snippet(text, "站长", 40, equal).text.startswith("…站长在。")


def test_one_rare_word_outweighs_two_common_ones():
    text = FILLER + "The moon turns. " + FILLER + "Issin is far. " + FILLER
    weights = {"moon": 1.0, "turn": 1.0, "issin": 3.0}
    shown = snippet(text, "Issin moon turns", 40, weights.__getitem__)
    assert shown.text.startswith("…Issin is far.")
    assert snippet(text, "Issin moon turns", 40, equal).text.startswith("…The moon turns.")


def test_a_long_sentence_is_entered_at_a_word():
    text = "and so on " * 40 + "until the station was built " + "and so on " * 40
    shown = snippet(text, "station built", 80, equal)
    assert "station was built" in shown.text
    assert text[shown.start - 1] == " "
    left, right = shown.text.split("station was built")
    assert min(len(left), len(right)) > 15  # with words on both sides


def test_the_end_of_a_text_is_shown_without_a_sign_behind_it_and_in_full_width():
    text = FILLER + "It is ice."
    shown = snippet(text, "ice", 80, equal)
    assert shown.text.startswith("…Nothing of note")
    assert shown.text.endswith("It is ice.")


PARTS = ["moon ", "Issin, ", "is. ", "\n\n", "  ", "站长", "林河。", "，", "1,024.5 ", "é", "🌙"]


@given(st.lists(st.sampled_from(PARTS), max_size=60), st.sampled_from(["Issin", "林河", "moon 站"]))
def test_it_is_never_too_long_and_a_part_of_the_text_that_holds_a_word_if_the_text_does(
    parts, query
):
    text = "".join(parts)
    shown = snippet(text, query, 30, equal)
    assert len(shown.text) <= 30
    whole = " ".join(text[shown.start :].split())
    assert whole.startswith(shown.text.strip("…"))
    if set(tokenize(query)) & set(tokenize(text)):
        assert set(tokenize(query)) & set(tokenize(shown.text))


@pytest.mark.parametrize("text", ["x" * 500, "。" * 500, " " * 500, "\u3000" * 9 + "a" * 99])
def test_a_text_without_boundaries_is_cut_all_the_same(text):
    assert len(snippet(text, "x a", 30, equal).text) <= 30
