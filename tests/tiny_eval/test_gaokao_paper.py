"""The shipped paper: every answer computed by sympy from what its question says.

Nothing is compared with a number copied from the file: each test works its question out, and then
holds the file's answer, and for choices every wrong option, against the result. Oracle: sympy.
"""

import itertools
import json
import re
from fractions import Fraction
from importlib.resources import files

import pytest
import sympy as sp
from sympy import Rational, cos, log, pi, sin, sqrt

from tiny_eval.equivalence import equivalent

x, y, m, n, t = sp.symbols("x y m n t", real=True)


def read(name: str) -> list[dict]:
    text = (files("tiny_eval") / "data" / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


PAPER = {int(row["id"][-2:]): row for row in read("gaokao_2024_style.jsonl")}


def right_options(number: int, verdicts: list[bool]) -> None:
    """The file's letters are those of the true options; the others are false."""
    letters = [letter for letter, true in zip("ABCD", verdicts, strict=True) if true]
    assert PAPER[number]["answer"] == letters


def option_that_is(number: int, value: sp.Expr) -> None:
    """Exactly the option that the file calls right says the value."""
    same = [equivalent(option, sp.latex(value)).same for option in PAPER[number]["options"]]
    right_options(number, same)


def answers_are(number: int, *values: sp.Expr | str) -> None:
    texts = [value if isinstance(value, str) else sp.latex(value) for value in values]
    given = PAPER[number]["answer"]
    assert len(given) == len(texts)
    for answer, text in zip(given, texts, strict=True):
        assert equivalent(answer, text).same, (answer, text)


# --- The paper as a whole. ---


def test_the_paper_has_the_shape_of_the_2024_one():
    shape = [(row["type"], row["points"]) for row in PAPER.values()]
    expected = [("single", 5)] * 8 + [("multiple", 6)] * 3 + [("fill", 5)] * 3
    assert shape == expected + [("open", points) for points in (13, 15, 15, 17, 17)]
    assert sum(points for _, points in shape) == 150


@pytest.mark.parametrize("number", PAPER)
def test_every_question_is_whole(number):
    row = PAPER[number]
    assert row["year"] == 2024
    assert row["question"].strip()
    assert row["question_en"].strip()
    assert row["analysis"].strip()
    assert ("options" in row) == (row["type"] in ("single", "multiple"))
    assert len(row.get("options", "ABCD")) == len(set(row.get("options", "ABCD"))) == 4
    for text in (row["question"], row["question_en"], row["analysis"], *row.get("options", ())):
        assert text.count("$") % 2 == 0
        assert text.count("{") == text.count("}")


@pytest.mark.parametrize("number", range(15, 20))
def test_the_steps_of_a_rubric_add_up_to_the_points(number):
    row = PAPER[number]
    assert sum(step["points"] for step in row["rubric"]) == row["points"]


@pytest.mark.parametrize("number", range(1, 12))
def test_the_worked_solution_ends_in_the_answer(number):
    row = PAPER[number]
    if row["type"] == "single":
        assert re.search(r"选 ([A-D])。$", row["analysis"])[1] == row["answer"][0]
    else:
        assert re.findall(r"([A-D]) ?对", row["analysis"]) == row["answer"]


@pytest.mark.parametrize("name", ["gaokao_answers_careful.jsonl", "gaokao_answers_sloppy.jsonl"])
def test_the_replies_answer_every_question_once(name):
    assert [row["id"] for row in read(name)] == [row["id"] for row in PAPER.values()]


# --- Single choice. ---


def test_1_the_intersection_of_an_interval_and_a_finite_set():
    inside = sp.solveset(x**2 - 3 * x - 10 < 0, x, sp.S.Reals)
    left = [value for value in (-3, -2, -1, 0, 4, 5, 7) if value in inside]
    wanted = "{" + ",".join(map(str, left)) + "}"
    right_options(1, [equivalent(option, wanted).same for option in PAPER[1]["options"]])


def test_2_the_modulus_of_a_complex_number():
    z = (3 + 4 * sp.I) / (2 - sp.I)
    option_that_is(2, sp.Abs(sp.simplify(z - sp.I)))


def test_3_perpendicular_vectors():
    a, b = sp.Matrix([2, 1]), sp.Matrix([m, -3])
    (value,) = sp.solve((a + 2 * b).dot(a), m)
    option_that_is(3, value)


def test_4_a_tangent_known():
    angle = sp.atan(3)
    option_that_is(4, sp.simplify(sp.expand_trig(sin(2 * angle)) / (1 + cos(angle) ** 2)))


def test_5_the_volume_of_a_frustum():
    slant = sp.Symbol("s", positive=True)
    (length,) = sp.solve(4 * (2 + 4) * slant / 2 - 12 * sqrt(5), slant)
    height = sqrt(length**2 - 1)
    # Not by the formula of the worked solution: the square's side grows from 2 to 4.
    option_that_is(5, sp.integrate((2 + 2 * t / height) ** 2, (t, 0, height)))


def test_6_an_odd_function_that_rises():
    f = x**3 + 2**x - 2 ** (-x)
    assert sp.simplify(f.subs(x, -x) + f) == 0
    assert all(sp.diff(f, x).subs(x, Rational(k, 7)).evalf() > 0 for k in range(-40, 40))
    inside = sp.solveset(t**2 < 15 - 2 * t, t, sp.S.Reals)
    right_options(6, [equivalent(option, sp.latex(inside)).same for option in PAPER[6]["options"]])
    whole = f.subs(x, t**2) + f.subs(x, 2 * t - 15)
    for value in (-6, Rational(-49, 10), 0, Rational(29, 10), Rational(31, 10)):
        assert (whole.subs(t, value) < 0) == inside.contains(value)


def test_7_the_sum_of_the_solutions_of_an_equation():
    difference = sin(x) - cos(4 * x)
    multiples = [Rational(k, 60) * pi for k in range(121)]
    near = [value for value in multiples if abs(difference.subs(x, value).evalf()) < 1e-9]
    solutions = [value for value in near if sp.simplify(difference.subs(x, value)) == 0]
    # None is missed: as a polynomial in sin x it has no more zeros, and sin x = 1 only once.
    polynomial = sp.Poly(x - (1 - 8 * x**2 * (1 - x**2)), x)
    found = {round(float(sin(value)), 9) for value in solutions}
    assert found == {round(float(root), 9) for root in polynomial.real_roots()}
    assert all(abs(value) < 1 for value in found - {1})
    assert len(solutions) == 2 * len(found - {1}) + 1
    option_that_is(7, sum(solutions))


def f8(value: Fraction) -> Fraction:
    if value < 0:
        return (f8(value + 1) - 1) / 2
    return value if value < 1 else 2 * f8(value - 1) + 1


def test_8_a_function_told_by_a_recursion():
    points = [Fraction(k, 8) for k in range(-80, 80)]
    sums = [
        sum(f8(Fraction(k)) for k in range(1, n + 1)) == 2 ** (n + 1) - n - 2 for n in range(1, 15)
    ]
    verdicts = [f8(Fraction(10)) == 1024, f8(Fraction(15, 2)) > 191]
    verdicts += [any(f8(value) <= -1 for value in points), all(sums)]
    right_options(8, verdicts)


# --- Multiple choice. ---


def test_9_a_mean_a_median_a_percentile_and_a_variance():
    data = sorted([3, 5, 6, 6, 8, 14])

    def variance(values: list[int]) -> Fraction:
        mean = Fraction(sum(values), len(values))
        return sum((value - mean) ** 2 for value in values) / len(values)

    place = len(data) * Fraction(3, 4)  # as school books: rounded up, else the mean of two
    assert place.denominator != 1
    percentile = data[int(place)]
    verdicts = [sum(data) == 7 * len(data), Fraction(data[2] + data[3], 2) == 7, percentile == 8]
    right_options(9, [*verdicts, variance(data[:-1]) < variance(data)])


def test_10_a_cubic():
    f = x**3 - 12 * x + 5
    low, high = sorted(f.subs(x, value) for value in sp.solve(sp.diff(f, x), x))
    is_minimum = sp.diff(f, x).subs(x, -2) == 0 and sp.diff(f, x, 2).subs(x, -2) > 0
    tangent = f.subs(x, 0) + sp.diff(f, x).subs(x, 0) * x
    central = sp.expand(f + f.subs(x, -x)) == 2 * 5
    right_options(10, [is_minimum, central, (low, high) == (-11, 21), tangent == 12 * x + 5])
    assert len(sp.Poly(f - 21, x).real_roots(multiple=False)) == 2  # the ends do not belong to it
    assert len(sp.Poly(f - 20, x).real_roots(multiple=False)) == 3


def test_11_a_curve_of_two_parabolas():
    up = sp.solve(x**2 + (y - 1) ** 2 - (3 - y) ** 2, y)
    down = sp.solve(x**2 + (y - 1) ** 2 - (3 + y) ** 2, y)
    ends = sp.solve(sqrt(x**2 + 1) - 3, x)
    reach = sp.Interval(*sorted(ends))
    heights = sp.Union(*(sp.calculus.util.function_range(part[0], x, reach) for part in (up, down)))
    farthest = max(sp.maximum(x**2 + part[0] ** 2, x, reach) for part in (up, down))
    even = all(part[0].subs(x, -x) == part[0] for part in (up, down))
    right_options(11, [
        even, sp.Abs(ends[0] - ends[1]) == 4 * sqrt(2), farthest > 9, heights == sp.Interval(-1, 2)
    ])  # fmt: skip


# --- Blanks. ---


def test_12_a_hyperbola_by_two_distances():
    a, b = sp.symbols("a b", positive=True)
    line = lambda px: b * px / sqrt(a**2 + b**2)  # noqa: E731  # from (px, 0) to bx - ay = 0
    distances = [line(sqrt(a**2 + b**2)) - 4, line(a) - Rational(12, 5)]
    ((a_value, b_value),) = sp.solve(distances, [a, b])
    answers_are(12, f"\\frac{{x^2}}{{{a_value**2}}}-\\frac{{y^2}}{{{b_value**2}}}=1")


def test_13_the_triangle_under_a_tangent():
    curve = (x**2 + 3) * sp.exp(-x)
    assert curve.subs(x, 0) == 3
    tangent = 3 + sp.diff(curve, x).subs(x, 0) * x
    (foot,) = sp.solve(tangent, x)
    answers_are(13, sp.Abs(foot * tangent.subs(x, 0)) / 2)


def red_on_draw(draw: int, white: int = 3) -> Fraction:
    red = Fraction(2, 2 + white)
    if draw == 1:
        return red
    fewer = red_on_draw(draw - 1, white - 1) if white else Fraction(0)
    return red * red_on_draw(draw - 1, white) + (1 - red) * fewer


def test_14_drawing_balls():
    answers_are(14, str(red_on_draw(3)))


# --- Open questions: the final answers, and the steps that the rubric names. ---


def test_15_a_triangle():
    angle, a = sp.symbols("B a", positive=True)
    # With A = 1 rad and the sine rule (a = sin A, b = sin B, c = sin C) only B is left.
    condition = sqrt(3) * (sin(1 + angle) - sin(angle) * cos(1)) - sin(1) * sin(angle)
    assert sp.simplify(condition.subs(angle, pi / 3)) == 0
    signs = [bool(condition.subs(angle, Rational(k, 50)).evalf() > 0) for k in range(1, 107)]
    assert sorted(signs, reverse=True) == signs  # one change of sign: no other angle below π - 1
    b = sp.Matrix([0, 0])
    corner_a, corner_c = sp.Matrix([3, 0]), sp.Matrix([a / 2, a * sqrt(3) / 2])
    middle = (corner_a + corner_c) / 2 - b
    (side,) = sp.solve(middle.dot(middle) - Rational(37, 4), a)
    assert side == 4
    answers_are(15, pi / 3, 3 * side * sin(pi / 3) / 2)


def test_16_an_ellipse_and_a_line():
    a, b = sp.symbols("a b", positive=True)
    equations = [(a**2 - b**2) / a**2 - Rational(3, 4), 12 / a**2 + 1 / b**2 - 1]
    ((a_value, b_value),) = sp.solve(equations, [a, b])
    curve = x**2 / a_value**2 + y**2 / b_value**2 - 1
    heights = sp.Poly(curve.subs(x, m * y + 2), y)
    area = sqrt(heights.discriminant()) / sp.Abs(heights.LC()) * 2 / 2  # OM = 2
    slopes = sp.solve(area - Rational(16, 5), m)
    assert set(slopes) == {-1, 1}
    lines = "或".join(f"x={slope}*y+2" for slope in slopes)
    answers_are(16, f"x^2/{a_value**2}+y^2/{b_value**2}=1", lines)
    assert set(sp.solve(curve.subs(x, 2), y)) == {-sqrt(3), sqrt(3)}  # and m = 0 is not one of them


def test_17_a_prism():
    point = {"A": (0, 0, 0), "B": (2, 0, 0), "C": (0, 2, 0), "B1": (2, 0, 4), "C1": (0, 2, 4)}
    v = {name: sp.Matrix(place) for name, place in point.items()}
    d, e = (v["B"] + v["C"]) / 2, (v["C"] + v["C1"]) / 2
    assert (d - v["A"]).dot(e - v["B1"]) == 0
    assert (d - v["A"]).dot(v["C"] - v["B"]) == 0
    normal = (v["B1"] - v["A"]).cross(e - v["A"])
    assert normal.cross(sp.Matrix([-2, -1, 1])) == sp.zeros(3, 1)  # the rubric's
    answers_are(17, sp.Abs(normal[2]) / normal.norm())


def test_18_a_function_with_a_logarithm():
    positive = sp.Symbol("x", positive=True)
    f = positive**2 - 4 * log(positive) - 1
    (bottom,) = sp.solve(sp.diff(f, positive), positive)
    assert sp.diff(f, positive, 2).subs(positive, bottom) > 0
    a = sp.Symbol("a", positive=True)
    whole = positive**2 - 2 * a * log(positive) - 1
    assert whole.subs(positive, 1) == 0
    slope = sp.factor(sp.diff(whole, positive) * positive / 2)
    assert (
        sp.simplify(slope - (positive**2 - a)) == 0
    )  # of the sign of x² - a: rises from 1 if a <= 1
    dip = whole.subs(positive, sqrt(a))  # and has its least value at √a if a > 1: below 0
    assert all(dip.subs(a, 1 + Rational(1, k)).evalf() < 0 for k in (1, 10, 1000))
    answers_are(18, sp.simplify(f.subs(positive, bottom)), "(-\\infty,1]")
    for k in (1, 2, 5, 50):
        assert sum(Rational(1, 2 * j - 1) for j in range(1, k + 1)) > log(2 * k + 1) / 2


def folded(values: list[int]) -> int:
    while len(values) > 1:
        values = [a + b for a, b in itertools.pairwise(values)]
    return values[0]


def test_19_folding_sequences():
    unit = [[int(i == k) for i in range(9)] for k in range(9)]
    weights = [folded(row) for row in unit]
    assert all(weight % 2 == 0 for weight in weights[1:-1])
    assert weights[0] == weights[-1] == 1
    # By exchange: whatever the order, sorting both by size gives the most.
    most = sum(a * b for a, b in zip(sorted(weights), range(1, 10), strict=True))
    rest = itertools.permutations([1, 2, 3, 4, 5, 6])
    assert most == max(folded([a, b, c, 7, 9, 8, d, e, f]) for a, b, c, d, e, f in rest)
    formula = (n + 1) * 2 ** (n - 2)
    assert all(formula.subs(n, k) == folded(list(range(1, k + 1))) for k in range(2, 15))
    answers_are(19, str(folded([1, 3, 5, 7])), "(n+1)*2^{n-2}", str(most))
