"""Answers put into plain spelling: what goes, what stays, and what is a unit."""

import cn2an
import pytest

from tiny_eval.maths_text import plain, split_condition, split_unit


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("１２．５％", "12.5%"),
        ("  12 。", "12"),
        (r"$\dfrac{1}{2}$", r"\frac{1}{2}"),
        (r"\frac12", r"\frac{1}{2}"),
        (r"\frac{x}2", r"\frac{x}{2}"),
        (r"\left(1,+\infty\right)", "(1,+∞ )"),
        (r"\boxed{\text{5}}", "5"),
        (r"60^{\circ}", "60°"),
        (r"\{1,2\}", "⦃1,2⦄"),
        ("{1,2}", "⦃1,2⦄"),
        (r"\frac{1}{2}", r"\frac{1}{2}"),  # no set
        ("x²", "x^{2}"),
        ("x₁", "x_{1}"),
        ("根号下3", "√3"),
        ("1或2", "1;2"),
        ("1、2", "1;2"),
        ("三分之二", "((2)/(3))"),
        ("1又1/2", "(1+1/2)"),
        (r"1\frac{1}{2}", r"(1+\frac{1}{2})"),
        (r"2\frac{3}{2}", r"2\frac{3}{2}"),  # no mixed number: a product
        (r"x^2\frac{1}{3}", r"x^2\frac{1}{3}"),
        ("1,234.5", "1234.5"),
        ("(1,234)", "(1,234)"),
        ("故答案为：5", "5"),
        ("三角形的面积为5", "5"),
        ("负三", "-3"),
        ("正负2", "±2"),
        ("②③", "②③"),  # not 23
        ("9**9", "9^9"),
        ("**9**", "9"),
        ("。", ""),
    ],
)
def test_one_plain_spelling(text, expected):
    assert plain(text) == expected


@pytest.mark.parametrize("number", [*range(1, 130), 200, 205, 999])
def test_chinese_numerals_are_read_as_cn2an_writes_them(number):
    assert plain(cn2an.an2cn(number)) == str(number)


def test_digits_in_chinese_are_read_one_by_one():
    assert plain("二〇二四") == "2024"


@pytest.mark.parametrize(
    ("text", "number", "unit"),
    [
        ("5 cm", "5", (1, -2)),
        ("5厘米", "5", (1, -2)),
        ("5千米", "5", (1, 3)),
        ("5 m", "5", (1, 0)),
        ("36π cm^2", "36π", (2, -4)),
        ("36π cm^{3}", "36π", (3, -6)),
        ("2立方分米", "2", (3, -3)),
        ("12种", "12", (0, 0)),
        (r"\frac{1}{2}米", r"\frac{1}{2}", (1, 0)),
        ("5m", "5m", (0, 0)),
        ("x m", "x m", (0, 0)),
        ("5", "5", (0, 0)),
        ("种", "种", (0, 0)),
    ],
)
def test_a_number_and_its_unit(text, number, unit):
    assert split_unit(text) == (number, *unit)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kπ,k∈Z", "kπ"),
        ("2n-1(n∈N^*)", "2n-1"),
        ("2n-1 (n ∈ N*)", "2n-1"),
        ("x∈R", "x∈R"),  # nothing else would be left
        ("x∈[0,1]", "x∈[0,1]"),
    ],
)
def test_a_condition_behind_is_left_away(text, expected):
    assert split_condition(text) == expected
