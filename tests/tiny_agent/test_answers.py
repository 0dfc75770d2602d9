"""When an answer is right."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiny_agent.answers import answer_matches, find_numbers, is_refusal

PROPERTY = settings(max_examples=150, derandomize=True, deadline=None)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("goes down 13,700 metres", [13700]),
        ("全长3.82万千米", [38200]),  # 万 multiplies, 千 begins the unit
        ("深1.37万米", [13700]),  # exactly, though 1.37 * 10000 is not
        ("约62亿年", [62e8]),
        ("1.04 million km across", [1040000]),
        ("2 Thousand", [2000]),
        ("at -40 degrees, −3 at night", [-40, -3]),
        ("5-3, 5 - 3, (5)-3, Hesk-3 and 5 -3", [5, 3, 5, 3, 5, 3, 3, 5, -3]),
        ("12.5% of 840.", [12.5, 840]),
        ("on 1, 2 or 1,2", [1, 2, 1, 2]),  # no thousands
        ("1,2345", [1, 2345]),
        ("1,234,567.5", [1234567.5]),
        ("6.02e23 and 1.5e-3", [6.02e23, 0.0015]),
        ("B12, x2 and LE163", []),  # parts of names
        ("３８千米", [38]),
        ("none at all", []),
    ],
)
def test_numbers_are_found_as_they_are_written(text, values):
    import unicodedata

    found = [number.value for number in find_numbers(unicodedata.normalize("NFKC", text))]
    assert found == values


def test_a_number_says_how_exactly_it_was_written_and_where_it_ends():
    number = find_numbers("= 8.51 miles")[0]
    assert (number.step, "= 8.51 miles"[number.end :].strip()) == (pytest.approx(0.01), "miles")
    assert find_numbers("3.82万")[0].step == pytest.approx(100)
    assert find_numbers("3425")[0].step == 1


@pytest.mark.parametrize(
    ("answer", "accepted"),
    [
        ("It has been struck 61 times.", "61"),
        ("6,120 km", "6120"),
        ("全长3.82万千米", "38200"),
        ("38200 km", "3.82万"),
        ("3425.0", "3425"),
        ("13700 m = 44947.5065616798 ft", "44947.51"),  # which it rounds to
        ("about 8.5", "8.50"),
        ("15 hours", "15 Stunden"),  # the unit is not compared
        ("founded by Dovan\nPRY in 121", "dovan pry"),
        ("由纳杜·凯什设计", "纳杜凯什"),  # signs between words are not compared
        ("Well-House", "well house"),
        ("on 3 Tide 204 LE", "3 Tide 204 LE"),
        ("-40", "-40"),
    ],
)
def test_an_answer_is_right_that_holds_an_accepted_wording(answer, accepted):
    assert answer_matches(answer, ["something else", accepted])


@pytest.mark.parametrize(
    ("answer", "accepted"),
    [
        ("in 2012", "12"),
        ("1 in 2", "12"),
        ("3425.4", "3425"),  # a whole number is exact
        ("8.52", "8.51"),
        ("8.5", "8.51"),  # too coarse: it may be any of ten
        ("40 degrees", "-40"),
        ("382", "3.82万"),
        ("38210", "3.82万"),
        ("Dovan and Pry", "Dovan Pry"),
        ("Overall", "all"),
        ("on 3 Lamp 204 LE", "3 Tide 204 LE"),
        ("", "x"),
        ("", "..."),
        ("It is 40.", "year 40"),  # a number has to come first to be compared as one
        ("anything", "..."),  # a wording without a word is held by nothing
    ],
)
def test_an_answer_is_wrong_that_only_looks_alike(answer, accepted):
    assert not answer_matches(answer, [accepted])


def test_nothing_accepted_is_an_error_and_not_a_wrong_answer():
    with pytest.raises(ValueError, match="accepted is empty"):
        answer_matches("42", [])


@pytest.mark.parametrize(
    "answer",
    [
        "I do not know: I found nothing that answers this.",
        "I don’t know.",
        "The documents DO NOT\nMENTION a mayor.",
        "我不知道：没有找到能回答这个问题的内容。",
        "文章里没有提到票价。",
    ],
)
def test_an_answer_that_owns_up_is_a_refusal(answer):
    assert is_refusal(answer)


@pytest.mark.parametrize(
    "answer", ["The mayor is Ilsa Vorn.", "He knows nothing of it.", "14升", ""]
)
def test_other_answers_are_none(answer):
    assert not is_refusal(answer)


@PROPERTY
@given(st.floats(-1e12, 1e12, allow_nan=False), st.text(max_size=20))
def test_a_number_is_found_again_in_whatever_form_python_writes_it(value, text):
    for written in (f"{value:.3f}", f"{value:,.3f}", f"{value:.6e}"):
        (number,) = find_numbers(f"x = {written} y")
        assert number.value == pytest.approx(float(written.replace(",", "")), rel=1e-12)
    answer_matches(text, [text or "x"])  # raises nothing
    is_refusal(text)
