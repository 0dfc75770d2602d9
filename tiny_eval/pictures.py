"""Pictures of scores, as SVG that needs nothing but itself: bars with error bars, and a radar.

A page may set the colours --series-1 to --series-6, --track and the text's; without it, they are
those of this module. Bars begin at 0, so that their lengths may be compared. Leaves out: anything
that a table says better.
"""

import math
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Literal

from .markup import Html, element
from .metrics import METRICS
from .stats import Estimate

Scale = Literal["share", "hundred", "own"]
WIDTH, ROW, MARGIN = 360, 38, 1
_COLOURS = ("#3f6fb0", "#c4772e", "#3d8f6f", "#a14f8a", "#7d7a2f", "#5b5fc7")


def scale_of(metric: str) -> Scale:
    """How its values are meant: a share of 1, points of 100 (BLEU), or a perplexity's own scale."""
    if METRICS[metric].kind == "perplexity":
        return "own"
    return "hundred" if METRICS[metric].best == 100 else "share"


def number(metric: str, value: float, signed: bool = False, points: str = "pp") -> str:
    """A value as reports show it: 72.5%, 31.2 (BLEU), 12.34 (perplexity); – for NaN.

    signed: a difference; of shares it is in percentage points, and `points` is their unit
    """
    if math.isnan(value):
        return "–"
    sign = "+" if signed else ""
    match scale_of(metric):
        case "share":
            return f"{100 * value:{sign}.1f}" + (f" {points}" if signed else "%")
        case "hundred":
            return f"{value:{sign}.1f}"
        case "own":
            return f"{value:{sign}.3f}" if abs(value) < 1e6 else f"{value:{sign}.3g}"


def bars(rows: Sequence[tuple[str, Estimate]], metric: str) -> Html:
    """A bar for each estimate, under its name and value; a whisker spans the 95% interval.

    ValueError if there are no rows
    """
    if not rows:
        raise ValueError("rows is empty; a picture needs at least one estimate")
    axis = _axis(metric, [estimate for _, estimate in rows])
    parts = [_ticks(axis, metric, len(rows) * ROW)]
    for place, (name, estimate) in enumerate(rows):
        parts.append(_bar(name, estimate, metric, axis, place))
    label = "; ".join(f"{name}: {number(metric, found.value)}" for name, found in rows)
    return _svg(len(rows) * ROW + 24, f"{metric}: {label}", *parts)


def radar(spokes: Sequence[str], series: Mapping[str, Sequence[float]]) -> Html:
    """A polygon for each series, over spokes from 0 in the middle to 1 outside.

    spokes: names, a line break in them allowed · series: by name a value in [0, 1] for each spoke
    ValueError: fewer than three spokes, not a value for each, a value outside [0, 1]
    """
    if len(spokes) < 3:
        raise ValueError(f"{len(spokes)} spokes make no area; use bars")
    for name, values in series.items():
        if len(values) != len(spokes) or not all(0 <= value <= 1 for value in values):
            raise ValueError(f"{name}: {list(values)} must be {len(spokes)} numbers in [0, 1]")
    parts = [_polygon([ring] * len(spokes), fill="none", stroke=_TRACK) for ring in _RINGS]
    for place, spoke in enumerate(spokes):
        parts.append(_line(*_at(0, 0, 1), *_at(place, 1, len(spokes)), stroke=_TRACK))
        parts.append(_spoke(spoke, place, len(spokes)))
    for place, (name, values) in enumerate(series.items()):
        colour, y = _colour(place), 2 * _CENTRE[1] + 18 * place
        parts.append(
            _polygon(values, fill=colour, stroke=colour, fill_opacity="0.12", stroke_width="2")
        )
        parts.append(_rect(MARGIN, y - 9, 10, 10, fill=colour))
        parts.append(_text(MARGIN + 16, y, fit(name, 48)))
    label = f"{', '.join(spokes)}: " + "; ".join(series)
    return _svg(2 * _CENTRE[1] + 18 * len(series), label, *parts)


def fit(text: str, width: int) -> str:
    """At most so wide: a Chinese character is as wide as two others. The middle gives way to …"""
    wide = [1 + (unicodedata.east_asian_width(character) in "WF") for character in text]
    if sum(wide) <= width:
        return text
    head, tail = len(text), 0
    while sum(wide[:head]) > width - width // 2 - 1:
        head -= 1
    while sum(wide[len(wide) - tail - 1 :]) <= width // 2:
        tail += 1
    return f"{text[:head]}…{text[len(text) - tail :]}"


_TRACK = "var(--track, #d5d8dd)"
_RINGS = (0.25, 0.5, 0.75, 1.0)
_CENTRE, _RADIUS = (WIDTH / 2, 130.0), 86.0


def _axis(metric: str, estimates: Sequence[Estimate]) -> float:
    """Where the axis ends, which has ticks at 0 and at each quarter."""
    scale = scale_of(metric)
    if scale != "own":
        return 1.0 if scale == "share" else 100.0
    ends = (each.high if math.isfinite(each.high) else each.value for each in estimates)
    top = max(ends) or 1.0
    power = 10 ** math.floor(math.log10(top / 4))
    return 4 * power * next(step for step in (1, 2, 2.5, 5, 10) if top / 4 <= step * power * 1.0001)


def _x(value: float, axis: float) -> float:
    """Where a value lies; what lies outside of the axis, at its end."""
    return MARGIN + (WIDTH - 2 * MARGIN) * min(max(value / axis, 0.0), 1.0)


def _bar(name: str, estimate: Estimate, metric: str, axis: float, place: int) -> Html:
    top = place * ROW
    value = number(metric, estimate.value)
    end, middle = _x(estimate.value, axis), top + 25
    parts = [
        _text(MARGIN, top + 14, fit(name, 40)),
        _text(WIDTH - MARGIN, top + 14, value, text_anchor="end", font_weight="600"),
        _rect(MARGIN, top + 19, WIDTH - 2 * MARGIN, 12, fill=_TRACK, fill_opacity="0.45"),
        _rect(MARGIN, top + 19, end - MARGIN, 12, fill=_colour(place)),
    ]
    if not math.isnan(estimate.low):
        low, high = _x(estimate.low, axis), _x(estimate.high, axis)
        parts.append(_line(low, middle, high, middle, class_="whisker"))
        parts += [_line(x, middle - 4, x, middle + 4) for x in (low, high)]
    return element("g", *parts)


def _ticks(axis: float, metric: str, bottom: float) -> Html:
    parts = []
    for place, anchor in enumerate(("start", "middle", "middle", "middle", "end")):
        tick = axis * place / 4
        x = _x(tick, axis)
        label = f"{100 * tick:.0f}%" if scale_of(metric) == "share" else f"{tick:g}"
        parts.append(_line(x, 17, x, bottom, stroke=_TRACK))
        parts.append(_text(x, bottom + 14, label, text_anchor=anchor, font_size="10"))
    return element("g", *parts)


def _at(place: float, share: float, spokes: int) -> tuple[float, float]:
    """The point on a spoke; the first points up, the others follow clockwise."""
    angle = 2 * math.pi * place / spokes
    return (
        _CENTRE[0] + share * _RADIUS * math.sin(angle),
        _CENTRE[1] - share * _RADIUS * math.cos(angle),
    )


def _spoke(name: str, place: int, spokes: int) -> Html:
    x, y = _at(place, 1.08, spokes)
    side = round(x - _CENTRE[0])
    anchor = "start" if side > 0 else "end" if side < 0 else "middle"
    top = y + 4 - 13 * name.count("\n") * (y < _CENTRE[1])
    lines = [
        _text(x, top + 13 * line, fit(part, 13 if side else 40), text_anchor=anchor, font_size="11")
        for line, part in enumerate(name.split("\n"))
    ]
    return element("g", *lines)


def _polygon(values: Sequence[float], **style: str) -> Html:
    points = [_at(place, value, len(values)) for place, value in enumerate(values)]
    return element("polygon", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), **style)


def _colour(place: int) -> str:
    place %= len(_COLOURS)
    return f"var(--series-{place + 1}, {_COLOURS[place]})"


def _svg(height: float, label: str, *parts: Html) -> Html:
    box = f"0 0 {WIDTH} {height:g}"
    attributes = {"xmlns": "http://www.w3.org/2000/svg", "viewBox": box, "aria-label": label}
    return element("svg", *parts, role="img", fill="currentColor", font_size="12", **attributes)


def _text(x: float, y: float, text: str, **style: str) -> Html:
    return element("text", text, x=f"{x:.1f}", y=f"{y:.1f}", **style)


def _rect(x: float, y: float, width: float, height: float, **style: str) -> Html:
    size = {"width": f"{width:.1f}", "height": f"{height:.1f}"}
    return element("rect", x=f"{x:.1f}", y=f"{y:.1f}", **size, **style)


def _line(x1: float, y1: float, x2: float, y2: float, **style: str) -> Html:
    ends = {"x1": f"{x1:.1f}", "y1": f"{y1:.1f}", "x2": f"{x2:.1f}", "y2": f"{y2:.1f}"}
    return element("line", **ends, **{"stroke": "currentColor", "stroke_width": "1.2", **style})
