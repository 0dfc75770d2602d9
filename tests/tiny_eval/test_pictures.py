"""Pictures show the numbers where they are, on the metric's own scale."""

import math
from xml.etree import ElementTree

import pytest

from tiny_eval.pictures import MARGIN, WIDTH, bars, fit, number, radar, scale_of
from tiny_eval.stats import Estimate

INNER = WIDTH - 2 * MARGIN
HALF = Estimate(0.5, 0.1, 0.3, 0.7, 20)


def parts(svg: str, tag: str) -> list[ElementTree.Element]:
    """Elements of well-formed XML: what is not raises."""
    root = ElementTree.fromstring(svg)
    return list(root.iter(f"{{http://www.w3.org/2000/svg}}{tag}"))


def filled(svg: str) -> list[float]:
    """The lengths of the bars, as shares of their tracks."""
    widths = [float(rect.get("width", "")) / INNER for rect in parts(svg, "rect")]
    return widths[1::2]


def whiskers(svg: str) -> list[tuple[float, float]]:
    lines = [line for line in parts(svg, "line") if line.get("class") == "whisker"]
    ends = [(float(line.get("x1", "")), float(line.get("x2", ""))) for line in lines]
    return [((low - MARGIN) / INNER, (high - MARGIN) / INNER) for low, high in ends]


def labels(svg: str) -> list[str]:
    return [text.text or "" for text in parts(svg, "text")]


def test_a_bar_is_as_long_as_its_share_and_the_whisker_spans_the_interval() -> None:
    svg = bars([("a", HALF), ("b", HALF._replace(value=0.25))], "f1")
    assert filled(svg) == pytest.approx([0.5, 0.25], abs=1e-3)
    assert whiskers(svg) == [pytest.approx((0.3, 0.7), abs=1e-3)] * 2
    assert {"a", "b", "50.0%", "25.0%", "0%", "100%"} <= set(labels(svg))


def test_bleu_fills_its_bar_at_100() -> None:
    svg = bars([("a", Estimate(25.0, 1.0, 20.0, 30.0, 9))], "bleu")
    assert filled(svg) == pytest.approx([0.25], abs=1e-3)
    assert whiskers(svg) == [pytest.approx((0.2, 0.3), abs=1e-3)]
    assert {"25.0", "100"} <= set(labels(svg))


@pytest.mark.parametrize(
    ("high", "end"), [(17.0, 20.0), (20.0, 20.0), (21.0, 40.0), (1.1, 2.0), (0.3, 0.4), (900, 1000)]
)
def test_a_perplexity_has_a_round_axis_from_0_that_holds_its_interval(
    high: float, end: float
) -> None:
    svg = bars([("a", Estimate(high / 2, 1.0, high / 4, high, 9))], "word_perplexity")
    assert f"{end:g}" in labels(svg)
    assert filled(svg) == pytest.approx([high / 2 / end], abs=1e-3)
    assert whiskers(svg) == [pytest.approx((high / 4 / end, high / end), abs=1e-3)]


def test_a_single_question_has_no_whisker() -> None:
    alone = Estimate(12.0, math.nan, math.nan, math.nan, 1)
    svg = bars([("a", alone)], "word_perplexity")
    assert whiskers(svg) == []
    assert "nan" not in svg
    assert filled(svg) == pytest.approx([0.6], abs=1e-3)


def test_an_interval_beyond_the_scale_ends_at_its_edge() -> None:
    svg = bars([("a", Estimate(0.9, 0.1, -0.2, 1.3, 3))], "gaokao")
    assert whiskers(svg) == [pytest.approx((0, 1), abs=1e-3)]


def test_an_interval_without_end_goes_to_the_end_of_the_axis() -> None:
    svg = bars([("a", Estimate(12.0, math.inf, 5.0, math.inf, 3))], "word_perplexity")
    assert whiskers(svg) == [pytest.approx((0.25, 1), abs=1e-3)]


def test_nothing_in_a_name_is_markup() -> None:
    name = '<b onload="x">&amp;\0\ud800'
    assert labels(bars([(name, HALF)], "f1"))[-2] == '<b onload="x">&amp;␀\\ud800'


def test_no_rows_make_no_picture() -> None:
    with pytest.raises(ValueError, match="rows is empty"):
        bars([], "f1")


def test_a_radar_points_the_first_spoke_up_and_goes_clockwise() -> None:
    svg = radar(["up", "right", "down", "left"], {"a": [1, 0.5, 0, 1]})
    outer, values = (polygon.get("points", "") for polygon in parts(svg, "polygon")[-2:])
    ring, shown = (
        [tuple(map(float, point.split(","))) for point in points.split()]
        for points in (outer, values)
    )
    (x, top), (right, middle), (_, bottom), (left, _) = ring
    assert top < middle < bottom
    assert left < x < right
    assert shown[0] == ring[0]
    assert shown[1] == pytest.approx(((x + right) / 2, middle))
    assert shown[2] == pytest.approx((x, middle))
    assert shown[3] == ring[3]


def test_a_radar_names_its_spokes_and_series() -> None:
    svg = radar(["one\ntask", "two", "three"], {"first": [1, 1, 1], "second": [0, 0, 0]})
    assert set(labels(svg)) == {"one", "task", "two", "three", "first", "second"}
    fills = [polygon.get("fill") for polygon in parts(svg, "polygon")[-2:]]
    assert len(set(fills)) == 2


def test_what_makes_no_radar_is_refused() -> None:
    with pytest.raises(ValueError, match="2 spokes make no area"):
        radar(["a", "b"], {})
    for values in ([1, 1], [1, 1, 1.5], [1, 1, math.nan]):
        with pytest.raises(ValueError, match=r"must be 3 numbers in \[0, 1\]"):
            radar(["a", "b", "c"], {"x": values})


def test_numbers_are_shown_on_their_scale() -> None:
    assert number("f1", 0.7251) == "72.5%"
    assert number("f1", -0.031, signed=True) == "-3.1 pp"
    assert number("bleu", 31.24) == "31.2"
    assert number("bleu", 1.04, signed=True) == "+1.0"
    assert number("word_perplexity", 12.3456) == "12.346"
    assert number("f1", math.nan) == "–"
    assert scale_of("bits_per_byte") == "own"
    assert scale_of("calibration_error") == "share"


def test_a_long_name_loses_its_middle() -> None:
    assert fit("short", 5) == "short"
    assert fit("abcdefghij", 7) == "abc…hij"
    assert fit("一二三四五", 10) == "一二三四五"  # each as wide as two letters
    assert fit("一二三四五六", 9) == "一二…五六"
